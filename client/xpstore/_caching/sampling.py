"""Which hits are checked: a share of those of each function, chosen at random."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict

from xpstore._machine.settings import setting
from xpstore._session.client import ClientBase
from xpstore._values.checks import invalid

SETTING = "XPSTORE_CACHE_VERIFY"

Same = Callable[[Any, Any], Any]


class VerifyOptions(TypedDict, total=False):
    """What may be said about how hits are checked.

    Attributes:
        verify: the share of hits that are computed again and compared with what is cached, 0 to 1; default what
            `XPSTORE_CACHE_VERIFY` says, else 0. What is wrong is replaced, with a warning.
        same: says of two values, the cached one and a fresh one, whether they are close enough, such as
            `numpy.allclose`; default equality.
    """

    verify: float | None
    same: Same | None


@dataclass(frozen=True, slots=True)
class Verify:
    """How hits are checked; see `VerifyOptions`."""

    given: float | None
    same: Same | None

    @property
    def share(self) -> float:
        """The share of hits that are checked.

        Raises:
            InvalidArgument: the setting is malformed.
        """
        return _to_share(SETTING, setting(SETTING, 0)) if self.given is None else self.given


def to_verify(options: VerifyOptions) -> Verify:
    """Checks what was said.

    Raises:
        InvalidArgument: it is malformed.
    """
    given, same = options.get("verify"), options.get("same")
    if same is not None and not callable(same):
        raise invalid("same", same, "must be a function of two values")
    return Verify(None if given is None else _to_share("verify", given), same)


def _to_share(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise invalid(name, value, "must be a number from 0 to 1")
    return float(value)


class Sample:
    """Chooses a share of what comes along: of each 100 one, say, at a random place among them.

    So of `n` at most `n * share + 1` are chosen, and each is as likely as any other, also where only one ever comes.

    Args:
        draw: gives a random number from 0 up to 1.
    """

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._passed = 0.0
        self._taken = 0
        self._next = draw()

    def takes(self, share: float) -> bool:
        """Whether the next one is chosen."""
        self._passed += share
        if self._passed <= self._next:
            return False
        self._taken += 1
        self._next = self._taken + self._draw()
        return True


class Samples:
    """The samples of hits of one client in this process, one for each function: `client.kept(Samples)`."""

    def __init__(self, client: ClientBase) -> None:
        # Not the generator of the module: programs seed it, and all workers would check the same hits.
        self.draw = random.SystemRandom().random
        self._lock = threading.Lock()
        self._samples: dict[str, Sample] = {}

    def takes(self, name: str, share: float) -> bool:
        """Whether a hit of a function is to be checked."""
        with self._lock:
            return self._samples.setdefault(name, Sample(self.draw)).takes(share)
