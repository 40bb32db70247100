"""What came out when hits were computed again: reports of clients, counted for 90 days."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, func, select

from xpstore_server.core import cache, limits, project
from xpstore_server.core.errors import AlreadyExists
from xpstore_server.store import tables
from xpstore_server.store.transaction import Transaction

verification = tables.cache_verification


@dataclass(frozen=True, slots=True)
class Report:
    """What came out, under the client-made id of having tried."""

    id: str
    project_uid: str
    outcome: str


def report(tx: Transaction, one: Report) -> None:
    """Notes a report; one that is there stays as it is.

    Raises:
        AlreadyExists: that says something else.
    """
    project.get(tx, project_uid=one.project_uid)
    said = {"project_uid": one.project_uid, "outcome": one.outcome}
    if tx.insert_ignore(verification, {"id": one.id, **said, "at_us": tx.now_us()}):
        return
    there = tx.execute(select(verification).where(verification.c.id == one.id)).first()
    if there is not None and any(there._mapping[name] != value for name, value in said.items()):
        raise AlreadyExists("verification", "id", one.id, "Make a new random id.")


def counts(tx: Transaction, project_uid: str) -> Sequence[Row[Any]]:
    """How often each outcome was reported of a project."""
    since = tx.now_us() - limits.VERIFICATION_KEPT_US
    query = (
        select(verification.c.outcome, func.count().label("times"))
        .where(verification.c.project_uid == project_uid, verification.c.at_us > since)
        .group_by(verification.c.outcome)
    )
    return tx.execute(query).all()


def forget(tx: Transaction, now_us: int) -> int:
    """Removes some reports that count no more."""
    old = verification.c.at_us <= now_us - limits.VERIFICATION_KEPT_US
    some = select(verification.c.id).where(old).limit(cache.BATCH)
    return tx.execute(delete(verification).where(verification.c.id.in_(some))).rowcount
