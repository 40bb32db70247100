"""Whether what a thread assigns to the step of a model follows from what it read.

`model.step += 1` reads, then assigns: of two threads that do so at once one is lost. Within a process it is seen here.
"""

import threading
from collections import Counter


class StepReads:
    """Which threads read the step of a model, and how often it was assigned since."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._assigned: Counter[str] = Counter()
        self._told: set[str] = set()
        self._own = threading.local()

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


reads = StepReads()
