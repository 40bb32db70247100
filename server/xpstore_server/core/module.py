"""Modules: named parts of a model, or of one of its iterations, with attributes."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, select

from xpstore_server.core import iteration, model
from xpstore_server.core.errors import AlreadyExists
from xpstore_server.core.paging import Key, Page, fetch
from xpstore_server.store.database import Transaction
from xpstore_server.store.tables import module

_BY_ID = select(module).where(module.c.id == bindparam("key"))


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
    model.hold(tx, owner.model_id)
    return owner


def create(tx: Transaction, owner: Owner, *, module_id: str, name: str, attributes_json: str) -> Row[Any]:
    """Records a module, or returns the one of this id."""
    owner = _hold(tx, owner)
    parents = {"model_id": owner.model_id, "iteration_id": owner.iteration_id}
    values = {"name": name, "attributes_json": attributes_json, "created_at_us": tx.now_us()}
    tx.insert_ignore(module, {"id": module_id, **parents, **values})
    made = tx.execute(_BY_ID, {"key": module_id}).first()
    if made is None or Owner(made.model_id, made.iteration_id) != owner:
        raise AlreadyExists("module", "id", module_id, "Make a new random id.")
    return made


def list_page(tx: Transaction, owner: Owner, page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the modules of an owner, oldest first."""
    if owner.iteration_id is not None:
        iteration.get(tx, owner.iteration_id)
    else:
        model.ensure_live(tx, owner.model_id)
    return fetch(tx, select(module).where(*owner.rows()), [module.c.created_at_us, module.c.id], page)


def delete(tx: Transaction, module_id: str) -> bool:
    """Deletes a module. Returns whether this call did it."""
    live = model.is_live(module.c.model_id)
    return tx.execute(module.delete().where(module.c.id == module_id, live)).rowcount == 1


def clear(tx: Transaction, owner: Owner) -> int:
    """Deletes all modules of an owner. Returns how many."""
    live = model.is_live(module.c.model_id)
    return tx.execute(module.delete().where(*owner.rows(), live)).rowcount
