"""Runs that were lost: nothing was heard of them for some minutes, and each of them gets an alert."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from sqlalchemy import Row, bindparam, select, tuple_

from xpstore_server.core import alert, limits, model, run
from xpstore_server.core.alert import NewAlert
from xpstore_server.core.errors import NotFound
from xpstore_server.core.paging import first
from xpstore_server.store import limbo, tables
from xpstore_server.store.clock import SECOND_US, steady_us
from xpstore_server.store.database import Database
from xpstore_server.store.ids import NIL
from xpstore_server.store.transaction import Transaction

CAUSE = "run_lost"
# Looked at in one turn; the rest in the next one.
BATCH = 500
# After a longer pause between turns a run may not have been able to say that it is alive: the database was away, the
# server was not there, or the machine slept.
PAUSE_US = 180 * SECOND_US
# How far before the last turn of any server the first one of a new server begins: what is found twice is one alert.
MARGIN_US = 3_600 * SECOND_US

_order = (tables.run.c.heartbeat_at_us, tables.run.c.id)
_SILENT = (
    select(*_order)
    .where(tables.run.c.ended_status.is_(None), tables.run.c.heartbeat_at_us < bindparam("before_us"))
    .where(tuple_(*_order) > tuple_(bindparam("after_us"), bindparam("after_id", type_=tables.UUID)))
    .order_by(*_order)
    .limit(first(BATCH))
)


class LostRuns:
    """Looks for runs that were lost since it looked before. Each replica may have one.

    It believes that a run is lost only after servers could have heard of it for as long as that takes.
    """

    def __init__(self, database: Database, steady: Callable[[], int] = steady_us) -> None:
        self._database = database
        self._steady = steady
        self._heard_since_us = self._looked_us = 0  # on the steady clock
        self._after: tuple[int, str] | None = None

    def look(self, is_stopped: Callable[[], bool] = lambda: False) -> int:
        """Makes an alert of each run that was lost. Returns how many are new."""
        if self._after is None:
            self._after = self._database.read(_start), NIL
            self._looked_us = -PAUSE_US - 1
        now_us = self._steady()
        if now_us - self._looked_us > PAUSE_US:
            self._heard_since_us = now_us
        count = 0
        rows = self._database.read(partial(_silent, after=self._after))
        if now_us - self._heard_since_us > limits.RUN_LOST_AFTER_US:
            for row in rows:
                if is_stopped():
                    return count
                count += self._database.write(partial(_tell, run_id=row.id))
                self._after = row.heartbeat_at_us, row.id
        self._looked_us = now_us
        return count


def _start(tx: Transaction) -> int:
    """From when on runs are looked at: what was silent before had its alert, or ended before there were any."""
    return (limbo.seen_us(tx) or tx.now_us()) - limits.RUN_LOST_AFTER_US - MARGIN_US


def _silent(tx: Transaction, after: tuple[int, str]) -> Sequence[Row[Any]]:
    before_us = tx.now_us() - limits.RUN_LOST_AFTER_US
    return tx.execute(_SILENT, {"before_us": before_us, "after_us": after[0], "after_id": after[1]}).all()


def _tell(tx: Transaction, run_id: str) -> int:
    try:
        row = run.get(tx, run_id)
        owner = model.lock(tx, row.model_id)
        row = run.get(tx, run_id)  # as it is now that its model is locked
    except NotFound:
        return 0
    if row.status != "lost":
        return 0
    where = f" on {row.host}" if row.host else ""
    heard = datetime.fromtimestamp(row.heartbeat_at_us // SECOND_US, UTC)
    title = alert.one_line(f"A run{where} is lost: it was last heard of at {heard:%Y-%m-%d %H:%M:%S} UTC")
    at_us = row.heartbeat_at_us + limits.RUN_LOST_AFTER_US
    new = NewAlert(alert.id_of(run_id, CAUSE), "error", CAUSE, title, run_id=run_id, at_us=at_us)
    return alert.add(tx, owner.id, owner.project_uid, [new])
