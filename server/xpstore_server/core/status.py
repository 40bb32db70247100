"""The state of a run as it is shown: what it ended with, else running, else lost."""

from typing import Any

from sqlalchemy import ColumnElement, case

from xpstore_server.core import limits
from xpstore_server.store.tables import run


def shown_at(now_us: int) -> ColumnElement[Any]:
    """finished, failed, lost or running; null where an outer join found no run."""
    lost = run.c.heartbeat_at_us < now_us - limits.RUN_LOST_AFTER_US
    return case(
        (run.c.ended_status.is_not(None), run.c.ended_status), (lost, "lost"), (run.c.id.is_not(None), "running")
    )
