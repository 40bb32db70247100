"""docs/value-vectors.json and docs/artifact-types.md: what Python writes and reads of values, byte for byte."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from support.contract.methods import ROOT
from support.fingerprints.notation import build
from xpstore import errors
from xpstore._results import own_objects, results, tagged_json
from xpstore._results.exact import fingerprint
from xpstore._results.formats import FORMATS, format_of_file, readable

VECTORS = json.loads((ROOT / "docs" / "value-vectors.json").read_text())
DOCUMENT = (ROOT / "docs" / "artifact-types.md").read_text()
TAGS = {*results._READERS, *tagged_json._DECODERS, *own_objects.TAGS}
# In the table of nodes, what stands in back quotes in the last column.
EXAMPLES = [
    json.loads(example)
    for row in re.findall(r"^\| `\$.*$", DOCUMENT, re.MULTILINE)
    for example in re.findall(r"`(\{[^`]*\})`", row.rsplit("|", 2)[1])
]


def lay(files: dict[str, Any], folder: Path) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            (folder / path).mkdir(parents=True)
        else:
            (folder / path).write_bytes(bytes.fromhex(content["hex"]) * content.get("times", 1))
            (folder / path).chmod(0o755 if content.get("executable") else 0o644)


def content(folder: Path) -> dict[str, tuple[bytes, bool] | None]:
    """The files of a folder with whether each is executable, and its empty folders."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    empty = {name: None for name, path in found.items() if path.is_dir() and not any(path.iterdir())}
    files = {name: path for name, path in found.items() if path.is_file()}
    return {**{name: (path.read_bytes(), bool(path.stat().st_mode & 0o100)) for name, path in files.items()}, **empty}


def read(folder: Path, text: str) -> Any:
    (folder / "value.json").write_text('{"xpstore_value": 1, "value": ' + text + "}")
    return results.read(None, results.WrittenFiles(folder))  # type: ignore[arg-type]  # no artifact is in it


@pytest.mark.parametrize("vector", VECTORS["values"], ids=[vector["name"] for vector in VECTORS["values"]])
def test_written_as_documented(vector: dict[str, Any], tmp_path: Path) -> None:
    written, documented = tmp_path / "written", tmp_path / "documented"
    for folder in (written, documented, tmp_path / "values"):
        folder.mkdir()
    results.write(build(vector["value"], tmp_path / "values"), written)
    whole = json.loads((written / "value.json").read_text())
    assert (whole.keys(), whole["xpstore_value"], repr(whole["value"])) == (
        {"xpstore_value", "value"},
        1,
        repr(vector["node"]),  # which tells 1 from 1.0
    )
    (written / "value.json").unlink()
    lay(vector.get("files", {}), documented)
    assert content(written) == content(documented)


BOTH = [*VECTORS["values"], *VECTORS["read"]]


@pytest.mark.parametrize("vector", BOTH, ids=[vector["name"] for vector in BOTH])
def test_read_as_documented(vector: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "documented"
    folder.mkdir()
    (tmp_path / "values").mkdir()
    lay(vector.get("files", {}), folder)
    value = read(folder, vector.get("text", json.dumps(vector["node"])))
    meant = build(vector["value"], tmp_path / "values")
    assert type(value) is type(meant) and fingerprint(value) == fingerprint(meant)


def test_every_node_has_its_line_and_no_other() -> None:
    assert set(re.findall(r"`(\$[a-z_-]+)`", DOCUMENT)) == TAGS


@pytest.mark.parametrize("node", EXAMPLES, ids=lambda node: next(iter(node)))
def test_examples_are_nodes(node: dict[str, Any], tmp_path: Path) -> None:
    (tag,) = node
    assert tag in TAGS
    if tag in tagged_json._DECODERS:  # all of it stands there
        value = read(tmp_path, json.dumps(node))
        (tmp_path / "again").mkdir()
        results.write(value, tmp_path / "again")
        assert json.loads((tmp_path / "again" / "value.json").read_text())["value"] == node


def test_formats_and_suffixes_are_all_there() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (?:`(\.[a-z]+)` )?\|", DOCUMENT, re.MULTILINE)
    assert {name: format_of_file(f"x{suffix}", None) for name, suffix in rows if suffix} == {
        name: FORMATS[name] for name, suffix in rows if suffix
    }
    assert {name for name, _ in rows} == {*FORMATS}


@pytest.mark.parametrize("declared", [None, "csv", "", 7, ["npy"], {"npy": 1}, True], ids=repr)
def test_unknown_format_is_no_error(declared: Any) -> None:
    assert format_of_file("x.bin", declared) is None
    assert format_of_file("x.NPY", declared) is FORMATS["npy"]


@pytest.mark.parametrize("format_", FORMATS.values(), ids=list(FORMATS))
def test_bytes_of_another_format_are_refused_by_name(format_: Any) -> None:
    for data in (b"", b"\x00" * 100, b"PAR1" * 10, b"\xff{"):
        with pytest.raises(errors.InvalidArgument, match="'data'"):
            format_.read(bytearray(data), (), "'data'")


def test_faults_of_this_machine_stay_what_they_are() -> None:
    def full() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        readable("it", full)


@pytest.mark.parametrize("name", ["fingerprint-vectors.json", "protocol-vectors.json", "value-vectors.json"])
def test_vectors_are_portable_json(name: str) -> None:
    """Strict UTF-8, no halves of surrogate pairs, no NaN, no key twice, no number that a double cannot hold."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in pairs}) == len(pairs)
        return dict(pairs)

    def constant(text: str) -> None:
        raise AssertionError(text)

    def number(text: str) -> int:
        assert abs(int(text)) <= 1 << 64
        return int(text)

    text = (ROOT / "docs" / name).read_bytes().decode("utf-8", "strict")
    found = json.loads(text, object_pairs_hook=unique, parse_constant=constant, parse_int=number)
    json.dumps(found, ensure_ascii=False).encode("utf-8", "strict")
