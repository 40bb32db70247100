"""Fields: what models of a project or an experiment have in configs, modules and metrics, with types and ranges.

Of a project each is found by an index that skips from one to the next; an experiment is looked through.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, union_all

from xpstore_server.core import limits
from xpstore_server.core.paging import Key, Page
from xpstore_server.core.search.columns import Cell, weigh
from xpstore_server.core.search.query import project_of
from xpstore_server.store.attributes import parts_of
from xpstore_server.store.limbo import HIDDEN_EXPERIMENTS
from xpstore_server.store.tables import attribute, deleted_experiment, deleted_model, model, series
from xpstore_server.store.transaction import Transaction

_TYPES = ("number", "text", "truth")
_BARE = re.compile(r"[\w-]+")
_ATTRIBUTES, _METRICS = 0, 1  # in keys of pages
# Names that are looked at at once, of which some may be shown.
BATCH = 1_000
FEW = 1_000  # deleted models, whose ids are kept at hand: for more it is asked of each value where its model is


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose fields: of a project, or of one experiment of it.

    Attributes:
        deleted: how many models of the project wait to be purged, one more than `FEW` for any more. They are left out.
    """

    project_uid: str
    experiment_id: str | None = None
    deleted: int = 0

    @classmethod
    def of(cls, tx: Transaction, *, project_uid: str = "", experiment_id: str | None = None) -> "Scope":
        """Makes sure that it is there."""
        uid = project_of(tx, project_uid, experiment_id)
        if experiment_id is not None:
            return cls(uid, experiment_id)
        some = select(func.count()).select_from(_deleted(uid).limit(FEW + 1).subquery())
        return cls(uid, deleted=tx.execute(some).scalar_one())

    def of_values(self, table: Any) -> tuple[ColumnElement[bool], ...]:
        """Which rows of a table of values are meant."""
        mine: ColumnElement[bool] = table.c.project_uid == self.project_uid
        if self.experiment_id is None:
            return (mine, *self._those_that_are_there(table))
        return (mine, table.c.model_id.in_(select(model.c.id).where(model.c.experiment_id == self.experiment_id)))

    def _those_that_are_there(self, table: Any) -> Iterator[ColumnElement[bool]]:
        if self.deleted > FEW:
            # As a value: the databases would make a join of `exists`, and not skip in the index.
            owner = select(model.c.experiment_id).where(model.c.id == table.c.model_id).correlate(table)
            yield owner.scalar_subquery().not_in(HIDDEN_EXPERIMENTS)
        elif self.deleted:
            yield table.c.model_id.not_in(_deleted(self.project_uid))


def _deleted(project_uid: str) -> Select[tuple[str]]:
    """The ids of models of a project that wait to be purged."""
    alone = select(deleted_model.c.model_id).where(deleted_model.c.project_uid == project_uid)
    gone = select(deleted_experiment.c.experiment_id).where(deleted_experiment.c.project_uid == project_uid)
    both = union_all(alone, select(model.c.id).where(model.c.experiment_id.in_(gone))).subquery()
    return select(both.c.model_id)


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of a field. `values` are the first different ones."""

    field: str
    numbers: int = 0
    texts: int = 0
    truths: int = 0
    min: float | None = None
    max: float | None = None
    values: Sequence[Cell] = ()
    has_more: bool = False


def list_fields(tx: Transaction, scope: Scope, contains: str, page: Page) -> tuple[list[Summary], Key | None]:
    """Returns a page of fields whose text has this in it, in capitals or not, and the key to go on after."""
    found: list[Summary] = []
    weight, last = 0, page.after
    for key, summary in _all(tx, scope, contains.casefold(), page.after):
        weight += len(summary.field.encode()) + weigh(summary.values)
        if found and (len(found) == page.size or weight > limits.PAGE_BYTES):
            return found, last
        found.append(summary)
        last = key
    return found, None


def _all(tx: Transaction, scope: Scope, contains: str, after: Key | None) -> Iterator[tuple[Key, Summary]]:
    """Fields behind a key, each looked at when it is asked for."""
    if after is None or after[0] == _ATTRIBUTES:
        path = "" if after is None else str(after[1])
        while paths := _paths(tx, scope, path):
            for path in paths:
                field = _text_of(*parts_of(path))
                if contains in field.casefold():
                    yield (_ATTRIBUTES, path), _attribute(tx, scope, field, path)
        after = None
    name, phase = ("", "") if after is None else map(str, after[1:])
    if after is not None:
        yield from _phases(tx, scope, contains, name, phase)
    while names := _names(tx, scope, name):
        for name in names:
            yield from _phases(tx, scope, contains, name)


def _text_of(first: str, *names: str) -> str:
    return ".".join((first, *map(_quoted, names)))


def _quoted(name: str) -> str:
    """A name as a filter has it."""
    return name if _BARE.fullmatch(name) else '"{}"'.format(name.replace('"', '""'))


def _paths(tx: Transaction, scope: Scope, after: str) -> list[str]:
    """The next paths of attributes, in order."""
    if scope.experiment_id is not None:
        return _distinct(tx, attribute.c.path, (*scope.of_values(attribute), attribute.c.path > after), BATCH)
    found = [_skip(tx, attribute.c.path, _of_type(scope, type_), after) for type_ in _TYPES]
    # Behind where one of them ended there may be more of it.
    ends = [paths[-1].encode() for paths in found if len(paths) == BATCH]
    merged = sorted({path.encode() for paths in found for path in paths})
    return [path.decode() for path in merged if not ends or path <= min(ends)]


def _names(tx: Transaction, scope: Scope, after: str) -> list[str]:
    """The next names of metrics, in order."""
    mine = scope.of_values(series)
    if scope.experiment_id is not None:
        return _distinct(tx, series.c.name, (*mine, series.c.name > after), BATCH)
    return _skip(tx, series.c.name, mine, after)


def _distinct(tx: Transaction, column: ColumnElement[Any], mine: Sequence[ColumnElement[bool]], most: int) -> list[Any]:
    return list(tx.execute(select(column).where(*mine).distinct().order_by(column).limit(most)).scalars())


def _skip(
    tx: Transaction, column: ColumnElement[Any], mine: Sequence[ColumnElement[bool]], after: Any, most: int = BATCH
) -> list[Any]:
    """The next different values of a column: each is a look-up in an index that begins with it."""
    first = () if after is None else (column > after,)
    steps = select(func.min(column).label("value")).where(*mine, *first).cte("steps", recursive=True)
    further = select(func.min(column)).where(*mine, column > steps.c.value).scalar_subquery()
    steps = steps.union_all(select(further).where(steps.c.value.is_not(None)))
    return list(tx.execute(select(steps.c.value).where(steps.c.value.is_not(None)).limit(most)).scalars())


def _of_type(scope: Scope, type_: str) -> tuple[ColumnElement[bool], ...]:
    return (*scope.of_values(attribute), attribute.c[type_].is_not(None))


def _attribute(tx: Transaction, scope: Scope, field: str, path: str) -> Summary:
    counts = dict[str, int]()
    values = list[Cell]()
    least = most = None
    for type_ in _TYPES:  # apart, as each has an index of its own
        column, mine = attribute.c[type_], (*_of_type(scope, type_), attribute.c.path == path)
        if type_ == "number":
            wanted = (func.count().label("all"), func.min(column).label("least"), func.max(column).label("most"))
            known = tx.execute(select(*wanted).where(*mine)).one()
            counts[type_], least, most = known.all, known.least, known.most
        else:
            counts[type_] = tx.execute(select(func.count()).where(*mine)).scalar_one()
        if counts[type_] and len(values) <= limits.FIELD_VALUES:
            values += _values(tx, scope, column, mine)
    shown = values[: limits.FIELD_VALUES]
    has_more = len(values) > len(shown)
    return Summary(field, counts["number"], counts["text"], counts["truth"], least, most, shown, has_more)


def _values(
    tx: Transaction, scope: Scope, column: ColumnElement[Any], mine: Sequence[ColumnElement[bool]]
) -> Sequence[Cell]:
    """The first different values, one more than are told."""
    if column.key == "truth":  # which has no smallest
        there = [select(column).where(*mine, column.is_(value)).limit(1) for value in (False, True)]
        return [value for query in there for value in tx.execute(query).scalars()]
    if scope.experiment_id is not None:
        return _distinct(tx, column, mine, limits.FIELD_VALUES + 1)
    return _skip(tx, column, mine, None, limits.FIELD_VALUES + 1)


def _phases(
    tx: Transaction, scope: Scope, contains: str, name: str, after: str | None = None
) -> Iterator[tuple[Key, Summary]]:
    """What is known of a metric, phase by phase, behind a phase."""
    mine = (*scope.of_values(series), series.c.name == name)
    found = dict[str, list[Any]]()
    # Apart, as each has an index of its own that has the phases too.
    for value in (func.count(series.c.last_number), func.min(series.c.min_number), func.max(series.c.max_number)):
        for row in tx.execute(select(series.c.phase, value.label("value")).where(*mine).group_by(series.c.phase)):
            found.setdefault(row.phase, []).append(row.value)
    for phase, values in sorted(found.items(), key=lambda one: one[0].encode()):
        field = f"{_text_of('metrics', name)}[{_quoted(phase)}]"
        if (after is None or phase.encode() > after.encode()) and contains in field.casefold() and len(values) == 3:
            numbers, least, most = values
            yield (_METRICS, name, phase), Summary(field, numbers, min=least, max=most)
