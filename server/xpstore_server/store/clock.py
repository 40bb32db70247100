"""The clock of SQLite's one server, and the database's as a part of statements, where asking costs a round trip."""

import threading
import time
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class Clock:
    """This process's clock in microseconds, never the same twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_us = 0

    def now_us(self) -> int:
        with self._lock:
            self._last_us = max(self._last_us + 1, time.time_ns() // 1000)
            return self._last_us


class NowUs(FunctionElement[int]):
    """Microseconds since the epoch; of SQLite only to the millisecond."""

    type = BigInteger()
    inherit_cache = True


@compiles(NowUs, "postgresql")
def _postgresql(_element: NowUs, _compiler: Any, **_options: Any) -> str:
    return "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


@compiles(NowUs, "sqlite")
def _sqlite(_element: NowUs, _compiler: Any, **_options: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"
