"""Checks of request fields. Each returns the value as the rules want it or raises InvalidArgument naming the field."""

import json
import re
import uuid
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument

_ALIAS = re.compile(r"[A-Za-z_][A-Za-z0-9._-]*")
_VERSION_LIKE = re.compile(r"v?[0-9]+|latest")
_TYPE = re.compile(r"[a-z][a-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def a_uuid(field: str, value: str) -> str:
    """A UUID in its canonical form."""
    try:
        canonical = str(uuid.UUID(value))
    except ValueError:
        canonical = ""
    if not canonical or canonical != value.lower():
        raise InvalidArgument(field, value, "must be a UUID such as 6f1c2b9e-4d1f-4c55-9a57-3d8f0d3c2a11")
    return canonical


def a_name(field: str, value: str, max_length: int = limits.NAME_LENGTH) -> str:
    """A name: not empty, bounded, without control characters."""
    if not value:
        raise InvalidArgument(field, value, "must not be empty")
    if len(value) > max_length:
        raise InvalidArgument(field, value, f"must have at most {max_length} characters")
    if _CONTROL.search(value):
        raise InvalidArgument(field, value, "must not have control characters")
    return value


def a_text(field: str, value: str) -> str:
    """Free text: bounded, without NUL, which PostgreSQL cannot store."""
    if len(value) > limits.TEXT_LENGTH:
        raise InvalidArgument(field, value, f"must have at most {limits.TEXT_LENGTH} characters")
    if "\x00" in value:
        raise InvalidArgument(field, value, "must not contain NUL")
    return value


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
    if len(value.encode()) > limits.JSON_BYTES:
        raise InvalidArgument(field, value, f"must have at most {limits.JSON_BYTES} bytes")
    try:
        _parse_json(value)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(field, value, f"must be JSON ({error})") from None
    if "\\u0000" in value:
        raise InvalidArgument(field, value, "must not contain NUL")
    return value


def a_json_object(field: str, value: str) -> str:
    """A JSON object as text; empty means "{}"."""
    text = a_json(field, value or "{}")
    if not isinstance(_parse_json(text), dict):
        raise InvalidArgument(field, value, "must be a JSON object")
    return text


def _parse_json(text: str) -> Any:
    # Python's own limit on digits guards int(); floats keep a long integer from tripping it.
    return json.loads(text, parse_int=float)


def a_step(field: str, value: int) -> int:
    """A training step."""
    if not 0 <= value <= limits.STEP:
        raise InvalidArgument(field, value, f"must be between 0 and {limits.STEP}")
    return value


def a_digest(field: str, value: bytes) -> bytes:
    """A BLAKE3 digest."""
    if len(value) != 32:
        raise InvalidArgument(field, value, "must have 32 bytes")
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
