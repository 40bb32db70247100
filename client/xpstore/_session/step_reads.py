"""Whether what a thread assigns to the step of a model follows from what it read.

`model.step += 1` reads, then assigns: of two threads that do so at once one is lost. Within a process it is seen here.
"""

import threading
from collections import Counter


class StepReads:
    """Which threads read the step of a model, how often it was assigned since, and what it was last known to be."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._assigned: Counter[str] = Counter()
        self._told: set[str] = set()
        self._own = threading.local()
        self._known: dict[str, int] = {}

    def read(self, model_id: str) -> None:
        """This thread reads, now or in a moment; it is remembered until it reads that of another model."""
        self._own.last = model_id, self._assigned[model_id]

    def assign(self, model_id: str) -> bool:
        """This thread assigns. Returns whether another one did since this one read, once for each model."""
        last_id, count = getattr(self._own, "last", ("", 0))
        self._own.last = "", 0
        with self._lock:
            self._assigned[model_id] += 1
            if last_id != model_id or self._assigned[model_id] == count + 1 or model_id in self._told:
                return False
            self._told.add(model_id)
            return True

    def know(self, model_id: str, step: int) -> int:
        """Notes the step of a model as this program has just read or set it. Returns it."""
        self._known[model_id] = step
        return step

    def known(self, model_id: str) -> int | None:
        """That step; None if this program has neither read nor set it."""
        return self._known.get(model_id)


reads = StepReads()
