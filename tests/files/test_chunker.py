"""The cut: as docs/protocol.md says it, wherever the buffers end. And what is compressed."""

import hashlib
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard
from blake3 import blake3

import xpstore
import xpstore._files.scan
from support.chunking import AVERAGE, CHUNKING, LEAST, MOST
from support.raw import KIB, MIB
from xpstore._files.upload import Uploader
from xpstore.format.chunker import Chunker, Encoder
from xpstore.v1.artifact_pb2 import CODEC_NONE, CODEC_ZSTD

pytestmark = pytest.mark.client

VECTORS = json.loads((Path(__file__).parents[2] / "docs" / "protocol-vectors.json").read_text())["cuts"]
GEAR = [int.from_bytes(hashlib.md5(bytes([value]) * 64).digest()[:8], "big") for value in range(256)]


def as_documented(data: bytes) -> Iterator[int]:
    """Sizes of chunks by the words of docs/protocol.md."""
    while data:
        size = first_cut(data)
        yield size
        data = data[size:]


def first_cut(data: bytes) -> int:
    if len(data) <= LEAST:
        return len(data)
    end, hash_ = min(MOST, len(data)), 0
    for position in range(LEAST, end // 2 * 2):
        hash_ = (2 * hash_ + GEAR[data[position]]) % 2**64
        if hash_ & (0x0000D91747537000 if position < min(AVERAGE, end // 2 * 2) else 0x0000D90303537000) == 0:
            return position
    return end


def sizes_of(data: bytes) -> list[int]:
    return [len(piece) for piece in Chunker(CHUNKING).cut(memoryview(data), is_end=True)]


def content_of(vector: dict[str, Any]) -> bytes:
    parts = ((part["seed"], part["size_bytes"]) for part in vector["content"])
    return b"".join(
        bytes(size) if seed == "zeros" else blake3(seed.encode()).digest(length=size) for seed, size in parts
    )


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vectors(vector: dict[str, Any]) -> None:
    data = content_of(vector)
    assert list(as_documented(data)) == sizes_of(data) == vector["chunk_sizes"]
    pieces = Chunker(CHUNKING).cut(memoryview(data), is_end=True)
    digests = b"".join(blake3(piece).digest() for piece in pieces)
    assert blake3(digests).hexdigest() == vector["chunk_digests_blake3"]


def test_random_contents_are_cut_as_documented() -> None:
    choice = random.Random(7)
    for _ in range(12):
        data = choice.randbytes(choice.randrange(3 * MIB))
        assert sizes_of(data) == list(as_documented(data))


def test_cut_does_not_depend_on_where_buffers_end() -> None:
    data = random.Random(8).randbytes(6 * MIB + 12_345)
    for buffer_bytes in (MOST + 1, 2 * MIB, 3 * MIB + 777):
        sizes, start = list[int](), 0
        while start < len(data):
            view = memoryview(data)[start : start + buffer_bytes]
            pieces = list(Chunker(CHUNKING).cut(view, is_end=start + len(view) == len(data)))
            assert pieces, "a buffer larger than a chunk brings one"
            sizes.extend(map(len, pieces))
            start += sum(map(len, pieces))
        assert sizes == sizes_of(data)


def test_inserted_byte_changes_few_chunks() -> None:
    data = random.Random(9).randbytes(16 * MIB)
    before = {bytes(piece) for piece in Chunker(CHUNKING).cut(memoryview(data), is_end=True)}
    after = [bytes(piece) for piece in Chunker(CHUNKING).cut(memoryview(b"x" + data), is_end=True)]
    assert sum(len(piece) for piece in after if piece not in before) <= 2 * MIB


def test_client_cuts_by_the_limits_of_its_server(project: xpstore.Project, tmp_path: Path) -> None:
    client = project._client
    assert client.limits.chunking == CHUNKING
    data = random.Random(10).randbytes(20 * MIB + 1)  # more than one window
    source = tmp_path / "data.bin"
    source.write_bytes(data)
    with Uploader(client, project.uid, lambda size_bytes: None) as uploader:
        cut = uploader.add(xpstore._files.scan.scan(source)[0])
        uploader.finish()
    assert [size for _, size in cut.chunks] == sizes_of(data)
    assert cut.digest == blake3(data).digest()
    assert uploader.has([digest for digest, _ in cut.chunks]) == [True] * len(cut.chunks)


def test_only_what_shrinks_is_compressed() -> None:
    text = memoryview(b"epoch 1 loss 0.25 accuracy 0.91\n" * 4096)
    codec, data = Encoder().encode(text)
    assert codec == CODEC_ZSTD and len(data) < len(text) / 8
    assert zstandard.decompress(bytes(data)) == text
    noise = memoryview(os.urandom(256 * KIB))
    assert Encoder().encode(noise) == (CODEC_NONE, noise)
    # A start that shrinks does not make up for the rest.
    mixed = memoryview(bytes(20 * KIB) + os.urandom(236 * KIB))
    assert Encoder().encode(mixed)[0] == CODEC_NONE
    tiny = memoryview(b"a" * 100)
    assert Encoder().encode(tiny) == (CODEC_NONE, tiny)


@pytest.mark.parametrize("noises", [1, 2, 16, 100])
def test_text_after_noise_is_compressed(noises: int) -> None:
    encoder, noise = Encoder(), memoryview(os.urandom(64 * KIB))
    text = memoryview(b"all work and no play " * 1000)
    for _ in range(3):
        assert {encoder.encode(noise)[0] for _ in range(noises)} == {CODEC_NONE}
        assert encoder.encode(text)[0] == CODEC_ZSTD


def test_text_beside_weights_is_sent_compressed(project: xpstore.Project, tmp_path: Path) -> None:
    choice = random.Random(11)
    words = [choice.randbytes(6).hex() for _ in range(1_000)]
    for number in range(8):
        (tmp_path / f"{number} weights.bin").write_bytes(choice.randbytes(2 * MIB))
        (tmp_path / f"{number} text.txt").write_text(" ".join(choice.choices(words, k=80_000)))
    sizes = {path: path.stat().st_size for path in tmp_path.iterdir()}
    text_bytes = sum(size for path, size in sizes.items() if path.suffix == ".txt")
    with Uploader(project._client, project.uid, lambda size_bytes: None) as uploader:
        for source in xpstore._files.scan.scan(tmp_path):
            uploader.add(source)
        uploader.finish()
    assert uploader.sent_bytes < sum(sizes.values()) - text_bytes // 2
