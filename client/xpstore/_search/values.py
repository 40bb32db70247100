"""Values of fields, as the wire has them."""

from collections.abc import Sequence
from typing import Any

from xpstore._values.times import to_datetime
from xpstore.errors import DataLoss
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


def by_field(fields: Sequence[str], wires: Sequence[pb.FieldValue]) -> dict[str, Any]:
    """The values of several fields.

    Raises:
        DataLoss: the server sent another number of them.
    """
    if len(wires) != len(fields):
        raise DataLoss(f"The server sent {len(wires)} values where {len(fields)} fields were asked for.")
    return {field: to_value(field, wire) for field, wire in zip(fields, wires, strict=True)}
