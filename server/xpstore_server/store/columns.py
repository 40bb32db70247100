"""Columns of a block: one number, or one value, of each point, as bytes.

    integers    ends with a byte that says how the rest reads:
                  0  start and stride, an arithmetic series
                  1  one for each point
                  2  a bit for each point that has one (packed, the first highest), then those
                empty: no point has one
    floats      IEEE 754 binary64 of each point
    mixed       a JSON array of [kind, text] of each point

All numbers have 8 bytes, little-endian. Blocks at rest are written so: what these functions wrote must stay readable.
"""

import json
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
# A value that is not of its column's one kind: (kind, text).
Mixed = list[tuple[str, str]]

EVERY = slice(None)
_SERIES, _ALL, _SOME = b"\0", b"\1", b"\2"
_TWO = struct.Struct("<qq")
_I64, _F64 = np.dtype("<i8"), np.dtype("<f8")


def encode_integers(values: Integers, present: Mask | None = None) -> bytes:
    """Writes integers; of those that are not present nothing."""
    if present is not None and not present.all():
        some = values[present]
        return np.packbits(present).tobytes() + some.astype(_I64).tobytes() + _SOME if len(some) else b""
    if len(values) > 2:
        start, second, third = values[:3].tolist()
        stride = second - start
        # Most that are no series show it at once. np.diff takes twice as long for the few values that most blocks have.
        if third - second == stride and (values[1:] - values[:-1] == stride).all():
            return _TWO.pack(start, stride) + _SERIES
    return values.astype(_I64, copy=False).tobytes() + _ALL


def decode_integers(data: bytes, count: int, here: slice = EVERY) -> tuple[Integers, Mask | None]:
    """Reads integers, or some of them: 0 where there is none, and which are there, None for all."""
    if not data:
        none = np.zeros(count, np.int64)[here]
        return none, none.astype(np.bool_)
    body, tag = memoryview(data)[:-1], data[-1:]
    if tag == _ALL:
        return np.frombuffer(body, _I64, count)[here].astype(np.int64, copy=False), None
    if tag == _SERIES:
        start, stride = np.frombuffer(body, _I64, 2)
        return start + stride * np.arange(*here.indices(count), dtype=np.int64), None
    mask_bytes = -(-count // 8)
    present = np.unpackbits(np.frombuffer(body, np.uint8, mask_bytes), count=count).astype(np.bool_)
    values = np.zeros(count, np.int64)
    values[present] = np.frombuffer(body[mask_bytes:], _I64)
    return values[here], present[here]


def decode_each(parts: Sequence[bytes], counts: Sequence[int]) -> tuple[Integers, Mask | None]:
    """Reads the integers of several blocks as one column: of many small ones in a tenth of the time of one by one."""
    tags = {part[-1:] for part in parts}
    if tags == {_ALL}:
        return np.frombuffer(b"".join([part[:-1] for part in parts]), _I64).astype(np.int64, copy=False), None
    if tags == {_SERIES}:
        starts, strides = np.frombuffer(b"".join([part[:-1] for part in parts]), _I64).reshape(-1, 2).T
        ends = np.cumsum(counts)
        places = np.arange(ends[-1]) - np.repeat(ends - counts, counts)
        return np.repeat(starts, counts) + np.repeat(strides, counts) * places, None
    columns, masks = zip(*map(decode_integers, parts, counts), strict=True)
    is_there = None
    if any(mask is not None for mask in masks):
        whole = (np.ones(count, np.bool_) if mask is None else mask for mask, count in zip(masks, counts, strict=True))
        is_there = np.concatenate(list(whole))
    return np.concatenate(columns), is_there


def encode_floats(values: Floats) -> bytes:
    """Writes floats, every bit of them."""
    return values.astype(_F64, copy=False).tobytes()


def decode_floats(data: bytes, count: int, here: slice = EVERY) -> Floats:
    """Reads floats, or some of them."""
    return np.frombuffer(data, _F64, count)[here].astype(np.float64, copy=False)


def encode_mixed(values: Mixed) -> bytes:
    """Writes values of any kinds."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def decode_mixed(data: bytes) -> Mixed:
    """Reads values of any kinds."""
    found: list[Any] = json.loads(data)
    return [(kind, text) for kind, text in found]
