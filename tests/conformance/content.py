"""Content that is named and not sent: made of seeds, the same in every language."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from blake3 import blake3

from support.raw import tree_digest

ZEROS = "zeros"
KEPT = 2  # contents are up to 200 MB


def content(parts: list[dict[str, Any]]) -> bytes:
    """The bytes of a list of parts."""
    return _made(json.dumps(parts))


@lru_cache(KEPT)
def _made(parts: str) -> bytes:
    return b"".join(_part(one["seed"], int(one["size_bytes"])) for one in json.loads(parts))


def _part(seed: str, size_bytes: int) -> bytes:
    return bytes(size_bytes) if seed == ZEROS else blake3(seed.encode()).digest(length=size_bytes)


def blake3_of(parts: list[dict[str, Any]]) -> str:
    """The digest of a content, hexadecimal."""
    return _digest(json.dumps(parts))


@lru_cache(256)
def _digest(parts: str) -> str:
    return str(blake3(_made(parts)).hexdigest())


def tree_of(tree: Mapping[str, Any]) -> dict[str, tuple[str, int, str, bool]]:
    """What a tree of `upload_tree` is on a disk: kind, size, digest and whether it is executable, of each path."""
    executables = tree.get("executables", ())
    files = {
        path: ("file", len(content(parts)), blake3_of(parts), path in executables)
        for path, parts in tree["files"].items()
    }
    return files | {path: ("directory", 0, "", False) for path in tree.get("empty_directories", ())}


def digest_of_tree(tree: Mapping[str, Any]) -> str:
    """The tree digest, by docs/protocol.md."""
    files: dict[str, bytes | None] = {path: content(parts) for path, parts in tree["files"].items()}
    empty: dict[str, bytes | None] = dict.fromkeys(tree.get("empty_directories", ()))
    return tree_digest(files | empty, tree.get("executables", ())).hex()


def tree_on_disk(folder: Path) -> dict[str, tuple[str, int, str, bool]]:
    """What lies in a folder, in the form of `tree_of`. What is neither a file nor a folder is told as it is."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = ("link", 0, "", False)
        elif path.is_dir():
            if not any(path.iterdir()):
                found[name] = ("directory", 0, "", False)
        else:
            digest = blake3(path.read_bytes()).hexdigest()
            found[name] = ("file", path.stat().st_size, digest, bool(path.stat().st_mode & 0o100))
    return found
