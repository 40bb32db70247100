"""Runs: attempts at training a model."""

from typing import Any

from sqlalchemy import Row, bindparam, select

from xpstore_server.core import model
from xpstore_server.core.errors import AlreadyExists, NotFound
from xpstore_server.core.paging import Key, Page, fetch
from xpstore_server.core.status import SHOWN
from xpstore_server.store.database import Transaction
from xpstore_server.store.tables import run

_LIVE = select(run, SHOWN.label("status")).where(model.is_live(run.c.model_id))
_BY_ID = _LIVE.where(run.c.id == bindparam("key"))
_CHANGE = run.update().where(run.c.id == bindparam("key"), run.c.ended_status.is_(None), model.is_live(run.c.model_id))


def create(tx: Transaction, *, model_id: str, run_id: str, environment: dict[str, Any]) -> Row[Any]:
    """Starts a run, or returns the one of this id."""
    model.hold(tx, model_id)
    now = tx.now_us()
    row = {"id": run_id, "model_id": model_id, "started_at_us": now, "heartbeat_at_us": now, "error": ""}
    tx.insert_ignore(run, {**row, **environment})
    made = tx.execute(_BY_ID, {"key": run_id}).first()
    if made is None or made.model_id != model_id:
        raise AlreadyExists("run", "id", run_id, "Make a new random id.")
    return made


def get(tx: Transaction, run_id: str) -> Row[Any]:
    """Returns a run of a live project."""
    row = tx.execute(_BY_ID, {"key": run_id}).first()
    if row is None:
        raise NotFound("run", run_id)
    return row


def list_page(tx: Transaction, model_id: str, page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the runs of a model, oldest first."""
    model.ensure_live(tx, model_id)
    return fetch(tx, _LIVE.where(run.c.model_id == model_id), [run.c.started_at_us, run.c.id], page)


def beat(tx: Transaction, run_id: str) -> Row[Any]:
    """Notes that a run is alive, unless it has ended."""
    tx.execute(_CHANGE, {"key": run_id, "heartbeat_at_us": tx.now_us()})
    return get(tx, run_id)


def finish(tx: Transaction, run_id: str, ended_status: str, error: str) -> Row[Any]:
    """Ends a run, unless it has ended."""
    now = tx.now_us()
    end = {"ended_status": ended_status, "ended_at_us": now, "heartbeat_at_us": now, "error": error}
    tx.execute(_CHANGE, {"key": run_id, **end})
    return get(tx, run_id)
