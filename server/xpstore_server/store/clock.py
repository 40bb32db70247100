"""The database's clock as a part of statements, where asking for it first would cost a round trip."""

from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


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
