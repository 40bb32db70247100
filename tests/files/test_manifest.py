"""Trees: which manifests are sound, and what a tree's identity is."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import xpstore
from support.raw import KIB, MIB, Raw, chunk_of, cut, digest_of, entry_of, page_of, root_of, tree_digest
from xpstore.artifact import DirectoryArtifact
from xpstore.format.packs import DamagedPack, PackedChunk, decode_footer, encode_footer
from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.manifest import Entry, Tree
from xpstore_server.store.encoded import decode

VECTORS = json.loads((Path(__file__).parents[2] / "docs" / "protocol-vectors.json").read_text())
CODECS = {"none": 1, "zstd": 2}


def file(path: str, *sizes: int, **changes: Any) -> Entry:
    """A sound entry of a file with chunks of these sizes, with `changes` that spoil it."""
    digests = tuple(digest_of(b"%d" % size) for size in sizes)
    return replace(Entry(path, False, False, sum(sizes), digest_of(path.encode()), 0, digests, sizes), **changes)


def folder(path: str, **changes: Any) -> Entry:
    return replace(Entry(path, True, False, 0, b""), **changes)


def digest(entries: Sequence[Entry]) -> bytes:
    tree = Tree()
    for entry in entries:
        tree.add(entry)
    return tree.finish()


@pytest.mark.parametrize(
    "paths",
    [
        ["a", "b"],
        ["a", "a.x", "a0"],
        ["a.b", "a/b", "a0"],
        ["B", "a"],
        ["a/b", "a/b.c", "a/c/d", "a/c0"],
        ["é", "\uff5e", "😀"],
        ["..a", "a..b", "...", "a/..b"],
        ["a b", "a\nb", "-"],
        ["x" * limits.PATH_BYTES],
    ],
    ids=str,
)
def test_paths_in_the_order_of_their_bytes_are_taken(paths: list[str]) -> None:
    paths.sort(key=str.encode)
    digest([file(path, 1) for path in paths])


@pytest.mark.parametrize(
    "path",
    [
        *["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/../b", "./a", "a/.", "\x00", "a\x00b", "a\\b"],
        *["\\\\host\\a", "c:", "C:/a", "c:a", "\ud800"],
        *["x" * (limits.PATH_BYTES + 1), "é" * (limits.PATH_BYTES // 2 + 1)],
    ],
    ids=lambda path: ascii(path)[:20],
)
def test_unsafe_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        digest([replace(file("a", 1), path=path)])
    assert caught.value.metadata["field"] == "entries.path"


@pytest.mark.parametrize(
    "paths",
    [["b", "a"], ["a", "a"], ["a/b", "a.b"], ["é", "z"], ["😀", "\uff5e"], ["a", "b", "a"]],
    ids=str,
)
def test_paths_out_of_order_are_refused(paths: list[str]) -> None:
    with pytest.raises(InvalidArgument, match=r"order|twice|offset"):
        digest([file(path, 1) for path in paths])


@pytest.mark.parametrize(
    "paths",
    [["a", "a/b"], ["a", "a.x", "a/b"], ["a", "a-", "a.x", "a/b/c"], ["a/b", "a/b.c", "a/b/c"], ["a", "a/b", "a/c"]],
    ids=str,
)
@pytest.mark.parametrize("above", [file, folder])
def test_entry_below_a_file_or_an_empty_directory_is_refused(paths: list[str], above: Any) -> None:
    size = () if above is folder else (1,)
    with pytest.raises(InvalidArgument, match="below"):
        digest([above(paths[0], *size), *(file(path, 1) for path in paths[1:])])


PART = file("a", MIB, MIB)
REST = replace(file("a", MIB), offset=2 * MIB)
WHOLE = [replace(PART, size_bytes=3 * MIB), replace(REST, size_bytes=3 * MIB)]


@pytest.mark.parametrize(
    "entries",
    [
        [file("a", 1, size_bytes=2)],
        [file("a", 1, size_bytes=0)],
        [file("a", size_bytes=1)],
        [file("a", size_bytes=-1)],
        [file("a", 1, digest=b"")],
        [file("a", 1, digest=bytes(31))],
        [file("a", 1, offset=1)],
        [file("a", 1, offset=-1)],
        [file("a", 0)],
        [file("a", -1, 2)],
        [file("a", MIB + 1)],
        [folder("a", size_bytes=1)],
        [folder("a", digest=bytes(32))],
        [folder("a", executable=True)],
        [folder("a", chunk_digests=(bytes(32),), chunk_sizes=(1,))],
        [folder("a"), folder("a")],
        [file("a"), file("a")],
        WHOLE[:1],
        WHOLE[1:],
        [WHOLE[0], WHOLE[0]],
        [WHOLE[0], replace(WHOLE[1], offset=2 * MIB - 1)],
        [WHOLE[0], replace(WHOLE[1], digest=bytes(32))],
        [WHOLE[0], replace(WHOLE[1], executable=True)],
        [WHOLE[0], replace(WHOLE[1], size_bytes=3 * MIB + 1)],
        [WHOLE[0], replace(WHOLE[1], is_directory=True)],
        [WHOLE[0], file("b"), WHOLE[1]],
        [WHOLE[0], replace(WHOLE[1], chunk_digests=(), chunk_sizes=()), WHOLE[1]],
        [*WHOLE, replace(WHOLE[1], offset=3 * MIB, chunk_digests=(), chunk_sizes=())],
    ],
    ids=range(28),
)
def test_sizes_offsets_and_parts_that_do_not_fit_are_refused(entries: list[Entry]) -> None:
    with pytest.raises(InvalidArgument):
        digest(entries)


def test_parts_of_a_huge_file_are_one_entry_of_the_tree() -> None:
    tree = Tree()
    for entry in (file("Z", 5), *WHOLE, file("b")):
        tree.add(entry)
    parts = tree.finish()
    assert (tree.file_count, tree.size_bytes) == (3, 3 * MIB + 5)
    whole = file("a", MIB, MIB, MIB)
    assert parts == digest([file("Z", 5), whole, file("b")])


@pytest.mark.parametrize("vector", VECTORS["trees"], ids=lambda vector: vector["name"])
def test_tree_has_the_digest_of_the_protocol(vector: Any) -> None:
    files = {entry["path"]: bytes.fromhex(entry.get("content_hex", "")) for entry in vector["entries"]}
    entries = []
    for entry in vector["entries"]:
        path, data = entry["path"], files[entry["path"]]
        if entry["type"] == "directory":
            entries.append(folder(path))
            continue
        assert entry["blake3"] == digest_of(data).hex() and entry["size_bytes"] == len(data)
        sizes = [len(data)] if data else []
        entries.append(file(path, *sizes, executable=entry["executable"], digest=digest_of(data)))
    assert digest(entries).hex() == vector["digest"] == digest_of(bytes.fromhex(vector["canonical_hex"])).hex()
    content = {
        entry["path"]: None if entry["type"] == "directory" else files[entry["path"]] for entry in vector["entries"]
    }
    executable = [entry["path"] for entry in vector["entries"] if entry["executable"]]
    assert tree_digest(content, executable).hex() == vector["digest"]


@pytest.mark.parametrize("vector", VECTORS["chunks"], ids=lambda vector: vector["codec"])
def test_chunk_decodes_to_the_bytes_of_its_digest(vector: Any) -> None:
    raw = bytes.fromhex(vector["raw_hex"])
    assert decode(CODECS[vector["codec"]], bytes.fromhex(vector["stored_hex"]), len(raw)) == raw
    assert digest_of(raw).hex() == vector["blake3"]


@pytest.mark.parametrize("vector", VECTORS["packs"], ids=lambda vector: vector["project_uid"])
def test_pack_describes_itself_as_the_protocol_says(vector: Any) -> None:
    chunks = [
        PackedChunk(
            bytes.fromhex(one["blake3"]),
            CODECS[one["codec"]],
            one["offset"],
            one["stored_size_bytes"],
            one["raw_size_bytes"],
        )
        for one in vector["chunks"]
    ]
    footer, pack = bytes.fromhex(vector["footer_hex"]), bytes.fromhex(vector["pack_hex"])
    assert encode_footer(vector["project_uid"], chunks) == footer
    assert decode_footer(footer) == decode_footer(pack) == (vector["project_uid"], chunks)
    for one in chunks:
        raw = decode(one.codec, pack[one.offset : one.offset + one.stored_size], one.raw_size)
        assert digest_of(raw) == one.digest


def test_damaged_footer_is_noticed() -> None:
    footer = bytes.fromhex(VECTORS["packs"][0]["footer_hex"])
    spoiled = [b"", footer[:5], footer[1:], footer[:-1], footer + b"x", footer[:-14]]
    spoiled += [footer[:at] + bytes([footer[at] ^ 1]) + footer[at + 1 :] for at in range(len(footer))]
    for bad in spoiled:
        with pytest.raises(DamagedPack):
            decode_footer(bad)


@pytest.mark.store
def test_identity_does_not_depend_on_the_cut(project: xpstore.Project, tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "file.bin").write_bytes(data)
    saved = DirectoryArtifact.save(tmp_path / "file.bin", "cut")
    raw = Raw(project._client, project.uid)
    published = raw.publish({"file.bin": data}, "cut", 256 * KIB)
    assert published.id == saved.id and published.version == 1
    other = raw.publish({"file.bin": data}, "other", 100_000)
    assert other.digest.hex() == saved.digest == tree_digest({"file.bin": data}).hex()
    assert raw.read(other.id) == data


def test_range_is_read_from_the_page_that_holds_it(project: xpstore.Project) -> None:
    raw = Raw(project._client, project.uid)
    data = bytes(range(256)) * 40
    pieces = cut(data, 1000)
    common = {"size_bytes": len(data), "digest": digest_of(data)}
    parts = [
        entry_of("m/huge", part, 1000, offset=offset, **common)
        for offset, part in zip(range(0, len(data), 3000), cut(data, 3000), strict=True)
    ]
    pages = [page_of(entry_of("a", b"1")), *map(page_of, parts), page_of(entry_of("z", b"2"))]
    raw.upload(*map(chunk_of, {*pieces, *pages, b"1", b"2"}))
    version = raw.commit(root_of(*pages)).version
    assert version.file_count == 3
    assert version.digest == tree_digest({"a": b"1", "m/huge": data, "z": b"2"})
    for offset in (0, 1, 999, 1000, 2999, 3000, 3001, 9999, len(data) - 1, len(data)):
        for length in (0, 1, 1000, 3001, len(data)):
            assert raw.read(version.id, "m/huge", offset=offset, length=length) == data[offset : offset + length]
        assert raw.read(version.id, "m/huge", offset=offset) == data[offset:]
    assert raw.read(version.id, "a") == b"1" and raw.read(version.id, "z") == b"2"
    files = DirectoryArtifact.get_by_id(version.id).files()
    assert [one.path for one in files] == ["a", "m/huge", "z"]
