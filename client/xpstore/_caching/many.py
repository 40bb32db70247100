"""Many calls at once: one look-up for all of them, then what is missing one after the other."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

from xpstore._caching.computation import Computation
from xpstore._caching.hits import MAX_FINGERPRINTS, Hit, look_up
from xpstore._caching.state import Away

# A call, or what computes one that has no key.
Planned = Computation | Callable[[], Any]


def values(calls: Iterable[Planned]) -> list[Any]:
    """Returns the results of calls of one function, in their order.

    Hits are read first. Of equal calls one is computed; the others are looked up afterwards, so that each has a value
    of its own. The first exception ends it, and what was computed before is stored.

    Args:
        calls: of one project, on the same terms.
    """
    results, left = list[Any](), iter(calls)
    while batch := list(islice(left, MAX_FINGERPRINTS)):
        results += _Batch(batch).values()
    return results


class _Batch:
    def __init__(self, calls: list[Planned]) -> None:
        self._calls = calls
        self._results: dict[int, Any] = {}

    def values(self) -> list[Any]:
        """Their results, in their order."""
        keyed = {position: call for position, call in enumerate(self._calls) if isinstance(call, Computation)}
        self._read_hits(keyed)
        again = dict[int, Computation]()
        computed = set[str]()
        for position, call in enumerate(self._calls):
            if position in self._results:
                continue
            if not isinstance(call, Computation):
                self._results[position] = call()
            elif call.fingerprint in computed:
                again[position] = call
            else:
                computed.add(call.fingerprint)
                self._results[position] = call.value(is_missing=True)
        self._read_hits(again)
        for position, call in again.items():
            if position not in self._results:  # what was computed could not be stored
                self._results[position] = call.value(is_missing=True)
        return [self._results[position] for position in range(len(self._calls))]

    def _read_hits(self, calls: dict[int, Computation]) -> None:
        asked = {
            position: call for position, call in calls.items() if not call.terms.force and not call.is_inside_itself
        }
        for (position, call), hit in zip(asked.items(), _look_up(list(asked.values())), strict=True):
            if hit is not None:
                self._results[position] = call.value(hit)


def _look_up(calls: list[Computation]) -> list[Hit | None]:
    if not calls:
        return []
    first = calls[0]
    try:
        return look_up(first.project, first.process.name, [call.fingerprint for call in calls], first.terms.max_age_us)
    except Away:  # each is computed here
        return [None] * len(calls)
