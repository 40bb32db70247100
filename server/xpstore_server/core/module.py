"""Modules: named parts of a model, or of one of its iterations, with attributes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import CTE, ColumnElement, FromClause, Row, bindparam, select, true

from xpstore_server.core import attribute, experiment, iteration, model
from xpstore_server.core.errors import AlreadyExists
from xpstore_server.core.paging import Key, Page, fetch, first
from xpstore_server.store import tables
from xpstore_server.store.batches import batches
from xpstore_server.store.tables import module
from xpstore_server.store.transaction import Transaction

_BY_ID = select(module).where(module.c.id == bindparam("key"))
_LIVE_BY_ID = _BY_ID.where(model.is_live(module.c.model_id))
_BY_IDS = select(module).where(module.c.id.in_(bindparam("keys", expanding=True)))
_OF_NAME = select(module).where(
    module.c.model_id == bindparam("parent"), module.c.iteration_id.is_(None), module.c.name == bindparam("name")
)
_NEWEST = _OF_NAME.order_by(module.c.created_at_us.desc(), module.c.id.desc()).limit(1)
_SAID = ("model_id", "iteration_id", "name", "attributes_json")
BATCH = 1_000
CLEARED = 200  # at once: each may have a megabyte


@dataclass(frozen=True, slots=True)
class Owner:
    """What modules belong to: a model or, if set, an iteration."""

    model_id: str = ""
    iteration_id: str | None = None

    def rows(self) -> tuple[ColumnElement[bool], ...]:
        if self.iteration_id is not None:
            return (module.c.iteration_id == self.iteration_id,)
        return module.c.model_id == self.model_id, module.c.iteration_id.is_(None)


@dataclass(frozen=True, slots=True)
class NewModule:
    """What a client says about a module it records."""

    id: str
    name: str
    attributes_json: str


def create(tx: Transaction, owner: Owner, new: NewModule) -> Row[Any]:
    """Records a module, or returns the one of this id."""
    project_uid = ""  # of modules of iterations search knows nothing
    if owner.iteration_id is not None:
        owner = Owner(iteration.hold(tx, owner.iteration_id).model_id, owner.iteration_id)
    else:  # one after the other: which module of a name is the newest
        project_uid = model.lock(tx, owner.model_id).project_uid
    for refused in _insert(tx, project_uid, [(owner, new)]):
        raise is_taken(refused.id)
    return tx.execute(_BY_ID, {"key": new.id}).one()


def create_all(tx: Transaction, project_uid: str, new: Sequence[tuple[str, NewModule]]) -> list[tuple[str, str]]:
    """Records modules of models of a project, in this order. The caller holds the locks of these models.

    Returns models and ids of those that are not: their ids are of others.
    """
    refused = list[tuple[str, str]]()
    for some in batches(new, BATCH):
        rows = _insert(tx, project_uid, [(Owner(model_id), each) for model_id, each in some])
        refused += [(row.model_id, row.id) for row in rows]
    return refused


def create_first(tx: Transaction, new: Sequence[tuple[str, NewModule]], now_us: int) -> bool:
    """Records modules of models that were made in this transaction. Returns whether all their ids were free.

    Search is not told of them: who makes many models tells it of all at once.
    """
    return _insert_rows(tx, _rows([(Owner(model_id), one) for model_id, one in new], now_us)) == len(new)


def is_taken(module_id: str) -> AlreadyExists:
    """What is said of a new module whose id another one has."""
    return AlreadyExists("module", "module_id", module_id, "Make a new random id.")


def there(tx: Transaction, ids: Sequence[str]) -> dict[str, str]:
    """The models of those of these modules that are there, by their ids."""
    return {row.id: row.model_id for row in tx.execute(_BY_IDS, {"keys": ids})}


class _Row(NamedTuple):
    """The columns of the table, in their order."""

    id: str
    model_id: str
    iteration_id: str | None
    name: str
    attributes_json: str
    created_at_us: int


def _rows(new: Sequence[tuple[Owner, NewModule]], now_us: int) -> list[_Row]:
    return [
        _Row(one.id, owner.model_id, owner.iteration_id, one.name, one.attributes_json, now_us + place)
        for place, (owner, one) in enumerate(new)
    ]


def _insert_rows(tx: Transaction, rows: Sequence[_Row]) -> int:
    """Inserts those whose ids are free. Returns how many that were."""
    key = tx.as_key
    return tx.insert_many(module, [(key(id_), key(of), on and key(on), *more) for id_, of, on, *more in rows])


def _insert(tx: Transaction, project_uid: str, new: Sequence[tuple[Owner, NewModule]]) -> list[_Row]:
    """Records modules, and lets search see the newest. Returns those whose ids are of others."""
    rows, refused = _rows(new, tx.now_us()), list[_Row]()
    if _insert_rows(tx, rows) < len(rows):
        rows, refused = _made(tx, rows)
    _show_newest(tx, project_uid, [row for row in rows if row.iteration_id is None])
    return refused


def _made(tx: Transaction, rows: list[_Row]) -> tuple[list[_Row], list[_Row]]:
    """Those of the rows that were inserted, and not there before; and those whose ids are of others."""
    there = {row.id: row for row in tx.execute(_BY_IDS, {"keys": [row.id for row in rows]})}
    made, refused = list[_Row](), list[_Row]()
    for row in rows:
        found = there.get(row.id)
        if found is None or any(found._mapping[name] != getattr(row, name) for name in _SAID):
            refused.append(row)
        elif found.created_at_us == row.created_at_us:
            made.append(row)
    return made, refused


def _show_newest(tx: Transaction, project_uid: str, rows: list[_Row]) -> None:
    """Lets search see the newest module of each model and name and no other."""
    newest = {(row.model_id, row.name): row for row in rows}
    if newest:
        attribute.forget_modules(tx, list(newest))
        each = (attribute.of_module(row.model_id, row.id, row.name, row.attributes_json) for row in newest.values())
        attribute.show(tx, project_uid, chain.from_iterable(each))


def list_page(tx: Transaction, owner: Owner, page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the modules of an owner, oldest first."""
    if owner.iteration_id is not None:
        iteration.get(tx, owner.iteration_id)
    else:
        model.ensure_live(tx, owner.model_id)
    return fetch(tx, select(module).where(*owner.rows()), [module.c.created_at_us, module.c.id], page)


def list_newest(tx: Transaction, model_ids: list[str], page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the newest module of each name of each model, oldest first. Models that are gone have none."""
    names = _names(model_ids)
    other = module.alias()
    same = (other.c.model_id == names.c.model_id, other.c.iteration_id.is_(None), other.c.name == names.c.name)
    newest = select(other).where(*same).order_by(other.c.created_at_us.desc(), other.c.id.desc()).limit(first(1))
    rows: FromClause = module
    if tx.is_sqlite:  # which has no lateral joins
        is_newest = module.c.id == newest.with_only_columns(other.c.id).correlate(names).scalar_subquery()
        query = select(module, names.c.project_uid).select_from(module).join(names, is_newest)
    else:  # for which a join of another kind reads all modules there are
        rows = newest.correlate(names).lateral()
        query = select(rows, names.c.project_uid).select_from(names).join(rows, true())
        query = query.where(names.c.name.is_not(None))
    found, key = fetch(tx, query, [rows.c.created_at_us, rows.c.id], page)
    return [row for row in found if tx.admits(row.project_uid)], key


def _names(model_ids: list[str]) -> CTE:
    """The names of the modules of each model, from one to the next: there may be thousands of modules of one name."""
    of = tables.model
    start = select(of.c.id.label("model_id"), of.c.project_uid, _next_name(of, of.c.id).label("name"))
    start = start.where(of.c.id.in_(model_ids), experiment.is_live(of.c.experiment_id))
    each = start.cte("names", recursive=True)
    further = select(each.c.model_id, each.c.project_uid, _next_name(each, each.c.model_id, each.c.name))
    return each.union_all(further.where(each.c.name.is_not(None)))


def _next_name(
    of: FromClause, model_id: ColumnElement[str], after: ColumnElement[str] | None = None
) -> ColumnElement[str]:
    """The first name of the modules of a model that comes after another."""
    other = module.alias()
    query = select(other.c.name).where(other.c.model_id == model_id, other.c.iteration_id.is_(None))
    if after is not None:
        query = query.where(other.c.name > after)
    return query.order_by(other.c.name).limit(first(1)).correlate(of).scalar_subquery()


def delete(tx: Transaction, module_id: str) -> bool:
    """Deletes a module. Returns whether this call did it."""
    found = tx.execute(_LIVE_BY_ID, {"key": module_id}).first()
    if found is None or (owner := model.lock_if_there(tx, found.model_id)) is None:
        return False
    is_gone = tx.execute(module.delete().where(module.c.id == module_id)).rowcount == 1
    if is_gone and found.iteration_id is None:
        newest = tx.execute(_NEWEST, {"parent": found.model_id, "name": found.name})
        _show_newest(tx, owner.project_uid, [_Row._make(row) for row in newest])
    return is_gone


def clear_some(tx: Transaction, owner: Owner) -> int:
    """Deletes some modules of an owner, oldest first: search knows the newest. Returns how many: 0 if all are gone."""
    if owner.iteration_id is not None:
        is_there = iteration.is_there(tx, owner.iteration_id)
    else:
        is_there = model.lock_if_there(tx, owner.model_id) is not None
    if not is_there:
        return 0
    mine = select(module.c.id).where(*owner.rows(), model.is_live(module.c.model_id))
    some = mine.order_by(module.c.created_at_us, module.c.id).limit(CLEARED)
    return tx.execute(module.delete().where(module.c.id.in_(some))).rowcount
