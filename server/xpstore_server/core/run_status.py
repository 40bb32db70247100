"""The state of a run as it is shown: what it ended with, else running, else lost."""

from sqlalchemy import case

from xpstore_server.core import limits
from xpstore_server.store.clock import NowUs
from xpstore_server.store.tables import run

_is_lost = run.c.heartbeat_at_us < NowUs() - limits.RUN_LOST_AFTER_US

# finished, failed, lost or running; null where an outer join found no run.
SHOWN = case(
    (run.c.ended_status.is_not(None), run.c.ended_status), (_is_lost, "lost"), (run.c.id.is_not(None), "running")
)
