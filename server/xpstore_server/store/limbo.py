"""Limbo: where experiments and models are until their rows are purged, a few at a time.

It is a project that nobody sees, with one experiment. A delete moves one row there: it is gone for every caller at once
and its name is free, however much hangs on it. Its `updated_at_us` says how late it was when a server looked last.
"""

import logging

from sqlalchemy import select, update

from xpstore_server.store.clock import SECOND_US
from xpstore_server.store.database import Database
from xpstore_server.store.ids import NIL
from xpstore_server.store.tables import experiment, project
from xpstore_server.store.transaction import Transaction

log = logging.getLogger("xpstore")

LIMBO = NIL  # its uid, and the id of its experiment
_SEEN = select(project.c.updated_at_us).where(project.c.uid == LIMBO)


def make(tx: Transaction) -> None:
    """Makes sure that it is there."""
    if tx.execute(_SEEN).first() is not None:
        return
    times = {"created_at_us": 0, "created_by": "", "updated_at_us": 0, "updated_by": "", "revision": 1}
    hidden = {"deleted_at_us": 0, "purged_at_us": 0}
    row = {"uid": LIMBO, "id": "", "name": "", "description": "", "creation_id": LIMBO, **hidden, **times}
    tx.insert_ignore(project, row)
    tx.insert_ignore(experiment, {"id": LIMBO, "project_uid": LIMBO, "name": LIMBO, **times})


def see(tx: Transaction, now_us: int) -> None:
    """Notes how late it is."""
    make(tx)
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
