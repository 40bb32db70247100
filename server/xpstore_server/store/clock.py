"""Clocks: what the wall clock of this machine, or the database's, says, unless it has jumped.

A wall clock may be days ahead for a minute. Rows that are stamped must stay in order and leases must end, so a jump is
not followed: time goes on as this machine's steady clock does, a little faster or slower until both agree again.
"""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import BigInteger, Dialect, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

SECOND_US = 1_000_000
# What counts as a jump. Answers of a database come by a network, and daemons set clocks by less.
JUMP_US = 2 * SECOND_US
# Of the time that passes, how much a clock that has jumped is gained on. Ahead: a grace of 25 hours stays longer than
# the 24 that clients are promised. Back: rows that were stamped ahead stay in order.
AHEAD, BACK = 32, 8

# CLOCK_BOOTTIME goes on while a laptop sleeps.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def steady_us() -> int:
    """This machine's clock that nobody sets, in microseconds since it started."""
    return time.clock_gettime_ns(_STEADY) // 1000


def wall_us() -> int:
    """This machine's clock that people and daemons set, in microseconds since the epoch."""
    return time.time_ns() // 1000


class Clock:
    """A clock that people set, by what it says and by what has passed since it was asked before."""

    def __init__(self, wall: Callable[[], int] = wall_us, steady: Callable[[], int] = steady_us) -> None:
        self._wall = wall
        self._steady = steady
        self._lock = threading.Lock()
        self._asked_us: int | None = None  # on the steady clock; the others in microseconds since the epoch
        self._told_us = self._now_us = self._given_us = 0
        self._agreed_since_us = steady()
        self.has_jumped = False

    def now_us(self) -> int:
        """Now by the wall clock of this machine, never the same twice and never less than before."""
        with self._lock:
            self._given_us = max(self._given_us + 1, self._settle(self._wall()))
            return self._given_us

    def settle(self, told_us: int) -> int:
        """Now by a clock elsewhere, which says `told_us`."""
        with self._lock:
            return self._settle(told_us)

    def estimate_us(self) -> int:
        """Now by what the clock said last and what has passed since. Nobody is asked."""
        with self._lock:
            if self._asked_us is None:
                return self._wall()
            return self._now_us + max(self._steady() - self._asked_us, 0)

    def not_before(self, seen_us: int) -> None:
        """Says that it has been so late already, before this process began."""
        with self._lock:
            self._now_us = max(self._now_us, seen_us)

    def agreed_us(self) -> int:
        """For how long the clock has gone as the steady one does."""
        with self._lock:
            return self._steady() - self._agreed_since_us

    def told_us(self) -> int:
        """What the clock said last, believed or not."""
        with self._lock:
            return self._told_us

    def _settle(self, told_us: int) -> int:
        at = self._steady()
        if self._asked_us is None:
            self._asked_us, self._told_us, self._now_us = at, told_us, told_us
            return told_us
        passed = max(at - self._asked_us, 0)
        if abs(told_us - self._told_us - passed) > JUMP_US + passed // AHEAD:
            self._agreed_since_us, self.has_jumped = at, True
        now = self._now_us + passed
        gap = told_us - now
        if abs(gap) <= JUMP_US + passed // AHEAD:
            now = told_us
        else:
            now += min(gap, passed // AHEAD) if gap > 0 else max(gap, -(passed // BACK))
        self._asked_us, self._told_us, self._now_us = at, told_us, now
        return now


_clocks: "WeakKeyDictionary[Dialect, Clock]" = WeakKeyDictionary()
_clocks_lock = threading.Lock()


def clock_of(dialect: Dialect) -> Clock:
    """The clock of a database: each engine has a dialect of its own."""
    with contextlib.suppress(KeyError):
        return _clocks[dialect]
    with _clocks_lock:
        return _clocks.setdefault(dialect, Clock())


class NowUs(FunctionElement[int]):
    """Microseconds since the epoch, as a part of a statement where asking costs a round trip."""

    type = BigInteger()
    inherit_cache = True


@compiles(NowUs)
def _now_us(_element: NowUs, compiler: Any, **options: Any) -> str:
    now = bindparam(None, callable_=clock_of(compiler.dialect).estimate_us, type_=BigInteger(), unique=True)
    return str(compiler.process(now, **options))
