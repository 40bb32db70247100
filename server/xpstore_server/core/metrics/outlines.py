"""What a large block and portions of it come to, so that buckets of a long series need not read all of its points.

At rest the columns of `Portions` one behind the other, 8 bytes a number, little-endian.
"""

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from xpstore_server.store.columns import Floats, Integers, Mask
from xpstore_server.store.points import BLOCK_POINTS, NO_STEP, NO_TIME, Points

# Points of a portion: a bucket that begins or ends within one needs those alone. An outline is a fiftieth of its block.
PORTION = 512
# Smaller blocks have none: they are put together, or few.
LEAST = BLOCK_POINTS // 2
# No step or time is further.
FURTHEST = 1 << 62
# In place of how many finite numbers there are.
UNKNOWN = -1
# Numbers so large are summed apart and smaller: their sum may be no number, where their mean is one.
LARGE = 1e290


class Portions(NamedTuple):
    """Neighbouring points taken together. Of numbers the finite ones count, but for the first and last."""

    counts: Integers
    finite: Integers
    first_steps: Integers
    last_steps: Integers
    low_steps: Integers  # NO_STEP if a point has none
    high_steps: Integers
    first_times: Integers
    last_times: Integers
    low_times: Integers
    high_times: Integers
    last_ordinals: Integers
    mins: Floats
    maxs: Floats
    sums: Floats
    firsts: Floats
    lasts: Floats


INTEGERS = 11
_COLUMNS = len(Portions._fields)
# Stands for what is not known of a block: it may be anywhere on an axis.
_ANYWHERE = (NO_STEP, NO_STEP, NO_STEP, FURTHEST, NO_TIME, NO_TIME, NO_TIME, FURTHEST)
_NOTHING = struct.pack(f"<{_COLUMNS}q", 0, UNKNOWN, *_ANYWHERE, *[0] * 6)


class Columns(NamedTuple):
    """What buckets are made of: numbers, NaN for what is none, steps and times of points."""

    numbers: Floats
    steps: Integers
    times: Integers


def columns_of(points: Points) -> Columns:
    """The columns of points."""
    return Columns(points.numbers(), points.filled_steps(), points.times)


def outline_of(points: Points) -> tuple[bytes, bytes] | None:
    """What a block comes to, and its outline; None if it is small, of text, or has very large numbers."""
    if len(points) < LEAST or isinstance(points.values, list):
        return None
    columns = columns_of(points)
    if is_large(columns.numbers).any():
        return None
    found = taken_together(columns, points.ordinals, np.arange(0, len(points), PORTION))
    return _packed(_all_of(found)), _packed(found)


def taken_together(points: Columns, ordinals: Integers, starts: Integers) -> Portions:
    """Points as portions that begin at some places, of which the first is 0."""
    numbers, steps, times = points
    ends = np.append(starts[1:], len(numbers)) - 1
    counts = ends - starts + 1
    is_finite = np.isfinite(numbers)
    if is_finite.all():
        finite, lows, highs, summed = counts, numbers, numbers, numbers
    else:
        finite = np.add.reduceat(is_finite.astype(np.int64), starts)
        lows, highs = np.where(is_finite, numbers, np.inf), np.where(is_finite, numbers, -np.inf)
        summed = np.where(is_finite, numbers, 0.0)
    return Portions(
        counts=counts,
        finite=finite,
        first_steps=steps[starts],
        last_steps=steps[ends],
        low_steps=np.minimum.reduceat(steps, starts),
        high_steps=np.maximum.reduceat(steps, starts),
        first_times=times[starts],
        last_times=times[ends],
        low_times=np.minimum.reduceat(times, starts),
        high_times=np.maximum.reduceat(times, starts),
        last_ordinals=ordinals[ends],
        mins=np.minimum.reduceat(lows, starts),
        maxs=np.maximum.reduceat(highs, starts),
        sums=np.add.reduceat(summed, starts),
        firsts=numbers[starts],
        lasts=numbers[ends],
    )


def is_large(numbers: Floats) -> Mask:
    """Which numbers are summed by themselves."""
    found: Mask = (np.abs(numbers) > LARGE) & np.isfinite(numbers)
    return found


def _all_of(every: Portions) -> Portions:
    """Portions as one."""
    return Portions(
        counts=every.counts.sum(keepdims=True),
        finite=every.finite.sum(keepdims=True),
        first_steps=every.first_steps[:1],
        last_steps=every.last_steps[-1:],
        low_steps=every.low_steps.min(keepdims=True),
        high_steps=every.high_steps.max(keepdims=True),
        first_times=every.first_times[:1],
        last_times=every.last_times[-1:],
        low_times=every.low_times.min(keepdims=True),
        high_times=every.high_times.max(keepdims=True),
        last_ordinals=every.last_ordinals[-1:],
        mins=every.mins.min(keepdims=True),
        maxs=every.maxs.max(keepdims=True),
        sums=every.sums.sum(keepdims=True),
        firsts=every.firsts[:1],
        lasts=every.lasts[-1:],
    )


def _packed(every: Portions) -> bytes:
    return np.array(every[:INTEGERS], "<i8").tobytes() + np.array(every[INTEGERS:], "<f8").tobytes()


def read_outlines(bodies: Sequence[bytes]) -> Portions:
    """Reads outlines, one behind the other."""
    return _of_rows(np.concatenate([np.frombuffer(body, "<i8").reshape(_COLUMNS, -1) for body in bodies], axis=1))


def read_wholes(bodies: Sequence[bytes | None], points: Sequence[int], last_ordinals: Sequence[int]) -> Portions:
    """Blocks as a portion each, with what they come to; of those without `is_unknown` says that they must be read."""
    rows = np.frombuffer(b"".join([body or _NOTHING for body in bodies]), "<i8").reshape(-1, _COLUMNS)
    every = _of_rows(np.ascontiguousarray(rows.T))
    return every._replace(counts=np.array(points, np.int64), last_ordinals=np.array(last_ordinals, np.int64))


def _of_rows(columns: Integers) -> Portions:
    return Portions(*columns[:INTEGERS], *columns[INTEGERS:].view("<f8"))


def is_unknown(every: Portions) -> Mask:
    """Which portions stand for points of which nothing is known but how many they are."""
    found: Mask = every.finite == UNKNOWN
    return found


def joined(parts: list[Portions]) -> Portions:
    """Portions of several blocks, one behind the other."""
    columns: list[Any] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Portions(*columns)


def some_of(every: Portions, chosen: Integers | Mask) -> Portions:
    """The portions of some places."""
    columns: list[Any] = [column[chosen] for column in every]
    return Portions(*columns)
