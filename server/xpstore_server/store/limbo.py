"""Limbo: where experiments and models are from their deletion on, until their rows are purged, a few at a time.

It is two projects that nobody sees, each with one experiment; migration 0013 makes them. A delete moves one row to
`KEPT` and notes where it was (`deleted_experiment`, `deleted_model`): it is gone for every caller at once and its name
is free, however much hangs on it. That note decides: who takes it moves the row, an undelete back to where it was, a
purge to `LIMBO`, from where nothing returns. `updated_at_us` of LIMBO says how late it was when a server looked last.
"""

import logging

from sqlalchemy import select, update

from xpstore_server.store.clock import SECOND_US
from xpstore_server.store.database import Database
from xpstore_server.store.ids import MAX, NIL
from xpstore_server.store.tables import experiment, project
from xpstore_server.store.transaction import Transaction

log = logging.getLogger("xpstore")

# Their uids, and the ids of their experiments.
LIMBO, KEPT = NIL, MAX
HIDDEN = (LIMBO, KEPT)
# Those of experiments whose models nobody sees.
HIDDEN_EXPERIMENTS = select(experiment.c.id).where(experiment.c.project_uid.in_(HIDDEN))
_SEEN = select(project.c.updated_at_us).where(project.c.uid == LIMBO)


def see(tx: Transaction, now_us: int) -> None:
    """Notes how late it is."""
    tx.execute(update(project).where(project.c.uid == LIMBO).values(updated_at_us=now_us))


def seen_us(tx: Transaction) -> int | None:
    """How late it was when a server looked last at a clock that it believed; None if none did."""
    return tx.execute(_SEEN).scalar() or None


def resume(database: Database) -> None:
    """Lets the clock of this process go on from where servers have seen it: rows stay in order over a restart."""

    def unit(tx: Transaction) -> int:
        seen = seen_us(tx) or 0
        ahead = seen - tx.now_us()
        if ahead > 0:
            tx.clock.not_before(seen)
        return ahead

    ahead_us = database.read(unit)
    if ahead_us > 60 * SECOND_US:
        behind = f"{ahead_us // SECOND_US:,} s behind what it was when a server looked last"
        log.warning("the database's clock is %s: new rows are stamped from there on, until it has caught up", behind)
