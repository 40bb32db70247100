"""Buckets being filled: what was added of the points of each."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xpstore_server.core.metrics.outlines import LARGE, Columns, Portions
from xpstore_server.store.columns import Floats, Integers
from xpstore_server.store.points import NO_STEP, NO_TIME

# What numbers that are too large to be summed are divided by.
SCALE = 2.0**64


@dataclass(slots=True, eq=False)
class Buckets:
    """Neighbouring points taken together; NaN where there is no finite number, -1 where no step was given."""

    counts: Integers
    mins: Floats
    maxs: Floats
    firsts: Floats
    lasts: Floats
    means: Floats
    first_steps: Integers
    last_steps: Integers
    first_times: Integers
    last_times: Integers
    last_ordinal: int


class Gathered:
    """Buckets being filled, part by part of a series."""

    def __init__(self, count: int) -> None:
        self._counts = np.zeros(count, np.int64)
        self._mins, self._maxs = np.full(count, math.inf), np.full(count, -math.inf)
        self._sums, self._finite = np.zeros(count), np.zeros(count, np.int64)
        self._large = np.zeros(count)
        self._firsts, self._lasts = np.full(count, math.nan), np.full(count, math.nan)
        self._steps, self._times = np.full((2, count), NO_STEP), np.full((2, count), NO_TIME)

    def _add(self, here: slice | Integers, points: Columns, starts: Integers) -> None:
        """Adds points of some buckets, each once in `here`; `starts` has where those of each begin."""
        self._add_numbers(here, points.numbers, starts)
        ends = np.append(starts[1:], len(points.numbers)) - 1
        begins = self._counts[here] == 0
        for at, first, last in (
            (points.numbers, self._firsts, self._lasts),
            (points.steps, self._steps[0], self._steps[1]),
            (points.times, self._times[0], self._times[1]),
        ):
            first[here] = np.where(begins, at[starts], first[here])
            last[here] = at[ends]
        self._counts[here] += ends - starts + 1

    def _add_portions(self, at: Integers, every: Portions) -> None:
        """Adds portions that are each in one bucket, in order of that; `at` says in which."""
        starts = np.append(0, np.flatnonzero(at[1:] != at[:-1]) + 1)
        ends, here = np.append(starts[1:], len(at)) - 1, at[starts]
        begins = self._counts[here] == 0
        for first, last, firsts, lasts in (
            (every.firsts, every.lasts, self._firsts, self._lasts),
            (every.first_steps, every.last_steps, self._steps[0], self._steps[1]),
            (every.first_times, every.last_times, self._times[0], self._times[1]),
        ):
            firsts[here] = np.where(begins, first[starts], firsts[here])
            lasts[here] = last[ends]
        self._mins[here] = np.minimum(self._mins[here], np.minimum.reduceat(every.mins, starts))
        self._maxs[here] = np.maximum(self._maxs[here], np.maximum.reduceat(every.maxs, starts))
        summed = every.sums
        if (is_large := (np.abs(summed) > LARGE) & (every.counts == 1)).any():
            self._large[here] += np.add.reduceat(np.where(is_large, summed / SCALE, 0.0), starts)
            summed = np.where(is_large, 0.0, summed)
        self._sums[here] += np.add.reduceat(summed, starts)
        self._finite[here] += np.add.reduceat(every.finite, starts)
        self._counts[here] += np.add.reduceat(every.counts, starts)

    def _add_numbers(self, here: slice | Integers, numbers: Floats, starts: Integers) -> None:
        is_finite = np.isfinite(numbers)
        if is_finite.all():
            low = high = summed = numbers
            ones = np.diff(starts, append=len(numbers))
        else:
            low, high = np.where(is_finite, numbers, math.inf), np.where(is_finite, numbers, -math.inf)
            summed, ones = np.where(is_finite, numbers, 0.0), np.add.reduceat(is_finite.astype(np.int64), starts)
        self._mins[here] = np.minimum(self._mins[here], np.minimum.reduceat(low, starts))
        self._maxs[here] = np.maximum(self._maxs[here], np.maximum.reduceat(high, starts))
        if (is_large := np.abs(summed) > LARGE).any():
            self._large[here] += np.add.reduceat(np.where(is_large, summed / SCALE, 0.0), starts)
            summed = np.where(is_large, 0.0, summed)
        self._sums[here] += np.add.reduceat(summed, starts)
        self._finite[here] += ones

    def _results(self, ordinals: Sequence[int]) -> Iterator[Buckets]:
        """The buckets of series that lie one behind the other, as many each, with the last ordinal of each."""
        some = self._finite > 0
        counts = np.maximum(self._finite, 1)
        means = np.where(some, self._sums / counts + self._large / counts * SCALE, math.nan)
        mins, maxs = np.where(some, self._mins, math.nan), np.where(some, self._maxs, math.nan)
        size = len(counts) // len(ordinals)
        for number, last_ordinal in enumerate(ordinals):
            here = slice(number * size, (number + 1) * size)
            yield Buckets(
                counts=self._counts[here],
                mins=mins[here],
                maxs=maxs[here],
                firsts=self._firsts[here],
                lasts=self._lasts[here],
                means=means[here],
                first_steps=self._steps[0, here],
                last_steps=self._steps[1, here],
                first_times=self._times[0, here],
                last_times=self._times[1, here],
                last_ordinal=last_ordinal,
            )
