"""The errors of the rules. Each crosses the layers once: raised here, answered by the one interceptor.

ServiceError
 ├── InvalidArgument       a field is malformed
 ├── NotFound              what is named does not exist
 ├── AlreadyExists         a name, hash or id is taken
 │    └── Taken            by what `value` names
 ├── Conflict              the request contradicts the present state
 ├── Unauthenticated       no API key, or an unknown one
 ├── PermissionDenied      the key may not do this
 ├── ResourceExhausted     a limit was met
 ├── Stale                 somebody else holds the place this stream continued from, or the lease
 ├── Unavailable           database or blob store are away
 ├── DeadlineExceeded      the call took longer than any may
 ├── Unimplemented         there is no such method
 └── DataLoss              stored bytes are missing or damaged
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

VALUE_LENGTH = 100


def shown(value: Any) -> str:
    """A value as an error may quote it: short, and on one line."""
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("unicode_escape").decode("ascii")
    return text if len(text) <= VALUE_LENGTH else f"{text[:VALUE_LENGTH]}... ({len(text)} characters)"


class ServiceError(Exception):
    """Root. `reason` is a name of ErrorReason without its prefix.

    Attributes:
        retry_seconds: after which the same call may do better; None where waiting does not help.
    """

    reason = "INTERNAL"

    def __init__(self, message: str, *, retry_seconds: float | None = None, **metadata: Any) -> None:
        super().__init__(message)
        self.message = message
        self.retry_seconds = retry_seconds
        self.metadata = {key: shown(value) for key, value in metadata.items()}


class InvalidArgument(ServiceError):
    reason = "INVALID_ARGUMENT"

    def __init__(self, field: str, value: Any, fix: str, **metadata: Any) -> None:
        super().__init__(f"{field} = {shown(value)!r}: {fix}", field=field, value=value, **metadata)


@contextmanager
def renamed(path_of: Callable[[str], str]) -> Iterator[None]:
    """Says where in the request a field is, for what knows only a part of the request."""
    try:
        yield
    except ServiceError as error:
        if field := error.metadata.get("field"):
            error.metadata["field"] = path_of(field)
        raise


class NotFound(ServiceError):
    reason = "NOT_FOUND"

    def __init__(self, resource: str, value: Any, hint: str = "") -> None:
        super().__init__(f"There is no {resource} {shown(value)!r}. {hint}".rstrip(), resource=resource, value=value)


class AlreadyExists(ServiceError):
    reason = "ALREADY_EXISTS"

    def __init__(self, resource: str, field: str, value: Any, hint: str = "") -> None:
        article = "an" if resource[0] in "aeioA" else "a"
        message = f"There is already {article} {resource} with {field} {shown(value)!r}. {hint}".rstrip()
        super().__init__(message, resource=resource, field=field, value=value)


class Taken(AlreadyExists):
    """What is brought back had a name or hash that another one, of id `by`, has taken since."""

    def __init__(self, resource: str, field: str, value: Any, by: str) -> None:
        super().__init__(resource, field, value, f"Its id is {by}. Delete that one first.")
        self.metadata |= {"field": f"{resource}_id", "value": by}


class Conflict(ServiceError):
    reason = "CONFLICT"


class Unauthenticated(ServiceError):
    reason = "UNAUTHENTICATED"


class PermissionDenied(ServiceError):
    reason = "PERMISSION_DENIED"


class ResourceExhausted(ServiceError):
    reason = "RESOURCE_EXHAUSTED"


class Stale(ServiceError):
    reason = "STALE"

    def __init__(self, message: str, expected: int | None = None) -> None:
        super().__init__(message, **({} if expected is None else {"expected": expected}))


class Unavailable(ServiceError):
    reason = "UNAVAILABLE"


class DeadlineExceeded(ServiceError):
    reason = "DEADLINE_EXCEEDED"


class Unimplemented(ServiceError):
    reason = "UNIMPLEMENTED"

    def __init__(self, path: str) -> None:
        super().__init__(f"This server has no method {shown(path)}. Is the client newer than it?", value=path)


class DataLoss(ServiceError):
    reason = "DATA_LOSS"
