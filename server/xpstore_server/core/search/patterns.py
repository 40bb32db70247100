"""Regular expressions in filters: which values there are is asked first, and RE2 says which of them match.

No database here has RE2, and their own expressions mean other things and may take for ever.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

from sqlalchemy import ColumnElement, Select, select

from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.search.criteria import COLUMNS
from xpstore_server.core.search.filter import Comparison, Condition, Not, Several
from xpstore_server.core.search.operand import Attribute, Column, Field, compiled
from xpstore_server.store.tables import attribute, model, model_tag
from xpstore_server.store.transaction import Transaction


def are_in(condition: Condition) -> bool:
    """Whether a condition has any."""
    match condition:
        case Not(part):
            return are_in(part)
        case Several(_, parts):
            return any(map(are_in, parts))
    return isinstance(condition, Comparison) and condition.operator == "matches"


def resolved(
    tx: Transaction, condition: Condition, project_uid: str, scope: ColumnElement[bool], *, is_whole: bool
) -> Condition:
    """The same condition, with `~` as the values that match.

    Args:
        scope: which models are searched, of those of the project.
        is_whole: whether these are all.

    Raises:
        InvalidArgument: there are too many different values.
    """
    room = limits.PATTERN_VALUES
    found = dict[Field, list[str]]()

    def values_of(field: Field) -> list[str]:
        nonlocal room
        if field not in found:
            query = _values(field, project_uid, scope, is_whole=is_whole).distinct().limit(room + 1)
            found[field] = [str(value) for value in tx.execute(query).scalars() if value is not None]
            room -= len(found[field])
            if room < 0:
                fix = (
                    "must not look at so many different values with `~`: narrow it by `like`, or search one experiment"
                )
                most = limits.PATTERN_VALUES
                raise InvalidArgument("filter", "~", fix, limit="max_pattern_values", expected=most)
        return found[field]

    return _resolved(condition, values_of)


def _resolved(condition: Condition, values_of: Callable[[Field], Iterable[str]]) -> Condition:
    match condition:
        case Not(part):
            return replace(condition, part=_resolved(part, values_of))
        case Several(_, parts):
            return replace(condition, parts=tuple(_resolved(part, values_of) for part in parts))
        case Comparison(field, "matches", (pattern,)):
            search = compiled(str(pattern)).search
            matching = tuple(value for value in values_of(field) if search(value) is not None)
            return replace(condition, operator="among", values=matching)
    return condition


def _values(field: Field, project_uid: str, scope: ColumnElement[bool], *, is_whole: bool) -> Select[tuple[str]]:
    match field:
        case Attribute(path):
            mine = (attribute.c.project_uid == project_uid, attribute.c.path == path, attribute.c.text.is_not(None))
            if is_whole:  # an index has them
                return select(attribute.c.text).where(*mine)
            return select(attribute.c.text).join(model, model.c.id == attribute.c.model_id).where(*mine, scope)
        case Column("tags"):
            return select(model_tag.c.tag).join(model, model.c.id == model_tag.c.model_id).where(scope)
        case Column(name):
            return select(COLUMNS[name]).where(scope)
    raise AssertionError(field)
