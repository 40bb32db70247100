"""Iterations: discrete steps of a model, at most one of each."""

from typing import Any

from sqlalchemy import Row, bindparam, select

from xpstore_server.core import experiment, model
from xpstore_server.core.errors import AlreadyExists, NotFound
from xpstore_server.core.paging import Key, Page, fetch
from xpstore_server.store import tables
from xpstore_server.store.tables import iteration
from xpstore_server.store.transaction import Transaction

# With each go its modules.
BATCH = 200
_LIVE = select(iteration, tables.model.c.project_uid).join(tables.model, tables.model.c.id == iteration.c.model_id)
_LIVE = _LIVE.where(experiment.is_live(tables.model.c.experiment_id))
_BY_ID = _LIVE.where(iteration.c.id == bindparam("key"))
_BY_ANY_ID = select(iteration).where(iteration.c.id == bindparam("key"))
_HOLD = _BY_ANY_ID.with_for_update(read=True, key_share=True)
_BY_STEP = _LIVE.where(iteration.c.model_id == bindparam("parent"), iteration.c.step == bindparam("key"))


def create(tx: Transaction, *, model_id: str, iteration_id: str, step: int) -> tuple[Row[Any], bool]:
    """Makes the iteration of a step or opens the one that is there. Returns it and whether this creation made it."""
    model.hold(tx, model_id)
    row = {"id": iteration_id, "model_id": model_id, "step": step, "created_at_us": tx.now_us()}
    if not tx.insert_ignore(iteration, row):
        taken = tx.execute(_BY_ANY_ID, {"key": iteration_id}).first()
        if taken is not None and (taken.model_id, taken.step) != (model_id, step):
            raise AlreadyExists("iteration", "iteration_id", iteration_id, "Make a new random id.")
    found = tx.execute(_BY_STEP, {"parent": model_id, "key": step}).first()
    if found is None:
        raise AlreadyExists("iteration", "iteration_id", iteration_id, "Make a new random id.")
    return found, found.id == iteration_id


def get(tx: Transaction, iteration_id: str) -> Row[Any]:
    """Returns an iteration of a live project."""
    row = tx.first(_BY_ID, {"key": iteration_id})
    if row is None:
        raise NotFound("iteration", iteration_id)
    return row


def is_there(tx: Transaction, iteration_id: str) -> bool:
    """Whether there is such an iteration, in a live project."""
    return tx.first(_BY_ID, {"key": iteration_id}) is not None


def hold(tx: Transaction, iteration_id: str) -> Row[Any]:
    """Returns an iteration of a live project, and keeps it from being deleted until the end of the transaction."""
    model.hold(tx, get(tx, iteration_id).model_id)  # first, as a delete goes from the model down
    row = tx.execute(_HOLD, {"key": iteration_id}).first()
    if row is None:
        raise NotFound("iteration", iteration_id)
    return row


def get_by_step(tx: Transaction, *, model_id: str, step: int) -> Row[Any]:
    """Returns an iteration of a live project by its step."""
    row = tx.first(_BY_STEP, {"parent": model_id, "key": step})
    if row is None:
        raise NotFound("iteration", step)
    return row


def list_page(tx: Transaction, model_id: str, page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the iterations of a model, oldest first."""
    model.ensure_live(tx, model_id)
    below = select(iteration).where(iteration.c.model_id == model_id)
    return fetch(tx, below, [iteration.c.created_at_us, iteration.c.id], page)


def delete(tx: Transaction, iteration_id: str) -> bool:
    """Deletes an iteration with its modules. Returns whether this call did it."""
    if not is_there(tx, iteration_id):
        return False
    live = model.is_live(iteration.c.model_id)
    return tx.execute(iteration.delete().where(iteration.c.id == iteration_id, live)).rowcount == 1


def clear_some(tx: Transaction, model_id: str, after: int = -1) -> int:
    """Deletes some of the iterations after a step. Returns how many: 0 if all are gone."""
    if not model.is_there(tx, model_id):
        return 0
    mine = (iteration.c.model_id == model_id, iteration.c.step > after, model.is_live(iteration.c.model_id))
    some = select(iteration.c.id).where(*mine).order_by(iteration.c.step.desc()).limit(BATCH)
    return tx.execute(iteration.delete().where(iteration.c.id.in_(some))).rowcount
