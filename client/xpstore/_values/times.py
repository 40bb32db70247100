"""Times and durations: those of the wire are microseconds."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from xpstore._values.checks import invalid
from xpstore.errors import DataLoss


def now_us() -> int:
    """The time of this machine as the wire has it."""
    return time.time_ns() // 1000


def to_datetime(microseconds: int) -> datetime:
    """A time of the wire as an aware datetime in UTC.

    Raises:
        DataLoss: no calendar has it.
    """
    try:
        return datetime.fromtimestamp(microseconds / 1_000_000, UTC)
    except (ValueError, OverflowError, OSError):
        raise DataLoss(f"The server sent the time {microseconds} us, which no calendar has.") from None


def to_epoch_us(field: str, moment: datetime) -> int:
    """A time as the wire has it.

    Raises:
        InvalidArgument: it is no aware datetime, or is before 1970.
    """
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise invalid(field, moment, "must be a datetime with a time zone")
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if microseconds < 0:
        raise invalid(field, moment, "must not be before 1970")
    return microseconds


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
