"""Why a call would hit or miss the cache, and how it differs from the most similar call that is known."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row

from xpstore_server.core import cache, lease, limits
from xpstore_server.core.cache import EntryKey, Found
from xpstore_server.core.lease import Sightings
from xpstore_server.core.process import Difference, Process, common, differences, from_json
from xpstore_server.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Explanation:
    """A state of `cache.state` or "running", and for a miss what is nearest."""

    state: str
    entry: Found | None = None
    lease: Row[Any] | None = None
    nearest: Found | None = None
    differences: list[Difference] = field(default_factory=list)


def explain(tx: Transaction, key: EntryKey, process: Process, max_age_us: int | None, leases: Sightings) -> Explanation:
    """Says what would become of a call."""
    row = cache.look(tx, key)
    state = cache.state(row, max_age_us)
    entry = None if state == "absent" else next(cache.described(tx, [row]))
    if state == "hit":
        return Explanation(state, entry)
    running = lease.running(tx, key, leases)
    nearest, different = _nearest(tx, key, process)
    return Explanation("running" if running is not None else state, entry, running, nearest, different)


def _nearest(tx: Transaction, key: EntryKey, process: Process) -> tuple[Found | None, list[Difference]]:
    rows = cache.newest(tx, key, process.name, limits.NEAREST)
    known = [(row.fingerprint, from_json(row.process_json)) for row in rows]
    if not known:
        return None, []
    fingerprint, other = max(known, key=lambda one: common(process, one[1]))
    found = cache.live(tx, [EntryKey(key.project_uid, fingerprint)])
    return (found[0], differences(process, other)) if found else (None, [])
