"""When and by whom something was made and changed."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from xpstore._values.checks import invalid


def now_us() -> int:
    """The time of this machine as the wire has it."""
    return time.time_ns() // 1000


def to_datetime(microseconds: int) -> datetime:
    """A time of the wire as an aware datetime in UTC."""
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def to_microseconds(field: str, duration: timedelta | float, *, least_us: int = 0) -> int:
    """A duration as the wire has it.

    Args:
        field: how an error names it.
        duration: a timedelta, or seconds.
        least_us: the shortest that makes sense.

    Raises:
        InvalidArgument: it is too short, or longer than the wire can say.
    """
    try:
        length = duration if isinstance(duration, timedelta) else timedelta(seconds=duration)
        microseconds = length // timedelta(microseconds=1)
    except (TypeError, ValueError, OverflowError):
        raise invalid(field, duration, "must be a timedelta or a number of seconds") from None
    if microseconds < least_us:
        raise invalid(field, duration, "must be positive" if least_us else "must not be negative")
    return microseconds


def to_timedelta(wire: Any, field: str) -> timedelta | None:
    """An optional duration of the wire, None if it is unset."""
    return timedelta(microseconds=getattr(wire, field)) if wire.HasField(field) else None


class _Wired(Protocol):
    @property
    def _wire(self) -> Any: ...


class Stamped:
    """The four fields that everything with a name has, as they were when it was last heard of."""

    @property
    def created_at(self: _Wired) -> datetime:
        """When it was created, UTC."""
        return to_datetime(self._wire.created_at_us)

    @property
    def created_by(self: _Wired) -> str:
        """Name of the API key that created it."""
        return str(self._wire.created_by)

    @property
    def updated_at(self: _Wired) -> datetime:
        """When it was last changed, UTC."""
        return to_datetime(self._wire.updated_at_us)

    @property
    def updated_by(self: _Wired) -> str:
        """Name of the API key that changed it last."""
        return str(self._wire.updated_by)
