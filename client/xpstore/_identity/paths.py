"""Fingerprints of paths: what they lead to."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

from blake3 import blake3

from xpstore._files.index import FileIndex
from xpstore._files.manifest import bare_entry, tree_digest
from xpstore._files.scan import Source, Sources, scan
from xpstore._identity.nodes import NodeType, Refused, no_fingerprint, seal, seal_text

READ_BYTES = 1 << 20


def seal_path(value: PurePath, is_global: bool) -> bytes:
    """What a path leads to: the name and bytes of a file, or the tree below a directory. As a global its text alone."""
    if is_global:
        return seal(NodeType.PATH_TEXT + seal_text(str(value)))
    if not isinstance(value, Path):
        raise no_fingerprint(value, "a path stands for what it contains: pass a pathlib.Path, or text for its name")
    sources = scan(value)
    digests = _digests(sources)
    if not value.is_dir():
        # What reads it may go by its suffix, and a label may be made of its name; where it lies is the machine's.
        return seal(NodeType.FILE + seal_text(value.name) + next(digests))
    entries = (bare_entry(source, digest) for source, digest in zip(sources, digests, strict=True))
    return seal(NodeType.DIRECTORY + tree_digest(entries))


def _digests(sources: Sources) -> Iterator[bytes]:
    """The digest of each file; those that are unchanged since they were saved or loaded are not read again."""
    cuts = FileIndex.open_default().get_all((location, status) for _, location, status in sources.files())
    for source in sources:
        if source.location is None:
            yield bytes(32)
        else:
            cut = next(cuts)
            yield cut.digest if cut is not None else _digest(source)


def _digest(source: Source) -> bytes:
    digest, buffer = blake3(), bytearray(min(READ_BYTES, source.size_bytes) or 1)
    with source.open() as file:
        while size := file.readinto(buffer):  # type: ignore[attr-defined]  # a raw file
            digest.update(memoryview(buffer)[:size])
    if not source.is_unchanged():
        raise Refused(f"{os.fspath(source.location)!r} changed while it was read")  # type: ignore[arg-type]
    return digest.digest()
