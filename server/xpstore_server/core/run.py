"""Runs: attempts at training a model."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, literal, select

from xpstore_server.core import alert, experiment, limits, model
from xpstore_server.core.alert import NewAlert
from xpstore_server.core.errors import AlreadyExists, InvalidArgument, NotFound
from xpstore_server.core.paging import Key, Page, fetch
from xpstore_server.core.run_status import SHOWN
from xpstore_server.store import tables
from xpstore_server.store.tables import run
from xpstore_server.store.transaction import Transaction

# A list goes without patches.
_listed = [column for column in run.c if column is not run.c.git_diff]
_LIVE = select(*_listed, literal("").label("git_diff"), SHOWN.label("status")).where(model.is_live(run.c.model_id))
_owner = tables.model
_BY_ID = (
    select(run, SHOWN.label("status"), _owner.c.project_uid)
    .join(_owner, _owner.c.id == run.c.model_id)
    .where(run.c.id == bindparam("key"), experiment.is_live(_owner.c.experiment_id))
)
_CHANGE = run.update().where(run.c.id == bindparam("key"), run.c.ended_status.is_(None), model.is_live(run.c.model_id))


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended, and when by the clock of its machine; None for now."""

    status: str
    error: str
    at_us: int | None = None


def create(
    tx: Transaction, *, model_id: str, run_id: str, environment: dict[str, Any], started_at_us: int | None = None
) -> Row[Any]:
    """Starts a run, or returns the one of this id.

    Args:
        started_at_us: when it started, by the clock of its machine; None for now.
    """
    model.hold(tx, model_id)
    now = tx.now_us()
    started = _told_or_now("started_at_us", started_at_us, now)
    said = {"model_id": model_id, **environment}
    times = {"started_at_us": started, "heartbeat_at_us": now}
    is_new = tx.insert_ignore(run, {"id": run_id, "error": "", **said, **times})
    made = tx.execute(_BY_ID, {"key": run_id}).first()
    if started_at_us is not None:
        said["started_at_us"] = started_at_us
    is_same = is_new or (made is not None and all(made._mapping[name] == value for name, value in said.items()))
    if made is None or not is_same:
        raise AlreadyExists("run", "run_id", run_id, "Make a new random id.")
    return made


def get(tx: Transaction, run_id: str) -> Row[Any]:
    """Returns a run of a live project."""
    row = tx.first(_BY_ID, {"key": run_id})
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


def finish(tx: Transaction, run_id: str, end: End) -> Row[Any]:
    """Ends a run, unless it has ended."""
    row, now = get(tx, run_id), tx.now_us()
    if row.ended_status is not None:
        return row
    ended = _told_or_now("ended_at_us", end.at_us, now)
    if end.at_us is not None and ended < row.started_at_us:
        raise InvalidArgument("ended_at_us", ended, f"must not be before the run's start, {row.started_at_us}")
    change = {"ended_status": end.status, "ended_at_us": ended, "heartbeat_at_us": now, "error": end.error}
    owner = model.lock(tx, row.model_id) if end.status == "failed" else None
    if tx.execute(_CHANGE, {"key": run_id, **change}).rowcount and owner is not None:
        alert.add(tx, owner.id, owner.project_uid, [_failure(run_id, end.error, ended)])
    return get(tx, run_id)


def _failure(run_id: str, error: str, at_us: int) -> NewAlert:
    lines = [line for line in error.splitlines() if line.strip()]
    title = alert.one_line(lines[-1] if lines else "A run failed, and said no error")
    id_ = alert.id_of(run_id, "run_failed")
    return NewAlert(id_, "error", "run_failed", title, "" if error == title else error, run_id=run_id, at_us=at_us)


def _told_or_now(field: str, told_us: int | None, now_us: int) -> int:
    if told_us is None:
        return now_us
    if told_us > now_us + limits.CLOCK_AHEAD_US:
        raise InvalidArgument(field, told_us, f"must not be more than a day after now, {now_us}: set the clock")
    return told_us
