"""How results are kept and found: what a caller may say, and what it becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypedDict

from xpstore._results.results import NAMED_FORMATS
from xpstore._values.checks import invalid
from xpstore._values.times import to_microseconds

Duration = timedelta | float
MAX_WAIT_SECONDS = 3_600.0


class CacheOptions(TypedDict, total=False):
    """What may be said about how results are kept and found.

    Attributes:
        ttl: how long what is computed is a hit, as a timedelta or seconds; default the project's `cache_ttl`.
        max_age: how old a hit may be; the project may be stricter.
        force: compute whatever there is, and replace it.
        format: "pickle" to pickle values that have no safe format, and to load such ones, which may run any code.
        trusted: types of scikit-learn models to allow beside skops' defaults.
        max_wait: how long to wait for somebody else who computes the same; default an hour.
    """

    ttl: Duration | None
    max_age: Duration | None
    force: bool
    format: str | None
    trusted: Sequence[str]
    max_wait: Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How results are kept and found.

    Attributes:
        ttl_us: how long what is computed is a hit.
        max_age_us: how old a hit may be.
        force: compute whatever there is.
        format: "pickle", or None for the safe formats.
        trusted: types of scikit-learn models to allow beside skops' defaults.
        max_wait_seconds: how long to wait for somebody else's computation.
    """

    ttl_us: int | None = None
    max_age_us: int | None = None
    force: bool = False
    format: str | None = None
    trusted: tuple[str, ...] = ()
    max_wait_seconds: float = MAX_WAIT_SECONDS


def to_terms(options: CacheOptions) -> Terms:
    """Checks what was said.

    Raises:
        InvalidArgument: an option is malformed.
        TypeError: there is no such option.
    """
    if unknown := options.keys() - CacheOptions.__annotations__.keys():
        known = ", ".join(CacheOptions.__annotations__)
        raise TypeError(f"there is no option {sorted(unknown)[0]!r}; the cache takes {known}")
    format, ttl, max_age = options.get("format"), options.get("ttl"), options.get("max_age")
    if format is not None and format not in NAMED_FORMATS:
        raise invalid("format", format, f"must be one of {', '.join(NAMED_FORMATS)}, or None for the safe formats")
    trusted = options.get("trusted", ())
    return Terms(
        ttl_us=None if ttl is None else to_microseconds("ttl", ttl, least_us=1),
        max_age_us=None if max_age is None else to_microseconds("max_age", max_age),
        force=bool(options.get("force", False)),
        format=format,
        trusted=(trusted,) if isinstance(trusted, str) else tuple(trusted),
        max_wait_seconds=to_microseconds("max_wait", options.get("max_wait", MAX_WAIT_SECONDS)) / 1_000_000,
    )
