"""Modules: named parts of a model, or of one of its iterations, with attributes."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, select, tuple_

from xpstore_server.core import attribute, iteration, model
from xpstore_server.core.errors import AlreadyExists, NotFound
from xpstore_server.core.paging import Key, Page, fetch
from xpstore_server.store.database import Transaction
from xpstore_server.store.tables import module

_BY_ID = select(module).where(module.c.id == bindparam("key"))
_LIVE_BY_ID = _BY_ID.where(model.is_live(module.c.model_id))
_OF_NAME = select(module).where(
    module.c.model_id == bindparam("parent"), module.c.iteration_id.is_(None), module.c.name == bindparam("name")
)
_NEWEST = _OF_NAME.order_by(module.c.created_at_us.desc(), module.c.id.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class Owner:
    """What modules belong to: a model or, if set, an iteration."""

    model_id: str = ""
    iteration_id: str | None = None

    def rows(self) -> tuple[ColumnElement[bool], ...]:
        if self.iteration_id is not None:
            return (module.c.iteration_id == self.iteration_id,)
        return module.c.model_id == self.model_id, module.c.iteration_id.is_(None)


def _hold(tx: Transaction, owner: Owner) -> Owner:
    if owner.iteration_id is not None:
        return Owner(iteration.hold(tx, owner.iteration_id).model_id, owner.iteration_id)
    model.lock(tx, owner.model_id)  # one after the other: which module of a name is the newest
    return owner


def create(tx: Transaction, owner: Owner, *, module_id: str, name: str, attributes_json: str) -> Row[Any]:
    """Records a module, or returns the one of this id."""
    owner = _hold(tx, owner)
    parents = {"model_id": owner.model_id, "iteration_id": owner.iteration_id}
    values = {"name": name, "attributes_json": attributes_json, "created_at_us": tx.now_us()}
    is_new = tx.insert_ignore(module, {"id": module_id, **parents, **values}) == 1
    made = tx.execute(_BY_ID, {"key": module_id}).first()
    if made is None or Owner(made.model_id, made.iteration_id) != owner:
        raise AlreadyExists("module", "id", module_id, "Make a new random id.")
    if is_new and owner.iteration_id is None:
        _show_newest(tx, owner.model_id, name)
    return made


def _show_newest(tx: Transaction, model_id: str, name: str) -> None:
    """Lets search see the newest module of a name and no other."""
    named = {"parent": model_id, "name": name}
    attribute.forget_modules(tx, _OF_NAME.with_only_columns(module.c.id), named)
    newest = tx.execute(_NEWEST, named).first()
    if newest is not None:
        attribute.show_module(tx, newest)


def list_page(tx: Transaction, owner: Owner, page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the modules of an owner, oldest first."""
    if owner.iteration_id is not None:
        iteration.get(tx, owner.iteration_id)
    else:
        model.ensure_live(tx, owner.model_id)
    return fetch(tx, select(module).where(*owner.rows()), [module.c.created_at_us, module.c.id], page)


def list_newest(tx: Transaction, model_ids: list[str], page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the newest module of each name of each model, oldest first. Models that are gone have none."""
    mine = (module.c.model_id.in_(model_ids), module.c.iteration_id.is_(None), model.is_live(module.c.model_id))
    later = module.alias()
    same = (later.c.model_id == module.c.model_id, later.c.iteration_id.is_(None), later.c.name == module.c.name)
    is_later = tuple_(later.c.created_at_us, later.c.id) > tuple_(module.c.created_at_us, module.c.id)
    newest = select(module).where(*mine, ~select(later.c.id).where(*same, is_later).exists())
    return fetch(tx, newest, [module.c.created_at_us, module.c.id], page)


def delete(tx: Transaction, module_id: str) -> bool:
    """Deletes a module. Returns whether this call did it."""
    found = tx.execute(_LIVE_BY_ID, {"key": module_id}).first()
    if found is None or not _lock_if_there(tx, found.model_id):
        return False
    is_gone = tx.execute(module.delete().where(module.c.id == module_id)).rowcount == 1
    if is_gone and found.iteration_id is None:
        _show_newest(tx, found.model_id, found.name)
    return is_gone


def clear(tx: Transaction, owner: Owner) -> int:
    """Deletes all modules of an owner. Returns how many."""
    if owner.iteration_id is None and not _lock_if_there(tx, owner.model_id):
        return 0
    live = model.is_live(module.c.model_id)
    return tx.execute(module.delete().where(*owner.rows(), live)).rowcount


def _lock_if_there(tx: Transaction, model_id: str) -> bool:
    try:
        model.lock(tx, model_id)
    except NotFound:
        return False
    return True
