"""Values of fields, as the wire has them."""

from typing import Any

from xpstore._values.times import to_datetime
from xpstore.v1 import search_pb2 as pb

# Fields whose integers are times; the others are steps.
_TIMES = frozenset({"created_at", "updated_at", "heartbeat_at"})


def to_value(field: str, wire: pb.FieldValue) -> Any:
    """The value of a field: a float, text, boolean, list of texts, step, time, or None."""
    kind = wire.WhichOneof("value")
    if kind is None:
        return None
    if kind == "texts":
        return list(wire.texts.texts)
    value = getattr(wire, kind)
    return to_datetime(value) if kind == "integer" and field.strip() in _TIMES else value
