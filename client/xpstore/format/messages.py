"""Messages that carry chunks, written and read by hand.

Generated code copies every byte twice more, on each side. This is the same wire format: a `Chunk` of the contract, with
its fields 1 (digest), 2 (codec), 3 (raw size) and 4 (data). What it writes generated code reads, and the reverse.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

Buffer = bytes | memoryview

# Wire types of the encoding.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MASK = (1 << 64) - 1
# Of a chunk that are looked at: others are of a contract to come, or of somebody who wants to keep his reader busy.
_CHUNK_FIELDS = 32


class Malformed(ValueError):
    """Bytes that are no message."""


class WireChunk(NamedTuple):
    """A chunk as it travels.

    Attributes:
        digest: BLAKE3 of the raw bytes.
        codec: a value of the enumeration `Codec`.
        raw_size_bytes: size of the raw bytes.
        data: the encoded bytes; read from a message, a view of it.
    """

    digest: bytes
    codec: int
    raw_size_bytes: int
    data: Buffer


def encode_chunks(field: int, chunks: Iterable[tuple[bytes, int, int, Buffer]], head: bytes = b"") -> bytes:
    """Writes a message whose repeated field of this number, below 16, has chunks; `head` is what comes before."""
    tag = bytes([field << 3 | _BYTES])
    parts: list[Buffer] = [head]
    for digest, codec, raw_size_bytes, data in chunks:
        start = b"\x0a\x20%b\x10%c\x18%b\x22%b" % (digest, codec, varint(raw_size_bytes), varint(len(data)))
        parts += (tag, varint(len(start) + len(data)), start, data)
    return b"".join(parts)


def decode_chunks(field: int, message: Buffer) -> Iterator[WireChunk]:
    """Yields the chunks of a repeated field, their data as views of the message. Other fields are skipped.

    Raises:
        Malformed: the bytes are no message with such a field.
    """
    for number, value in fields(message):
        if number == field:
            yield decode_chunk(value)


def decode_chunk(value: int | memoryview) -> WireChunk:
    """Reads one chunk."""
    if not isinstance(value, memoryview):
        raise Malformed("a chunk is no number")
    # As `encode_chunks` and generated code write it, in the order of the fields.
    if len(value) > 40 and value[0] == 0x0A and value[1] == 0x20 and value[34] == 0x10 and value[36] == 0x18:
        raw_size_bytes, position = _read_varint(value, 37)
        if position < len(value) and value[position] == 0x22:
            size, position = _read_varint(value, position + 1)
            if position + size == len(value) and value[35] < 0x80:
                return WireChunk(bytes(value[2:34]), value[35], raw_size_bytes, value[position:])
    found: dict[int, int | memoryview] = dict(islice(fields(value), _CHUNK_FIELDS))
    digest, codec, size_bytes, data = (found.get(number, default) for number, default in _DEFAULTS)
    if isinstance(digest, int) or isinstance(data, int) or not isinstance(codec, int):
        raise Malformed("a field of a chunk has another type")
    if not isinstance(size_bytes, int):
        raise Malformed("a field of a chunk has another type")
    return WireChunk(bytes(digest), codec, size_bytes, data)


_DEFAULTS: tuple[tuple[int, int | memoryview], ...] = ((1, memoryview(b"")), (2, 0), (3, 0), (4, memoryview(b"")))


def fields(message: Buffer) -> Iterator[tuple[int, int | memoryview]]:
    """Yields number and value of each field: an integer, or a view of bytes.

    Raises:
        Malformed: the bytes are no message.
    """
    view, position = memoryview(message), 0
    while position < len(view):
        key, position = _read_varint(view, position)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise Malformed("a field has no number")
        if kind == _VARINT:
            value, position = _read_varint(view, position)
            yield number, value
            continue
        if kind == _BYTES:
            size, position = _read_varint(view, position)
        elif kind in _FIXED_SIZES:
            size = _FIXED_SIZES[kind]
        else:
            raise Malformed(f"wire type {kind}")
        if position + size > len(view):
            raise Malformed("a field goes beyond the end")
        if kind == _BYTES:  # no message read here has a field of fixed size: generated code passes over them too
            yield number, view[position : position + size]
        position += size


def _read_varint(view: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        if position >= len(view):
            raise Malformed("a number goes beyond the end")
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK, position
        shift += 7
    raise Malformed("a number has more than ten bytes")


def varint(value: int) -> bytes:
    """Encodes a number of a message: seven bits a byte, low ones first."""
    if value < 0x80:
        return bytes((value,))
    if value < 0x4000:  # most sizes of small files
        return bytes((value & 0x7F | 0x80, value >> 7))
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
