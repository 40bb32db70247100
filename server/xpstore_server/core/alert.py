"""Alerts: what somebody should look at. Clients send them, and the server makes some by itself.

Whoever adds one holds the row of its model: no more are kept than may be. Those of the server have ids that say what
they are about, so that what is seen twice, or by two replicas, is one alert.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, func, select

from xpstore_server.core import limits, model, project
from xpstore_server.core.errors import Conflict, ResourceExhausted
from xpstore_server.core.paging import Key, Page, fetch, first
from xpstore_server.store.batches import batches
from xpstore_server.store.tables import alert
from xpstore_server.store.transaction import Transaction

_BY_ID = select(alert).where(alert.c.id == bindparam("key"))
_BY_IDS = select(alert.c.id).where(alert.c.id.in_(bindparam("keys", expanding=True)))
_some = select(alert.c.cause).where(alert.c.model_id == bindparam("parent")).limit(first(limits.ALERTS)).subquery()
_COUNT = select(_some.c.cause, func.count()).group_by(_some.c.cause)
_SAID = ("model_id", "level", "title", "text", "step")
_ORDER = (alert.c.created_at_us, alert.c.id)
_BREAKS = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class NewAlert:
    """What is said of an alert that is new.

    Attributes:
        level: info, warning or error.
        cause: client, metric_nan, run_failed or run_lost.
        at_us: when it happened; None: now.
    """

    id: str
    level: str
    cause: str
    title: str
    text: str = ""
    step: int | None = None
    run_id: str | None = None
    at_us: int | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose alerts are listed: those of a model or, without one, of a project."""

    model_id: str | None = None
    project_uid: str | None = None


def record(tx: Transaction, *, model_id: str, new: NewAlert) -> None:
    """Stores what a client sends, unless it has this id already.

    Raises:
        Conflict: another alert has its id.
        ResourceExhausted: the model has as many as may be.
    """
    owner = model.lock(tx, model_id)
    made = tx.execute(_BY_ID, {"key": new.id}).first()
    if made is not None:
        said = {"model_id": model_id, **{name: getattr(new, name) for name in _SAID[1:]}}
        if any(made._mapping[name] != value for name, value in said.items()):
            raise Conflict(f"There is another alert with alert_id {new.id}. Make a new random id.")
    elif not _insert(tx, owner.id, owner.project_uid, [new], limits.ALERTS):
        raise ResourceExhausted(f"The model has {limits.ALERTS} alerts, the most that are kept.", limit="max_alerts")


def add(
    tx: Transaction, model_id: str, project_uid: str, new: Sequence[NewAlert], most_of_cause: int = limits.ALERTS
) -> int:
    """Stores those alerts that are not there, as far as there is room. Returns how many that were.

    Args:
        most_of_cause: how many alerts of the cause of these the model may have.
    """
    there = set[str]()
    for some in batches(new, limits.IDS):
        there.update(tx.execute(_BY_IDS, {"keys": [each.id for each in some]}).scalars())
    new = [each for each in new if each.id not in there]
    return _insert(tx, model_id, project_uid, new, most_of_cause) if new else 0


def _insert(tx: Transaction, model_id: str, project_uid: str, new: Sequence[NewAlert], most_of_cause: int) -> int:
    counts: dict[str, int] = {cause: count for cause, count in tx.execute(_COUNT, {"parent": model_id})}
    room = min(limits.ALERTS - sum(counts.values()), most_of_cause - counts.get(new[0].cause, 0))
    now, whose = tx.now_us(), {"model_id": model_id, "project_uid": project_uid}
    rows = [_row(each, now + place, whose) for place, each in enumerate(new[: max(room, 0)])]
    return tx.insert_ignore(alert, *rows)


def _row(new: NewAlert, created_at_us: int, whose: dict[str, str]) -> dict[str, Any]:
    said = {name: getattr(new, name) for name in ("id", "level", "cause", "title", "text", "step", "run_id")}
    at_us = created_at_us if new.at_us is None else new.at_us
    return {**said, **whose, "at_us": at_us, "created_at_us": created_at_us}


def id_of(subject: str, cause: str, *names: str) -> str:
    """The id of an alert of the server: by the id of the model or run that it is about, and what of that."""
    return str(uuid.uuid5(uuid.UUID(subject), "\n".join((cause, *names))))  # names have no line ends


def one_line(text: str) -> str:
    """A text as a title may be."""
    line = _BREAKS.sub(" ", text).strip()
    return line if len(line) <= limits.NAME_LENGTH else f"{line[: limits.NAME_LENGTH - 3]}..."


def list_page(tx: Transaction, scope: Scope, page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of alerts by when they were stored; none of a model that is gone."""
    if scope.model_id is not None:
        model.ensure_live(tx, scope.model_id)
        mine = alert.c.model_id == scope.model_id
    else:
        mine = alert.c.project_uid == project.get(tx, project_uid=scope.project_uid).uid
    return fetch(tx, select(alert).where(mine, model.is_live(alert.c.model_id)), _ORDER, page)
