"""Points of one series as columns: made from what clients say, kept in blocks, cut and joined without a loop."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from sqlalchemy import Row

from xpstore_server.store.columns import (
    EVERY,
    Floats,
    Integers,
    Mask,
    Mixed,
    decode_each,
    decode_floats,
    decode_integers,
    decode_mixed,
    encode_floats,
    encode_integers,
    encode_mixed,
)

Values = Floats | Integers | Mixed
# A block's size: small enough to be rewritten when a point of it goes, large enough that its row does not count.
BLOCK_POINTS = 16_384
# No block reaches over more ordinals: a point is found, and a page of a model's points read, among those that begin not
# far before it.
BLOCK_SPAN = 1 << 18
# So many numbers are looked at in a loop: numpy takes a microsecond for each step, and few batches have more of a
# series.
FEW = 16
# In place of a time that nobody gave: the one of the transaction that stores the point.
NO_TIME = -1
# In place of a step where columns have no room for its absence.
NO_STEP = -1


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Some points of one series, in order.

    Attributes:
        kind: "float" or "int" of all values; "json" where they have kinds of their own, or are no numbers.
        has_step: which points have a step; None: all.
    """

    ordinals: Integers
    kind: str
    values: Values
    steps: Integers
    has_step: Mask | None
    times: Integers

    def __len__(self) -> int:
        return len(self.ordinals)

    def where(self, chosen: Mask | Integers | slice) -> "Points":
        """The points of a mask, of places or of a slice."""
        values = self.values
        if isinstance(values, list):
            some: Values = [values[place] for place in np.arange(len(values))[chosen]]
        else:
            some = values[chosen]
        has_step = None if self.has_step is None else self.has_step[chosen]
        ordinals, steps, times = self.ordinals[chosen], self.steps[chosen], self.times[chosen]
        return Points(ordinals, self.kind, some, steps, has_step, times)

    def blocks(self) -> Iterator["Points"]:
        """Pieces that may each be a block, of many points as equal as can be: none so small that it has no outline."""
        if 0 < len(self) <= BLOCK_POINTS and self.ordinals[-1] - self.ordinals[0] < BLOCK_SPAN:
            yield self
            return
        start = 0
        while start < len(self):
            left = len(self) - start
            size = -(-left // -(-left // BLOCK_POINTS))
            reach = int(np.searchsorted(self.ordinals, self.ordinals[start] + BLOCK_SPAN))
            end = min(start + size, reach)
            yield self if end - start == len(self) else self.where(slice(start, end))
            start = end

    def numbers(self) -> Floats:
        """The values as floats; NaN for what is no number."""
        if isinstance(self.values, list):
            return np.array([float(text) if kind != "json" else math.nan for kind, text in self.values], np.float64)
        return self.values.astype(np.float64, copy=False)

    def mixed(self) -> Mixed:
        """Kind and text of each value."""
        if isinstance(self.values, list):
            return self.values
        texts = map(repr if self.kind == "float" else str, self.values.tolist())
        return [(self.kind, text) for text in texts]

    def value(self, place: int) -> tuple[str, str]:
        """Kind and text of one value."""
        if isinstance(self.values, list):
            return self.values[place]
        return self.kind, (repr if self.kind == "float" else str)(self.values[place].item())

    def filled_steps(self) -> Integers:
        """The step of each point, NO_STEP where it has none."""
        return self.steps if self.has_step is None else np.where(self.has_step, self.steps, NO_STEP)

    def step(self, place: int) -> int | None:
        """The step of one point."""
        if self.has_step is not None and not self.has_step[place]:
            return None
        return int(self.steps[place])

    def columns(self) -> tuple[bytes, bytes, bytes, bytes]:
        """Ordinals, steps, times and values as they are kept."""
        if isinstance(self.values, list):
            data = encode_mixed(self.values)
        elif self.kind == "float":
            data = encode_floats(cast(Floats, self.values))
        else:
            data = encode_integers(cast(Integers, self.values))
        steps = encode_integers(self.steps, self.has_step)
        return encode_integers(self.ordinals), steps, encode_integers(self.times), data

    def placed(self, ordinals: Integers, now_us: int) -> "Points":
        """The same points with these ordinals, and with this time where there was none."""
        times = np.where(self.times == NO_TIME, now_us, self.times)
        return Points(ordinals, self.kind, self.values, self.steps, self.has_step, times)


def from_row(row: Row[Any], here: slice = EVERY) -> Points:
    """Reads the columns of a block, or of some of its points."""
    ordinals, _ = decode_integers(row.ordinals, row.points, here)
    steps, has_step = decode_integers(row.steps, row.points, here)
    times, _ = decode_integers(row.times, row.points, here)
    if row.kind == "float":
        values: Values = decode_floats(row.data, row.points, here)
    elif row.kind == "int":
        values, _ = decode_integers(row.data, row.points, here)
    else:
        values = decode_mixed(row.data)[here]
    return Points(ordinals, row.kind, values, steps, has_step, times)


def from_rows(rows: Sequence[Row[Any]]) -> Points:
    """Reads the columns of blocks of one series, in their order."""
    kinds = {row.kind for row in rows}
    if len(rows) == 1 or len(kinds) > 1 or "json" in kinds:
        return join([from_row(row) for row in rows])
    counts = [row.points for row in rows]
    ordinals, _ = decode_each([row.ordinals for row in rows], counts)
    steps, has_step = decode_each([row.steps for row in rows], counts)
    times, _ = decode_each([row.times for row in rows], counts)
    data, kind = [row.data for row in rows], rows[0].kind
    values = decode_floats(b"".join(data), len(ordinals)) if kind == "float" else decode_each(data, counts)[0]
    return Points(ordinals, kind, values, steps, has_step, times)


def from_values(values: Mixed, steps: Sequence[int | None], times: Sequence[int]) -> Points:
    """Makes columns of single values, in order; their ordinals count from 0."""
    count = len(values)
    kinds = {kind for kind, _ in values}
    found: Values = values
    kind = "json"
    if kinds == {"float"}:
        kind, found = "float", np.array([float(text) for _, text in values], np.float64)
    elif kinds == {"int"}:
        kind, found = "int", np.array([int(text) for _, text in values], np.int64)
    has_step = None if None not in steps else np.array([step is not None for step in steps], np.bool_)
    some_steps = np.array([step or 0 for step in steps], np.int64)
    return Points(np.arange(count), kind, found, some_steps, has_step, np.array(times, np.int64))


def join(parts: Sequence[Points]) -> Points:
    """Puts points of one series together, in the order given."""
    if len(parts) == 1:
        return parts[0]
    kinds = {part.kind for part in parts}
    kind = kinds.pop() if len(kinds) == 1 else "json"
    values: Values = [value for part in parts for value in part.mixed()] if kind == "json" else _joined(parts, "values")
    has_step = None
    if any(part.has_step is not None for part in parts):
        all_there = (np.ones(len(part), np.bool_) if part.has_step is None else part.has_step for part in parts)
        has_step = np.concatenate(list(all_there))
    ordinals, steps, times = (_joined(parts, name) for name in ("ordinals", "steps", "times"))
    return Points(ordinals, kind, values, steps, has_step, times)


def _joined(parts: Sequence[Points], column: str) -> Any:
    return np.concatenate([getattr(part, column) for part in parts])


def block_values(points: Points) -> dict[str, Any]:
    """The columns of a block, but those that say whose it is."""
    ordinals, steps, times, data = points.columns()
    smallest, largest = extremes(points.numbers())
    with_step = points.steps if points.has_step is None else points.steps[points.has_step]
    return {
        "first_ordinal": int(points.ordinals[0]),
        "last_ordinal": int(points.ordinals[-1]),
        "points": len(points),
        "kind": points.kind,
        "min_number": smallest,
        "max_number": largest,
        "max_step": int(with_step.max()) if len(with_step) else None,
        "ordinals": ordinals,
        "steps": steps,
        "times": times,
        "data": data,
    }


def extremes(numbers: Floats) -> tuple[float | None, float | None]:
    """The smallest and the largest finite number."""
    if len(numbers) <= FEW:
        some = [number for number in numbers.tolist() if math.isfinite(number)]
        return (min(some), max(some)) if some else (None, None)
    finite = numbers[np.isfinite(numbers)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (None, None)


def last_values(points: Points) -> dict[str, Any]:
    """The columns of a series that say what its newest point is, which is the last of these."""
    kind, text = points.value(-1)
    number = float(text) if kind != "json" else math.nan
    return {
        "last_ordinal": int(points.ordinals[-1]),
        "last_step": points.step(-1),
        "last_time_us": int(points.times[-1]),
        "last_kind": kind,
        "last_text": text,
        "last_number": number if math.isfinite(number) else None,
    }
