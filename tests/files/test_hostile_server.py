"""A download is whole or fails, whatever a server answers: with a typed error, in bounded time and memory."""

import itertools
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from support.folders import read
from support.hostility.hostile import HostileServer, chunk_message, directory
from support.raw import FILE, chunk_of, digest_of, entry_of
from xpstore import errors
from xpstore._files import manifest
from xpstore.v1 import artifact_pb2 as pb

FILES: dict[str, bytes | None] = {"a": b"alpha", "b/c": b"gamma" * 1_000, "b/d": None, "e": b""}


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server.hold(FILES, 999)


def test_sound_answers_are_taken(server: HostileServer, tmp_path: Path) -> None:
    artifact = server.artifact()
    assert read(artifact.download(tmp_path / "whole")) == FILES
    artifact.download(tmp_path / "part", "b")
    assert read(tmp_path / "part") == {"b/c": FILES["b/c"], "b/d": None}
    assert artifact.open("b/c").read() == FILES["b/c"]
    assert [file.path for file in artifact.files()] == sorted(FILES)


def lacks_a_file(server: HostileServer) -> None:
    del server.entries[0]


def lacks_all_files(server: HostileServer) -> None:
    server.entries.clear()


def lacks_a_directory(server: HostileServer) -> None:
    del server.entries[2]


def has_a_file_more(server: HostileServer) -> None:
    server.entries.append(entry_of("z", b""))


def has_another_file(server: HostileServer) -> None:
    server.entries[0] = entry_of("a", b"other")
    server.pieces[digest_of(b"other")] = b"other"


def has_another_executable_bit(server: HostileServer) -> None:
    server.entries[0].executable = True


def has_a_file_twice(server: HostileServer) -> None:
    server.entries.insert(1, server.entries[0])
    server.agree()


def has_a_path_twice(server: HostileServer) -> None:
    server.entries.insert(1, entry_of("a", b"other"))
    server.agree()


def has_files_out_of_order(server: HostileServer) -> None:
    server.entries.reverse()


def has_a_file_below_a_file(server: HostileServer) -> None:
    server.entries.insert(1, entry_of("a/b", b""))
    server.agree()


def has_a_file_below_a_file_further_up(server: HostileServer) -> None:
    server.entries[1:1] = [entry_of("a.x", b""), entry_of("a/b", b"")]
    server.agree()


def has_a_file_below_an_empty_directory(server: HostileServer) -> None:
    server.entries[:] = [directory("a"), entry_of("a/b", b"")]
    server.agree()


def has_more_chunks_than_bytes(server: HostileServer) -> None:
    server.entries[0].size_bytes -= 1
    server.agree()


def has_fewer_chunks_than_bytes(server: HostileServer) -> None:
    server.entries[0].size_bytes += 1
    server.agree()


def has_a_file_from_the_middle_on(server: HostileServer) -> None:
    server.entries[0].offset = 5
    server.agree()


def has_a_hole_in_a_file(server: HostileServer) -> None:
    whole = server.entries[1]
    rest = pb.ManifestEntry(path=whole.path, type=FILE, size_bytes=whole.size_bytes, digest=whole.digest, offset=2_000)
    rest.chunk_digests, rest.chunk_sizes[:] = whole.chunk_digests[64:], whole.chunk_sizes[2:]
    whole.chunk_digests, whole.chunk_sizes[:] = whole.chunk_digests[:32], whole.chunk_sizes[:1]
    server.entries.insert(2, rest)


def has_a_size_below_zero(server: HostileServer) -> None:
    server.entries[0].size_bytes = -5
    server.agree()


def has_a_chunk_of_no_bytes(server: HostileServer) -> None:
    server.entries[0].chunk_digests += digest_of(b"")
    server.entries[0].chunk_sizes.append(0)


def has_a_chunk_of_less_than_no_bytes(server: HostileServer) -> None:
    server.entries[0].chunk_digests += digest_of(b"") * 2
    server.entries[0].chunk_sizes.extend([-3, 3])


def has_a_digest_too_few(server: HostileServer) -> None:
    server.entries[1].chunk_digests = server.entries[1].chunk_digests[:-1]


def has_a_digest_too_many(server: HostileServer) -> None:
    server.entries[1].chunk_digests += bytes(32)


def has_a_file_without_a_digest(server: HostileServer) -> None:
    server.entries[0].digest = b""


def has_a_file_of_no_type(server: HostileServer) -> None:
    server.entries[0].type = pb.FILE_TYPE_UNSPECIFIED


def has_a_directory_with_content(server: HostileServer) -> None:
    server.entries[2].size_bytes = 5
    server.agree()


def has_a_huge_chunk(server: HostileServer) -> None:
    huge = bytes(600 << 20)
    digest = digest_of(huge)
    server.entries[:] = [
        entry_of("a", b"", size_bytes=len(huge), digest=digest, chunk_digests=digest, chunk_sizes=[len(huge)])
    ]
    frame = zstandard.ZstdCompressor().compress(huge)
    server.read_chunks = lambda _: [chunk_message(digest, pb.CODEC_ZSTD, len(huge), frame)]
    server.agree()


def has_a_chunk_of_two_sizes(server: HostileServer) -> None:
    server.entries[:] = [entry_of("a", b"alpha"), entry_of("b", b"alpha", chunk_sizes=[4], size_bytes=4)]
    server.agree()


@pytest.mark.parametrize("path", ["../x", "/x", "x//y", "x/", ".", "x/./y", "C:x", "x\\y", "x\x00y", "x" * 5_000, ""])
def test_path_that_could_leave_the_folder_is_refused(path: str, server: HostileServer, tmp_path: Path) -> None:
    server.entries[:] = [entry_of(path, b"alpha")]
    with pytest.raises(errors.DataLoss):
        server.agree().artifact().download(tmp_path / "deep" / "target")
    assert read(tmp_path) == {"deep/target": None}


@pytest.mark.parametrize(
    "spoil",
    [
        lacks_a_file,
        lacks_all_files,
        lacks_a_directory,
        has_a_file_more,
        has_another_file,
        has_another_executable_bit,
        has_a_file_twice,
        has_a_path_twice,
        has_files_out_of_order,
        has_a_file_below_a_file,
        has_a_file_below_a_file_further_up,
        has_a_file_below_an_empty_directory,
        has_more_chunks_than_bytes,
        has_fewer_chunks_than_bytes,
        has_a_file_from_the_middle_on,
        has_a_hole_in_a_file,
        has_a_size_below_zero,
        has_a_chunk_of_no_bytes,
        has_a_chunk_of_less_than_no_bytes,
        has_a_digest_too_few,
        has_a_digest_too_many,
        has_a_file_without_a_digest,
        has_a_file_of_no_type,
        has_a_directory_with_content,
        has_a_huge_chunk,
        has_a_chunk_of_two_sizes,
    ],
)
def test_wrong_manifest_is_data_loss(
    spoil: Callable[[HostileServer], None], server: HostileServer, tmp_path: Path
) -> None:
    spoil(server)
    with pytest.raises(errors.DataLoss):
        server.artifact().download(tmp_path / "target")
    assert not [*(tmp_path / "target").glob("**/.*")], "nothing half-written is left"


def endless_files(request: pb.ReadManifestRequest) -> Iterator[pb.ReadManifestResponse]:
    for number in itertools.count():
        yield pb.ReadManifestResponse(entries=[entry_of(f"{number:09}", b"")])


def endless_parts(request: pb.ReadManifestRequest) -> Iterator[pb.ReadManifestResponse]:
    for _ in itertools.count():
        yield pb.ReadManifestResponse(entries=[entry_of("a", b"alpha", chunk_digests=b"", chunk_sizes=[])])


def endless_nothing(request: pb.ReadManifestRequest) -> Iterator[pb.ReadManifestResponse]:
    for _ in itertools.count():
        yield pb.ReadManifestResponse()


def has_another_file_at(path: str) -> Callable[[HostileServer], None]:
    def spoil(server: HostileServer) -> None:
        place = next(place for place, entry in enumerate(server.entries) if entry.path == path)
        server.entries[place] = entry_of(path, b"other")

    return spoil


@pytest.mark.parametrize("path", ["b", "b/c", "b/", "gone"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda server: server.entries.pop(1),
        lambda server: server.entries.pop(3),
        lambda server: server.entries.clear(),
        lambda server: server.entries.insert(2, entry_of("b/c2", b"")),
        has_another_file_at("b/c"),
        has_another_file_at("a"),
    ],
    ids=["lacks b/c", "lacks d", "lacks all", "has b/c2", "other b/c", "other a"],
)
def test_part_of_a_wrong_manifest_is_data_loss(
    spoil: Callable[[HostileServer], object], path: str, server: HostileServer, tmp_path: Path
) -> None:
    spoil(server.hold({"a": b"alpha", "b/c": b"gamma", "b/d": b"delta", "d": b""}))
    with pytest.raises(errors.DataLoss):
        server.artifact().download(tmp_path / "target", path)
    assert not (tmp_path / "target").exists()


def test_part_of_a_sound_manifest_is_that_part(server: HostileServer, tmp_path: Path) -> None:
    server.hold({"a": b"alpha", "b/c": b"gamma", "b/d": None, "b.c": b"", "bb": b""})
    server.artifact().download(tmp_path / "below", "b")
    server.artifact().download(tmp_path / "one", "b/c")
    assert read(tmp_path / "below") == {"b/c": b"gamma", "b/d": None}
    assert read(tmp_path / "one") == {"b/c": b"gamma"}
    with pytest.raises(errors.NotFound):
        server.artifact().download(tmp_path / "none", "b/x")


@pytest.mark.parametrize("answer", [endless_files, endless_parts, endless_nothing])
@pytest.mark.parametrize("path", ["", "a"])
def test_endless_manifest_is_data_loss(
    answer: Callable[[pb.ReadManifestRequest], Iterator[pb.ReadManifestResponse]],
    path: str,
    server: HostileServer,
    tmp_path: Path,
) -> None:
    server.manifest = answer
    began = time.monotonic()
    with pytest.raises(errors.DataLoss):
        server.artifact().download(tmp_path / "target", path)
    assert time.monotonic() - began < 30


def of_other_bytes(request: pb.ReadChunksRequest) -> Iterator[pb.ReadChunksResponse]:
    for digest in request.digests:
        yield pb.ReadChunksResponse(chunks=[chunk_of(b"other", digest=digest)])


def that_nobody_asked_for(request: pb.ReadChunksRequest) -> Iterator[pb.ReadChunksResponse]:
    for number in itertools.count():
        yield pb.ReadChunksResponse(chunks=[chunk_of(b"%d" % number)])


def that_never_come(request: pb.ReadChunksRequest) -> Iterator[pb.ReadChunksResponse]:
    for _ in itertools.count():
        yield pb.ReadChunksResponse()


def that_are_missing(request: pb.ReadChunksRequest) -> Iterator[pb.ReadChunksResponse]:
    return iter(())


def that_are_no_message(request: pb.ReadChunksRequest) -> Iterator[bytes]:
    yield b"\xff\xff\xff"


def of_a_codec_of_tomorrow(request: pb.ReadChunksRequest) -> Iterator[bytes]:
    for digest in request.digests:
        yield chunk_message(digest, 77, 5, b"alpha")


def that_are_no_frame(request: pb.ReadChunksRequest) -> Iterator[bytes]:
    for digest in request.digests:
        yield chunk_message(digest, pb.CODEC_ZSTD, 5, b"alpha")


def of_a_frame_with_a_huge_window(request: pb.ReadChunksRequest) -> Iterator[bytes]:
    # A header that says: a window of 2 GiB, and no size of the content.
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([(31 - 10) << 3]) + b"\x29\x00\x00alpha"
    for digest in request.digests:
        yield chunk_message(digest, pb.CODEC_ZSTD, 5, frame)


def of_a_frame_with_more_bytes(request: pb.ReadChunksRequest) -> Iterator[bytes]:
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(b"alpha" + bytes(600 << 20))
    for digest in request.digests:
        yield chunk_message(digest, pb.CODEC_ZSTD, 5, frame)


@pytest.mark.parametrize(
    "answer",
    [
        of_other_bytes,
        that_nobody_asked_for,
        that_never_come,
        that_are_missing,
        that_are_no_message,
        of_a_codec_of_tomorrow,
        that_are_no_frame,
        of_a_frame_with_a_huge_window,
        of_a_frame_with_more_bytes,
    ],
)
def test_wrong_chunks_are_data_loss(
    answer: Callable[[pb.ReadChunksRequest], Iterator[bytes]], server: HostileServer, tmp_path: Path
) -> None:
    server.hold({"a": b"alpha"}).read_chunks = answer
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(errors.DataLoss):
        server.artifact().download(tmp_path / "target")
    assert read(tmp_path / "target") == {}
    if answer is not of_a_frame_with_more_bytes:  # which needs memory to be made, here
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10, "kibibytes"


def test_answers_that_are_no_messages_are_typed(server: HostileServer, tmp_path: Path) -> None:
    server.manifest = lambda _: [b"\xff\xff\xff"]
    with pytest.raises(errors.Error):
        server.artifact().download(tmp_path / "target")
    server.list_files = lambda _: b"\xff\xff\xff"
    with pytest.raises(errors.Error):
        server.artifact().files()


def test_file_of_another_digest_is_not_put_in_place(server: HostileServer, tmp_path: Path) -> None:
    entry = entry_of("a", b"alpha", digest=digest_of(b"other"))
    server.hold({"a": b"alpha"}).entries[:] = [entry]
    server.version.digest = manifest.tree_digest([entry])  # any writer may commit such a version
    with pytest.raises(errors.DataLoss, match="another digest"):
        server.artifact().download(tmp_path / "target")
    assert read(tmp_path / "target") == {}


def test_texts_of_a_server_are_shown_escaped(server: HostileServer, tmp_path: Path) -> None:
    name = "x\x1b[31m\x9b\u202e\u2028"
    with pytest.raises(errors.DataLoss) as caught:
        server.hold({name: b"", f"{name}/y": b""}).artifact().download(tmp_path / "target")
    assert str(caught.value).isprintable()
