"""Checks of request fields. Each returns the value as the rules want it or raises InvalidArgument naming the field."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from xpstore_server import json_text
from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.tags import to_text

T = TypeVar("T")

# A third of the time of `uuid.UUID`, of which a batch of records has hundreds.
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")
_VERSION_LIKE = re.compile(r"v?[0-9]+|latest")
_TYPE = re.compile(r"[a-z][a-z0-9_]*")
_FINGERPRINT = re.compile(rf"[0-9a-f]{{{limits.FINGERPRINT_LENGTH}}}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def a_uuid(field: str, value: str) -> str:
    """A UUID in its canonical form."""
    if not _UUID.fullmatch(value):
        raise InvalidArgument(field, value, "must be a UUID such as 6f1c2b9e-4d1f-4c55-9a57-3d8f0d3c2a11")
    return value.lower()


def a_name(field: str, value: str, max_length: int = limits.NAME_LENGTH) -> str:
    """A name: not empty, bounded, without control characters."""
    if not value:
        raise InvalidArgument(field, value, "must not be empty")
    if len(value) > max_length:
        raise InvalidArgument(field, value, f"must have at most {max_length} characters")
    if _CONTROL.search(value):
        raise InvalidArgument(field, value, "must not have control characters")
    return value


def a_hash(field: str, value: str) -> str:
    """The hash of a model."""
    return a_name(field, value, limits.HASH_LENGTH)


def a_text(field: str, value: str, max_length: int = limits.TEXT_LENGTH) -> str:
    """Free text: bounded, without NUL, which PostgreSQL cannot store."""
    if len(value) > max_length:
        raise InvalidArgument(field, value, f"must have at most {max_length} characters")
    if "\x00" in value:
        raise InvalidArgument(field, value, "must not contain NUL")
    return value


def tags_of(field: str, tags: Sequence[str]) -> tuple[str, ...]:
    """Tags of something."""
    if len(tags) > limits.TAGS:
        raise InvalidArgument(field, len(tags), f"must be at most {limits.TAGS}")
    return tuple(a_name(f"{field}[{number}]", tag) for number, tag in enumerate(tags))


def a_tag_text(tags: Sequence[str]) -> str:
    """Tags of an experiment or a project, as they rest: a page has many of these, so all are light."""
    text = to_text(tags_of("tags", tags))
    if len(text.encode()) > limits.TAG_BYTES:
        raise InvalidArgument("tags", len(text.encode()), f"must have at most {limits.TAG_BYTES} bytes together")
    return text


def an_alias(field: str, value: str) -> str:
    """An alias: what can be told from a version number."""
    if len(value) > limits.ALIAS_LENGTH or not _ALIAS.fullmatch(value) or _VERSION_LIKE.fullmatch(value):
        fix = (
            f"must have 1 to {limits.ALIAS_LENGTH} letters, digits, '.', '_', '-', start with a letter or '_', "
            "and not read like a version (7, v7, latest)"
        )
        raise InvalidArgument(field, value, fix)
    return value


def a_type(field: str, value: str) -> str:
    """The type of an artifact."""
    if len(value) > limits.TYPE_LENGTH or not _TYPE.fullmatch(value):
        fix = f"must have 1 to {limits.TYPE_LENGTH} lower-case letters, digits and '_', a letter first"
        raise InvalidArgument(field, value, fix)
    return value


def a_json(field: str, value: str) -> str:
    """A JSON text. It is stored as it came: parsing and writing it again would change numbers."""
    _check_json(field, value)
    return value


def a_json_object(field: str, value: str) -> str:
    """A JSON object as text; empty means "{}"."""
    text = value or "{}"
    if not _check_json(field, text):
        raise InvalidArgument(field, value, "must be a JSON object")
    return text


def _check_json(field: str, text: str) -> bool:
    """Whether it is an object."""
    if len(text.encode()) > limits.JSON_BYTES:
        raise InvalidArgument(field, text, f"must have at most {limits.JSON_BYTES} bytes")
    ahead = _ahead.get()
    outcome = ahead[text] if text in ahead else outcome_of_json(text)
    if isinstance(outcome, str):
        raise InvalidArgument(field, text, outcome)
    return outcome


def outcome_of_json(text: str) -> bool | str:
    """Whether a text is a JSON object, or what is wrong with it."""
    try:
        is_object = json_text.check(text)
    except (ValueError, RecursionError) as error:
        return f"must be JSON ({error})"
    return "must not contain NUL" if _ESCAPED_NUL.search(text) else is_object


# Of large texts in the request of the call under way: these were read in a thread.
_ahead: ContextVar[Mapping[str, bool | str]] = ContextVar("ahead", default=MappingProxyType({}))


def know_json(outcomes: Mapping[str, bool | str]) -> None:
    """Says what `outcome_of_json` said of texts, for the call under way."""
    _ahead.set(outcomes)


def a_step(field: str, value: int) -> int:
    """A training step."""
    if not 0 <= value <= limits.STEP:
        raise InvalidArgument(field, value, f"must be between 0 and {limits.STEP}")
    return value


def an_offset(field: str, value: int) -> int:
    """A place in what a run printed, in bytes."""
    if not 0 <= value <= limits.STEP:
        raise InvalidArgument(field, value, f"must be between 0 and {limits.STEP}")
    return value


def a_time(field: str, value: int) -> int:
    """A time in microseconds since the epoch."""
    if not 0 <= value <= limits.TIME_US:
        raise InvalidArgument(field, value, f"must be between 0 and {limits.TIME_US} microseconds since the epoch")
    return value


def a_period(field: str, value: int) -> int:
    """A length of time in microseconds."""
    if not 0 < value <= limits.TIME_US:
        raise InvalidArgument(field, value, f"must be between 1 and {limits.TIME_US} microseconds")
    return value


def an_age(field: str, value: int) -> int:
    """A bound of age or a length of time that may be 0, in microseconds."""
    if value < 0:
        raise InvalidArgument(field, value, "must not be negative")
    return value


def if_set(message: Message, field: str, check: Callable[[str, Any], T], prefix: str = "") -> T | None:
    """The checked value of an optional field, None if it is not set."""
    return check(prefix + field, getattr(message, field)) if message.HasField(field) else None


def a_digest(field: str, value: bytes) -> bytes:
    """A BLAKE3 digest."""
    if len(value) != 32:
        raise InvalidArgument(field, value, "must have 32 bytes")
    return value


def digests_of(field: str, digests: Sequence[bytes]) -> list[bytes]:
    """Digests of chunks, not too many."""
    if len(digests) > limits.DIGESTS:
        raise InvalidArgument(field, len(digests), f"must be at most {limits.DIGESTS}")
    return [a_digest(field, digest) for digest in digests]


def a_fingerprint(field: str, value: str) -> str:
    """The fingerprint of a process with its parameters, or of a part of it."""
    if not _FINGERPRINT.fullmatch(value):
        raise InvalidArgument(field, value, "must have 64 lower-case hexadecimal digits")
    return value


def masked(mask: FieldMask, *allowed: str) -> list[str]:
    """The paths of an update mask."""
    paths = list(dict.fromkeys(mask.paths))
    if not paths:
        raise InvalidArgument("update_mask", "", f"must name fields to change: {', '.join(allowed)}")
    for path in paths:
        if path not in allowed:
            raise InvalidArgument("update_mask", path, f"may only name {', '.join(allowed)}")
    return paths
