"""Search: the models that a filter holds for, in an order, page by page."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, FromClause, Row, and_, func, literal, not_, or_, select, tuple_

from xpstore_server.core import experiment, limits, model, project
from xpstore_server.core.paging import BATCH, Key, Page, weigh
from xpstore_server.core.search import columns, patterns
from xpstore_server.core.search.criteria import Criteria, ValueSource
from xpstore_server.core.search.filter import Condition, OrderKey, parse_filter, parse_order
from xpstore_server.core.search.operand import Field
from xpstore_server.store import tables
from xpstore_server.store.limbo import HIDDEN_EXPERIMENTS
from xpstore_server.store.transaction import Transaction

T = TypeVar("T")

_TIE = (tables.model.c.created_at_us, tables.model.c.id)  # oldest first
FEW = 1_000  # models of an experiment that are looked at one by one: indexes of values are of whole projects
_ALL_AT_ONCE = -1  # in place of the number of a range


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched: a project, or one experiment of it."""

    project_uid: str
    experiment_id: str | None
    condition: Condition | None
    order: tuple[OrderKey, ...]

    @classmethod
    def parse(cls, *, project_uid: str = "", experiment_id: str | None = None, filter: str, order_by: str) -> "Query":
        """Reads both texts."""
        return cls(project_uid, experiment_id, parse_filter(filter), parse_order(order_by))


def find(tx: Transaction, query: Query, page: Page, skip: int = 0) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of models and the key to go on after, None at the end.

    Args:
        skip: how many to pass over before the first page.
    """
    found, key = _find(tx, query, page, skip, partial(model.get_many, tx), weigh)
    return [row for _, row in found], key


def find_cells(
    tx: Transaction, query: Query, page: Page, fields: Sequence[Field], skip: int = 0
) -> tuple[list[tuple[str, columns.Cells]], Key | None]:
    """Returns ids of a page of models, each with its values of these fields, and the key to go on after."""
    return _find(tx, query, page, skip, lambda ids: columns.read(tx, fields, ids), columns.weigh)


def resolved(tx: Transaction, query: Query) -> Query:
    """The same with `~` as the values that match now: so they are looked at once by who searches several times."""
    if query.condition is None or not patterns.are_in(query.condition):
        return query
    uid = project_of(tx, query.project_uid, query.experiment_id)
    scope, is_whole = _scope(uid, query.experiment_id), query.experiment_id is None
    return replace(query, condition=patterns.resolved(tx, query.condition, uid, scope, is_whole=is_whole))


def count(tx: Transaction, query: Query) -> int:
    """How many models a query finds."""
    return _Walk(tx, replace(query, order=()), None).count()


def _find(
    tx: Transaction,
    query: Query,
    page: Page,
    skip: int,
    look_up: Callable[[list[str]], dict[str, T]],
    weigh: Callable[[T], int],
) -> tuple[list[tuple[str, T]], Key | None]:
    """Keys come first, and what is asked for of those of a page alone: a sort would carry their configs."""
    walk = _Walk(tx, query, page.after)
    if skip and page.after is None:
        walk.pass_over(skip)
    rows: list[tuple[str, T]] = []
    weight, after, last = 0, page.after, page.after
    while True:
        limit = min(page.size + 1 - len(rows), BATCH)
        keys = walk.keys(after, limit)
        found = look_up([key[-1] for key in keys])
        for key in keys:
            if key[-1] not in found:
                continue  # deleted since
            weight += weigh(found[key[-1]])
            if rows and (len(rows) == page.size or weight > limits.PAGE_BYTES):
                return rows, last
            rows.append((key[-1], found[key[-1]]))
            last = key
        if len(keys) < limit:
            return rows, None
        after = keys[-1]


@dataclass(frozen=True, slots=True)
class _Sort:
    """One expression of an order. Where it may be null, nulls come last in either direction."""

    value: ColumnElement[Any]
    descending: bool
    nullable: bool = True

    def order(self) -> ColumnElement[Any]:
        directed = self.value.desc() if self.descending else self.value.asc()
        return directed.nulls_last() if self.nullable else directed

    def after(self, value: Any, then: ColumnElement[bool]) -> ColumnElement[bool]:
        """Whether a row comes after one of this value; `then` says so of equals."""
        if value is None:
            return and_(self.value.is_(None), then)
        there = literal(value, self.value.type)
        further = self.value < there if self.descending else self.value > there
        behind = or_(further, and_(self.value == there, then))
        if self.nullable:
            return or_(behind, self.value.is_(None))
        # An index begins here: it cannot tell from the alternatives.
        return and_(self.value <= there if self.descending else self.value >= there, behind)


@dataclass(frozen=True, slots=True)
class _Range:
    """Models in which the first key of an order is a value in one column, or no value: an index has them in order."""

    rows: FromClause
    where: tuple[ColumnElement[bool], ...]
    sorts: tuple[_Sort, ...]

    def count(self, tx: Transaction) -> int:
        """How many models are in it."""
        return int(tx.execute(select(func.count()).select_from(self.rows).where(*self.where)).scalar_one())

    def keys(self, tx: Transaction, after: Key | None, limit: int, offset: int = 0) -> list[tuple[Any, ...]]:
        columns = [sort.value.label(f"key_{number}") for number, sort in enumerate(self.sorts)]
        query = select(*columns, *_TIE).select_from(self.rows).where(*self.where)
        if after is not None:
            query = query.where(self._after(after))
        query = query.order_by(*(sort.order() for sort in self.sorts), *_TIE).limit(limit)
        if offset:
            query = query.offset(offset)
        return [tuple(row) for row in tx.execute(query)]

    def _after(self, key: Key) -> ColumnElement[bool]:
        there = tuple_(*(literal(value, column.type) for value, column in zip(key[-2:], _TIE, strict=True)))
        condition: ColumnElement[bool] = tuple_(*_TIE) > there
        for sort, value in zip(reversed(self.sorts), reversed(key[:-2]), strict=True):
            condition = sort.after(value, condition)
        return condition


class _Walk:
    """Goes through what a query finds, in order: range by range, and in each from a key on."""

    def __init__(self, tx: Transaction, query: Query, after: Key | None) -> None:
        self._tx = tx
        self._query = query = resolved(tx, query)
        self._project_uid = project_of(tx, query.project_uid, query.experiment_id)
        self._scope = _scope(self._project_uid, query.experiment_id)
        # As it began: by the next page there may be more models.
        are_few = _are_few(tx, query) if after is None else after[:1] == (_ALL_AT_ONCE,)
        criteria = Criteria(self._project_uid, is_sqlite=tx.is_sqlite, are_few=are_few)
        ranges = [self._whole(criteria)] if are_few else self._divide(criteria)
        self._ranges = dict(enumerate(ranges, _ALL_AT_ONCE if are_few else 0))
        self._offset = 0  # in the first of them

    def count(self) -> int:
        return sum(range_.count(self._tx) for range_ in self._ranges.values())

    def pass_over(self, count: int) -> None:
        """Begins behind so many rows."""
        while self._ranges:
            here = next(iter(self._ranges.values())).count(self._tx)
            if count < here:
                break
            count -= here
            del self._ranges[next(iter(self._ranges))]
        self._offset = count

    def keys(self, after: Key | None, limit: int) -> list[Key]:
        """The keys of the next rows: number of the range, values it is ordered by, time of creation, id."""
        keys: list[Key] = []
        for number, range_ in self._ranges.items():
            if after is not None and number < after[0]:
                continue
            start = after[1:] if after is not None and number == after[0] else None
            offset = self._offset if after is None and number == next(iter(self._ranges)) else 0
            keys += [(number, *key) for key in range_.keys(self._tx, start, limit - len(keys), offset)]
            if len(keys) == limit:
                break
        return keys

    def _whole(self, criteria: Criteria) -> _Range:
        keys = [(source, key) for key in self._query.order for source in criteria.sources(key.field)]
        sorts = (_Sort(source.value(), key.descending) for source, key in keys)
        return _Range(tables.model, self._where(criteria), tuple(sorts))

    def _divide(self, criteria: Criteria) -> Iterator[_Range]:
        if not self._query.order:
            yield _Range(tables.model, self._where(criteria), ())
            return
        first, *others = self._query.order
        sources = criteria.sources(first.field)
        rest = [_Sort(source.value(), key.descending) for key in others for source in criteria.sources(key.field)]
        for source in sources:
            lead = _Sort(source.column, first.descending, nullable=False)
            there = (*source.in_project, *source.where, *source.speaks, source.column.is_not(None))
            where = (*self._where(criteria.led_by(first.field, source)), *there)
            yield _Range(_with_models(source), where, (lead, *rest))
        yield _Range(tables.model, (*self._where(criteria), _has_none(criteria, sources)), tuple(rest))

    def _where(self, criteria: Criteria) -> tuple[ColumnElement[bool], ...]:
        condition = self._query.condition
        return (self._scope,) if condition is None else (self._scope, criteria.holds(condition))


def _scope(project_uid: str, experiment_id: str | None) -> ColumnElement[bool]:
    """Which models are searched."""
    if experiment_id is not None:
        return tables.model.c.experiment_id == experiment_id
    return (tables.model.c.project_uid == project_uid) & tables.model.c.experiment_id.not_in(HIDDEN_EXPERIMENTS)


def project_of(tx: Transaction, project_uid: str, experiment_id: str | None) -> str:
    """The live project that is searched, or has the experiment that is."""
    if experiment_id is not None:
        return str(experiment.get(tx, experiment_id).project_uid)
    return str(project.get(tx, project_uid=project_uid).uid)


def _are_few(tx: Transaction, query: Query) -> bool:
    if query.experiment_id is None:
        return False
    mine = tables.model.c.experiment_id == query.experiment_id
    some = select(tables.model.c.id).where(mine).limit(FEW + 1).subquery()
    return int(tx.execute(select(func.count()).select_from(some)).scalar_one()) <= FEW


def _with_models(source: ValueSource) -> FromClause:
    if source.table is None:
        return tables.model
    return source.table.join(tables.model, tables.model.c.id == source.table.c.model_id)


def _has_none(criteria: Criteria, sources: Sequence[ValueSource]) -> ColumnElement[bool]:
    """Whether a model has no value in any of the sources: all of them are one column, or columns of one table."""
    is_there = or_(*(source.column.is_not(None) for source in sources))
    return not_(is_there if sources[0].table is None else criteria.has(sources[0], is_there))
