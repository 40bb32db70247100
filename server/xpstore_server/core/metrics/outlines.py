"""What portions of a large block come to, so that buckets of a long series need not read all of its points.

At rest the columns of `Portions` one behind the other, 8 bytes a number, little-endian.
"""

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


INTEGERS, FLOATS = 11, 5
_ONE = 8 * (INTEGERS + FLOATS)


def outline_of(points: Points) -> bytes | None:
    """The outline of a block; None where it has none: if it is small, of text, or has very large numbers."""
    if len(points) < LEAST or isinstance(points.values, list):
        return None
    numbers = points.numbers()
    is_finite = np.isfinite(numbers)
    summed = np.where(is_finite, numbers, 0.0)
    if (np.abs(summed) > LARGE).any():
        return None
    starts = np.arange(0, len(points), PORTION)
    ends = np.append(starts[1:], len(points)) - 1
    steps, times = points.filled_steps(), points.times
    lows, highs = np.where(is_finite, numbers, np.inf), np.where(is_finite, numbers, -np.inf)
    found = Portions(
        counts=ends - starts + 1,
        finite=np.add.reduceat(is_finite.astype(np.int64), starts),
        first_steps=steps[starts],
        last_steps=steps[ends],
        low_steps=np.minimum.reduceat(steps, starts),
        high_steps=np.maximum.reduceat(steps, starts),
        first_times=times[starts],
        last_times=times[ends],
        low_times=np.minimum.reduceat(times, starts),
        high_times=np.maximum.reduceat(times, starts),
        last_ordinals=points.ordinals[ends],
        mins=np.minimum.reduceat(lows, starts),
        maxs=np.maximum.reduceat(highs, starts),
        sums=np.add.reduceat(summed, starts),
        firsts=numbers[starts],
        lasts=numbers[ends],
    )
    integers, floats = np.array(found[:INTEGERS], "<i8"), np.array(found[INTEGERS:], "<f8")
    return integers.tobytes() + floats.tobytes()


def portions_of(bodies: Sequence[bytes]) -> Portions:
    """Reads outlines of as many portions each, one behind the other."""
    size = len(bodies[0]) // _ONE
    rows = np.frombuffer(b"".join(bodies), "<i8").reshape(len(bodies), INTEGERS + FLOATS, size)
    # A column of all: made once, as most of a long series is outlines.
    columns = np.ascontiguousarray(rows.transpose(1, 0, 2)).reshape(INTEGERS + FLOATS, len(bodies) * size)
    return Portions(*columns[:INTEGERS], *columns[INTEGERS:].view("<f8"))


def sizes_of(bodies: Sequence[bytes | None]) -> Integers:
    """How many portions each outline has; 1 for a block without one."""
    return np.array([1 if body is None else len(body) // _ONE for body in bodies], np.int64)


def unknown(points: int, last_ordinal: int) -> Portions:
    """A block without an outline as one portion, of which `is_unknown` says that it must be read."""
    steps, times = (NO_STEP, NO_STEP, NO_STEP, FURTHEST), (NO_TIME, NO_TIME, NO_TIME, FURTHEST)
    integers = (points, UNKNOWN, *steps, *times, last_ordinal)
    columns: list[Any] = [np.array([number], np.int64) for number in integers]
    return Portions(*columns, *[np.zeros(1)] * FLOATS)


def is_unknown(every: Portions) -> Mask:
    """Which portions stand for points of which nothing is known but how many they are."""
    found: Mask = every.finite == UNKNOWN
    return found


def each_alone(points: Points) -> Portions:
    """Points as portions of one each."""
    numbers = points.numbers()
    is_finite = np.isfinite(numbers)
    steps, times = points.filled_steps(), points.times
    return Portions(
        *(np.ones(len(points), np.int64), is_finite.astype(np.int64)),
        *(steps, steps, steps, steps, times, times, times, times, points.ordinals),
        *(np.where(is_finite, numbers, np.inf), np.where(is_finite, numbers, -np.inf)),
        *(np.where(is_finite, numbers, 0.0), numbers, numbers),
    )


def joined(parts: list[Portions]) -> Portions:
    """Portions of several blocks, one behind the other."""
    columns: list[Any] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Portions(*columns)


def some_of(every: Portions, chosen: Integers | Mask) -> Portions:
    """The portions of some places."""
    columns: list[Any] = [column[chosen] for column in every]
    return Portions(*columns)
