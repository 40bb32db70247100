"""Groups: models with the same values in some fields, and what the numbers of each group are.

Computed here and not by the databases: they would round and order differently, and the values of a field may be of
several types.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpstore_server.core import limits
from xpstore_server.core.errors import ResourceExhausted
from xpstore_server.core.paging import Key, Page
from xpstore_server.core.search import columns
from xpstore_server.core.search.columns import Cell
from xpstore_server.core.search.operand import Field
from xpstore_server.core.search.query import Query, find_cells, resolved
from xpstore_server.store.columns import Floats, Integers
from xpstore_server.store.database import SEARCH_SECONDS
from xpstore_server.store.errors import StoreTooLong
from xpstore_server.store.transaction import Transaction

BATCH = 1_000  # models whose values are in memory
AGGREGATE_BYTES = 50
WIDE = np.longdouble  # squares of large doubles are none, where the machine has something wider
_EMPTY = {"_counts": 0.0, "_means": 0.0, "_squares": 0.0, "_mins": math.inf, "_maxs": -math.inf}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The numbers of one field in one group; of none, 0 alone."""

    count: int
    min: float = 0.0
    max: float = 0.0
    mean: float = 0.0
    deviation: float = 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """Models with the same values in the fields that they are grouped by."""

    keys: tuple[Cell, ...]
    models: int
    aggregates: Sequence[Aggregate]


@dataclass(frozen=True, slots=True)
class Groups:
    """The largest groups, and how many groups and models there are in all."""

    largest: Sequence[Group]
    groups: int
    models: int


def aggregate(tx: Transaction, query: Query, by: Sequence[Field], fields: Sequence[Field]) -> Groups:
    """Puts the models that a query finds into groups.

    Raises:
        ResourceExhausted: there are too many.
    """
    query = resolved(tx, query)
    gathered, models = _Gathered(len(fields)), 0
    ends_at = time.thread_time() + SEARCH_SECONDS  # what it works: each statement has a bound of its own
    for rows in _batches(tx, query, (*by, *fields)):
        models += len(rows)
        if time.thread_time() > ends_at:
            raise StoreTooLong(f"Groups of more than {models:,} models take too long. Narrow the filter.")
        if models > limits.AGGREGATED_MODELS:
            most = limits.AGGREGATED_MODELS
            message = f"The filter holds for more than {most:,} models: narrow it."
            raise ResourceExhausted(message, limit="max_aggregated_models", expected=most)
        gathered.add([tuple(row[: len(by)]) for row in rows], [row[len(by) :] for row in rows])
    return Groups(list(_fitting(islice(gathered.groups(), limits.GROUPS))), len(gathered), models)


def _fitting(groups: Iterator[Group]) -> Iterator[Group]:
    """As many as a message takes."""
    weight = 0
    for group in groups:
        weight += columns.weigh(group.keys) + AGGREGATE_BYTES * len(group.aggregates)
        if weight > limits.PAGE_BYTES:
            return
        yield group


def _batches(tx: Transaction, query: Query, fields: Sequence[Field]) -> Iterator[list[columns.Cells]]:
    key: Key | None = None
    while True:
        rows, key = find_cells(tx, query, Page(BATCH, key), fields)
        yield [cells for _, cells in rows]
        if key is None:
            return


class _Gathered:
    """Groups being filled: of each field count, smallest, largest, mean, and the sum of squares about the mean."""

    def __init__(self, fields: int) -> None:
        self._fields = fields
        self._places = dict[tuple[Any, ...], int]()
        self._keys = list[tuple[Cell, ...]]()
        self._models = np.zeros(0, np.int64)
        self._counts, self._mins, self._maxs = (np.zeros((0, fields)) for _ in range(3))
        self._means, self._squares = (np.zeros((0, fields), WIDE) for _ in range(2))

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, keys: Sequence[tuple[Cell, ...]], cells: Sequence[Sequence[Cell]]) -> None:
        """Takes in some models: the values that put each into its group, and those that are told."""
        if not keys:
            return
        places = np.array([self._place(key) for key in keys], np.int64)
        self._grow()
        np.add.at(self._models, places, 1)
        numbers = np.array([[_number(cell) for cell in row] for row in cells], np.float64).reshape(len(keys), -1)
        for field in range(self._fields):
            there = ~np.isnan(numbers[:, field])
            if there.any():
                self._add_field(field, places[there], numbers[there, field])

    def _place(self, key: tuple[Cell, ...]) -> int:
        # True is no 1, and 1 is no 1.0: they are values of different types.
        typed = tuple((type(cell), cell) for cell in key)
        place = self._places.setdefault(typed, len(self._keys))
        if place == len(self._keys):
            self._keys.append(key)
        return place

    def _grow(self) -> None:
        more = len(self._keys) - len(self._models)
        if more > 0:
            self._models = np.concatenate([self._models, np.zeros(more, np.int64)])
            for name, empty in _EMPTY.items():
                known = getattr(self, name)
                setattr(self, name, np.concatenate([known, np.full((more, self._fields), empty, known.dtype)]))

    def _add_field(self, field: int, places: Integers, numbers: Floats) -> None:
        """Joins means and squares as Chan, Golub and LeVeque do: sums of squares alone would lose all digits."""
        np.minimum.at(self._mins[:, field], places, numbers)
        np.maximum.at(self._maxs[:, field], places, numbers)
        here, at = np.unique(places, return_inverse=True)
        count = np.bincount(at)
        mean = _summed(at, numbers.astype(WIDE)) / count
        squares = _summed(at, (numbers - mean[at]) ** 2)
        before, there = self._counts[here, field], self._means[here, field]
        both = before + count
        distance = mean - there
        self._squares[here, field] += squares + distance**2 * (before * count / both)
        self._means[here, field] = there + distance * (count / both)
        self._counts[here, field] = both

    def groups(self) -> Iterator[Group]:
        """All of them, the largest first."""
        order = sorted(range(len(self._keys)), key=lambda place: (-self._models[place], _in_order(self._keys[place])))
        for place in order:
            told = [self._aggregate(place, field) for field in range(self._fields)]
            yield Group(self._keys[place], int(self._models[place]), told)

    def _aggregate(self, place: int, field: int) -> Aggregate:
        count = int(self._counts[place, field])
        if not count:
            return Aggregate(0)
        least, most = float(self._mins[place, field]), float(self._maxs[place, field])
        # Rounded, a mean may lie a hair outside.
        mean = min(max(float(self._means[place, field]), least), most)
        return Aggregate(count, least, most, mean, float(np.sqrt(self._squares[place, field] / count)))


def _summed(places: Integers, numbers: NDArray[np.longdouble]) -> NDArray[np.longdouble]:
    sums = np.zeros(int(places.max()) + 1, WIDE)
    np.add.at(sums, places, numbers)
    return sums


def _number(cell: Cell) -> float:
    """What is aggregated: numbers, steps and times."""
    return math.nan if cell is None or isinstance(cell, bool | str | tuple) else float(cell)


def _in_order(key: tuple[Cell, ...]) -> tuple[Any, ...]:
    """What orders values of any types; models without one come last."""
    ranks = {float: 0, int: 0, str: 1, bool: 2, tuple: 3, type(None): 4}
    return tuple((ranks[type(cell)], 0 if cell is None else cell) for cell in key)
