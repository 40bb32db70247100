"""PNG of pixels, by nothing but zlib: a program that logs arrays need not have an image library."""

import struct
import zlib
from typing import Any

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Of the channels of a pixel: grey, grey and alpha, RGB, RGBA.
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
# Each row is said as its difference to the row above (filter 2). Photographs then take as much at level 1 as at 6
# without, in a third of the time.
_UP = 2
LEVEL = 1


def encode_png(pixels: Any) -> bytes:
    """PNG of an array of numpy: bytes of height, width and channels."""
    import numpy  # here, as it comes with the array

    height, width, channels = pixels.shape
    rows = numpy.empty((height, 1 + width * channels), dtype=numpy.uint8)
    flat = numpy.ascontiguousarray(pixels).reshape(height, width * channels)
    rows[:, 0] = _UP
    rows[0, 1:] = flat[0]
    numpy.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])  # of bytes, so modulo 256
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    body = zlib.compress(rows.data, LEVEL)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
