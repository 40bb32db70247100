"""One computation for many callers without a server: those of this process."""

import threading
import time
from dataclasses import dataclass

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Running:
    """Who computes a result now.

    Attributes:
        token: of the lease.
        holder: in words for people.
    """

    token: bytes
    holder: str


class LocalLeases:
    """The leases of this process: of a project and a fingerprint each."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: dict[Key, Running] = {}
        self.forced: set[bytes] = set()

    def take(self, key: Key, wanted: Running, *, is_forced: bool) -> Running | None:
        """Takes the lease of a result; returns who else has it, None if it is taken now."""
        with self._changed:
            held = self._running.setdefault(key, wanted)
            if is_forced and held.token == wanted.token:
                self.forced.add(wanted.token)
            return None if held.token == wanted.token else held

    def end(self, token: bytes) -> bool:
        """Ends a lease. Returns whether it was there."""
        with self._changed:
            keys = [key for key, held in self._running.items() if held.token == token]
            for key in keys:
                del self._running[key]
            self.forced.discard(token)
            self._changed.notify_all()
            return bool(keys)

    def wait(self, key: Key, seconds: float) -> Running | None:
        """Waits until nobody computes a result, for so long at most. Returns who still does."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while (held := self._running.get(key)) and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return held
