"""The state of a run as it is shown: what it ended with, else running, else lost."""

from typing import Any

from sqlalchemy import Case, ColumnElement, case

from xpstore_server.core import limits
from xpstore_server.store.clock import NowUs
from xpstore_server.store.tables import run


def shown_at(at_us: ColumnElement[Any]) -> Case[Any]:
    """The state as it was at a time: finished, failed, lost or running; null where an outer join found no run."""
    is_lost = run.c.heartbeat_at_us < at_us - limits.RUN_LOST_AFTER_US
    ended = (run.c.ended_status.is_not(None), run.c.ended_status)
    return case(ended, (is_lost, "lost"), (run.c.id.is_not(None), "running"))


SHOWN = shown_at(NowUs())
