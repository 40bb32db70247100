"""Curves: points of a series as they are drawn, neighbours taken together where there are many."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from xpstore._values.checks import invalid
from xpstore.errors import InvalidArgument

Axis = Literal["step", "time"]

# What a drawing shows of a series at most: more points are not seen.
MOST_PARTS = 1_000


class HasBuckets(Protocol):
    """Buckets of a series."""

    @property
    def counts(self) -> Any:
        """Points in each."""

    @property
    def mins(self) -> Any:
        """Smallest number of each."""

    @property
    def maxs(self) -> Any:
        """Largest number of each."""

    @property
    def means(self) -> Any:
        """Mean of the numbers of each."""

    @property
    def last_steps(self) -> Any:
        """Step of the last point of each."""

    @property
    def last_times(self) -> Any:
        """Time of the last point of each, microseconds."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What is drawn of one series; columns of equal length.

    Attributes:
        label: what it is called in a legend.
        unit: what `xs` are: "step", "time" in seconds since the epoch, or "point", from 1, where none has a step.
        xs: where each part is.
        means: mean of the numbers of each; NaN where there is none.
        lows: smallest of them.
        highs: largest of them.
        left_out: parts that have no step, beside others that have one.
    """

    label: str
    unit: str
    xs: list[float]
    means: list[float]
    lows: list[float]
    highs: list[float]
    left_out: int = 0

    @property
    def has_numbers(self) -> bool:
        """Whether there is anything to draw."""
        return not all(map(math.isnan, self.means))

    def spans(self) -> Iterator[slice]:
        """The parts of it without a gap."""
        start = 0
        for at, mean in enumerate([*self.means, math.nan]):
            if math.isnan(mean):
                if at > start:
                    yield slice(start, at)
                start = at + 1


def of_buckets(label: str, buckets: HasBuckets, x: Axis) -> Curve:
    """The curve of buckets that the server made."""
    means, lows, highs = (_listed(column) for column in (buckets.means, buckets.mins, buckets.maxs))
    numbers, count = list[float](), 0
    for size in _listed(buckets.counts):
        count += size
        numbers.append(count)
    steps, times = _listed(buckets.last_steps), _listed(buckets.last_times)
    return _placed(label, x, steps, times, numbers, [means, lows, highs])


def of_points(
    label: str, steps: Sequence[int], values: Sequence[Any], times: Sequence[int], x: Axis, *, most: int = MOST_PARTS
) -> Curve:
    """The curve of points: neighbours together if there are more than `most`."""
    numbers = [_number(value) for value in _listed(values)]
    count = len(numbers)
    parts = min(count, most)
    ends = [count * (part + 1) // parts for part in range(parts)]
    columns: list[list[float]] = [[], [], []]
    start = 0
    for end in ends:
        finite = [number for number in numbers[start:end] if math.isfinite(number)]
        # Divided first: the sum of doubles may be beyond all of them.
        mean = math.fsum(number / len(finite) for number in finite)
        summary = (mean, min(finite), max(finite)) if finite else (math.nan,) * 3
        for column, number in zip(columns, summary, strict=True):
            column.append(number)
        start = end
    last = [end - 1 for end in ends]
    steps, times = _listed(steps), _listed(times)
    return _placed(label, x, [steps[at] for at in last], [times[at] for at in last], ends, columns)


def _placed(
    label: str, x: Axis, steps: list[int], times: list[int], numbers: Sequence[float], columns: list[list[float]]
) -> Curve:
    """Puts parts on an axis. On that of steps those without one are left out, unless none has one."""
    if x not in ("step", "time"):
        raise invalid("x", x, 'must be "step" or "time"')
    means, lows, highs = columns
    if x == "time":
        return Curve(label, "time", [time / 1_000_000 for time in times], means, lows, highs)
    kept = [at for at, step in enumerate(steps) if step >= 0]
    if not kept:
        return Curve(label, "point", list(numbers), means, lows, highs)
    means, lows, highs = ([column[at] for at in kept] for column in columns)
    return Curve(label, "step", [steps[at] for at in kept], means, lows, highs, len(steps) - len(kept))


def one_unit(curves: Sequence[Curve]) -> str:
    """What all curves of a chart have for x.

    Raises:
        InvalidArgument: some have steps and others have none.
    """
    units = {curve.unit for curve in curves}
    if len(units) > 1:
        labels = ", ".join(repr(curve.label) for curve in curves if curve.unit == "point")
        raise InvalidArgument(f'x = "step": {labels} has no steps and others have: draw it alone, or with x="time"')
    return units.pop()


def _listed(column: Any) -> list[Any]:
    listed = getattr(column, "tolist", None)  # of numpy and of the standard library: numbers of Python are faster
    return listed() if listed is not None else list(column)


def _number(value: Any) -> float:
    """A number that was logged, NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # an integer beyond all doubles
        return math.nan
