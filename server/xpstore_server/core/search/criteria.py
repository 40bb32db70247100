"""Filters as SQL: conditions on models. Every value is a bound parameter, every name one of ours."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import ge, gt, le, lt
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Double,
    FromClause,
    Integer,
    Text,
    and_,
    any_,
    exists,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
)

from xpstore_server.core.run_status import SHOWN
from xpstore_server.core.search.filter import Comparison, Condition, Not, Operator, Several
from xpstore_server.core.search.operand import Attribute, Column, Field, Measure, Value
from xpstore_server.store.tables import attribute, model, model_tag, run, series

_ORDERS: dict[Operator, Callable[[Any, Any], Any]] = {"<": lt, "<=": le, ">": gt, ">=": ge}
# What holds for the largest or smallest of all phases if it holds for one.
_OF_ANY_PHASE = {("max", ">"), ("max", ">="), ("min", "<"), ("min", "<=")}
_TYPES: dict[str, type] = {"number": float, "text": str, "truth": bool}  # of an attribute, by column

_ONE: ColumnElement[int] = literal_column("1", Integer)
# What conditions look into. Each does so in a subquery of its own, so all may use the same: an alias costs as much as
# all else of a comparison.
_ATTRIBUTE, _SERIES, _RIVAL = attribute.alias(), series.alias(), series.alias()


def _of_newest_run(value: ColumnElement[Any]) -> ColumnElement[Any]:
    mine = select(value).where(run.c.model_id == model.c.id).correlate(model)
    return mine.order_by(run.c.started_at_us.desc(), run.c.id.desc()).limit(1).scalar_subquery()


# To its end, or to when it was last heard of. The clocks of a run and of the server may differ.
_duration = (func.coalesce(run.c.ended_at_us, run.c.heartbeat_at_us) - run.c.started_at_us) / literal_column(
    "1e6", Double
)
# What columns of the model and of its newest run give, by the names of filters.
COLUMNS: dict[str, ColumnElement[Any]] = {
    "status": _of_newest_run(SHOWN),
    "duration": _of_newest_run(_duration),
    "heartbeat_at": _of_newest_run(run.c.heartbeat_at_us),
    "host": _of_newest_run(func.nullif(run.c.host, "")),
    "git_commit": _of_newest_run(func.nullif(run.c.git_commit, "")),
    "created_at": model.c.created_at_us,
    "updated_at": model.c.updated_at_us,
    **{name: model.c[name] for name in ("name", "hash", "description", "created_by", "updated_by", "step")},
}


@dataclass(frozen=True, slots=True)
class ValueSource:
    """Where a value of a model is: in a column of its own, or of at most one row of another table where it is set."""

    column: ColumnElement[Any]
    table: FromClause | None = None
    where: tuple[ColumnElement[bool], ...] = ()  # what an index of that table has
    speaks: tuple[ColumnElement[bool], ...] = ()  # what picks one of the rows that are left
    in_project: tuple[ColumnElement[bool], ...] = ()  # needed where rows are not looked up by their model

    def value(self) -> ColumnElement[Any]:
        """The value as an expression of a query on models, null where there is none."""
        if self.table is None:
            return self.column
        mine = (self.table.c.model_id == model.c.id, *self.where, *self.speaks, self.column.is_not(None))
        return select(self.column).where(*mine).correlate(model).scalar_subquery()


class Criteria:
    """Makes conditions on the models of one project, for one kind of database.

    A query on models may be led by the table that has their values of one field: then it is not looked up again, and
    other tables are searched for that table's own reference to the model.
    """

    def __init__(
        self,
        project_uid: str,
        *,
        is_sqlite: bool,
        are_few: bool = False,
        field: Field | None = None,
        lead: ValueSource | None = None,
    ) -> None:
        """`are_few`: the models are so few of the project that each is better looked at by itself."""
        self._project_uid = project_uid
        self._is_sqlite = is_sqlite
        # SQLite runs EXISTS for each model, but makes a list once, from an index alone. PostgreSQL joins either way,
        # and below OR and NOT it would search a list that is too long for its memory from end to end.
        self._lists = is_sqlite and not are_few
        self._field = field
        self._lead = lead
        self._id = model.c.id if lead is None or lead.table is None else lead.table.c.model_id

    def led_by(self, field: Field, lead: ValueSource) -> "Criteria":
        """The same for models that have their value of a field in a source."""
        return Criteria(self._project_uid, is_sqlite=self._is_sqlite, field=field, lead=lead)

    def holds(self, condition: Condition) -> ColumnElement[bool]:
        """A condition that is true or false of each model, never null."""
        match condition:
            case Several(of, parts):
                # The deepest first: SQLite's parser keeps what stands before a parenthesis, 100 things at most.
                by_depth = sorted(parts, key=lambda part: -part.depth)
                return (and_ if of == "all" else or_)(*map(self.holds, by_depth))
            case Not(part):
                return not_(self.holds(part))
            case Comparison():
                return self._compares(condition)

    def _compares(self, comparison: Comparison) -> ColumnElement[bool]:
        if self._lead is not None and comparison.field == self._field:
            typed = _of_type(self._lead.column, comparison)
            return false() if typed is None else self._test(self._lead.column, typed)
        match comparison.field:
            case Column("tags"):
                # Only the index of one tag is short: the table has those of all projects.
                is_listed = comparison.operator == "in"
                test = self._test(model_tag.c.tag, comparison)
                return self.has(ValueSource(model_tag.c.tag, model_tag), test, is_listed=is_listed)
            case Column(name):
                return self._test(COLUMNS[name], comparison)
            case Attribute() as field:
                sources = self._attributes(field, _ATTRIBUTE)
                tests = [
                    self._test(each.column, typed) for each in sources if (typed := _of_type(each.column, comparison))
                ]
                return self.has(sources[0], or_(false(), *tests))
            case Measure() as field:
                source = self._measured(field, _SERIES)
                may_be_any = field.phase is None and not comparison.is_negated
                if may_be_any and (field.of, comparison.operator) in _OF_ANY_PHASE:
                    source = replace(source, speaks=())
                return self.has(source, self._test(source.column, comparison))

    def has(self, source: ValueSource, test: ColumnElement[bool], *, is_listed: bool = True) -> ColumnElement[bool]:
        """Whether a model has a row in the table of a source for which a test holds."""
        assert source.table is not None
        rows = select(source.table.c.model_id)
        mine = source.table.c.model_id == self._id
        its_row = exists(rows.where(mine, *source.where, *source.speaks, test).correlate(self._id.table))
        if not (self._lists and is_listed):
            return its_row
        # What the index does not have is asked about those alone that are on the list.
        listed = self._id.in_(rows.where(*source.in_project, *source.where, test).correlate(None))
        return and_(listed, its_row) if source.speaks else listed

    def _test(self, column: ColumnElement[Any], comparison: Comparison) -> ColumnElement[bool]:
        """A comparison with what a column holds: false where that is null, negated or not."""
        if comparison.operator == "exists":
            return column.is_not(None)
        test = self._matches(column, comparison.operator, comparison.values) if comparison.values else false()
        return and_(column.is_not(None), not_(test) if comparison.is_negated else test)

    def _matches(self, column: ColumnElement[Any], operator: Operator, values: Sequence[Value]) -> ColumnElement[bool]:
        match operator:
            case "in":
                return column.in_(values)
            case "like" if self._is_sqlite:  # its LIKE takes a for A, its GLOB does not
                return column.op("GLOB", is_comparison=True)(_as_glob(str(values[0])))
            case "like":
                return column.like(str(values[0]))
            case "among" if self._is_sqlite:
                listed = func.json_each(json.dumps(values, ensure_ascii=False)).table_valued("value")
                return column.in_(select(listed.c.value))
            case "among":
                return column == any_(literal(list(values), ARRAY(Text)))
        ordered: ColumnElement[bool] = _ORDERS[operator](column, values[0])
        return ordered

    def sources(self, field: Field) -> tuple[ValueSource, ...]:
        """Where the value of a field may be: one of these has it, if there is any. They may lead a query."""
        match field:
            case Column(name):
                return (ValueSource(COLUMNS[name]),)
            case Attribute():
                return self._attributes(field, attribute.alias())
            case Measure():
                return (self._measured(field, series.alias()),)

    def _attributes(self, field: Attribute, mine: FromClause) -> tuple[ValueSource, ...]:
        of = (mine, (mine.c.path == field.path,), (), (mine.c.project_uid == self._project_uid,))
        return tuple(ValueSource(mine.c[type_], *of) for type_ in _TYPES)

    def _measured(self, field: Measure, mine: FromClause) -> ValueSource:
        column, in_project = mine.c[f"{field.of}_number"], (mine.c.project_uid == self._project_uid,)
        if field.phase is not None:
            its_phase = (mine.c.phase == field.phase,)
            return ValueSource(column, mine, (mine.c.name == field.name,), its_phase, in_project)
        return ValueSource(column, mine, (mine.c.name == field.name,), (_speaks_for_all(mine, field),), in_project)


def _speaks_for_all(mine: FromClause, field: Measure) -> ColumnElement[bool]:
    """Whether no other phase of a metric was logged later, or is smaller or larger; of equals the first speaks."""
    other = _RIVAL
    if field.of == "last":
        is_beaten = other.c.last_ordinal > mine.c.last_ordinal
    else:
        here, there = mine.c[f"{field.of}_number"], other.c[f"{field.of}_number"]
        is_better = there < here if field.of == "min" else there > here
        is_beaten = or_(is_better, and_(there == here, other.c.phase < mine.c.phase))
    rivals = select(_ONE).where(other.c.model_id == mine.c.model_id, other.c.name == field.name, is_beaten)
    # For NOT EXISTS PostgreSQL would join all rows of the name, to find the rivals of a few. Of `!=` it expects that it
    # holds for nearly all, and so it does: most names have one phase.
    return func.coalesce(rivals.correlate(mine).limit(1).scalar_subquery(), 0) != _ONE


def _of_type(column: ColumnElement[Any], comparison: Comparison) -> Comparison | None:
    """The comparison as it concerns a column of attributes of one type, None if it is false there."""
    type_ = _TYPES.get(str(column.key), object)
    values = tuple(value for value in comparison.values if isinstance(value, type_))
    may_hold = values or comparison.is_negated or comparison.operator == "exists"
    return replace(comparison, values=values) if may_hold else None


# Signs of LIKE as GLOB has them, and what is a sign of GLOB only.
_GLOB = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}


def _as_glob(pattern: str) -> str:
    """The pattern of GLOB that matches what a pattern of LIKE does."""
    signs = re.findall(r"\\.|.", pattern, re.DOTALL)
    return "".join(sign[1] if len(sign) == 2 else _GLOB.get(sign, sign) for sign in signs)
