"""Columns, fields and groups of searches as messages."""

from collections.abc import Sequence

from xpstore.v1 import search_pb2 as pb
from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.search.columns import Cell
from xpstore_server.core.search.fields import Summary
from xpstore_server.core.search.filter import parse_column
from xpstore_server.core.search.groups import Group
from xpstore_server.core.search.operand import Field


def some_columns(field: str, texts: Sequence[str], most: int, limit: str) -> list[Field]:
    """Fields whose values are asked for.

    Args:
        field: of the request.
        most: how many there may be, by the `limit` of this name.
    """
    if len(texts) > most:
        raise InvalidArgument(field, len(texts), f"must be at most {most}", limit=limit, expected=most)
    if (bytes_ := sum(len(text.encode()) for text in texts)) > limits.FILTER_BYTES:
        raise InvalidArgument(field, bytes_, f"must have at most {limits.FILTER_BYTES} bytes together")
    return [parse_column(f"{field}[{place}]", text) for place, text in enumerate(texts)]


def value_to_wire(cell: Cell) -> pb.FieldValue:
    match cell:
        case bool():
            return pb.FieldValue(truth=cell)
        case int():
            return pb.FieldValue(integer=cell)
        case float():
            return pb.FieldValue(number=cell)
        case str():
            return pb.FieldValue(text=cell)
        case tuple():
            return pb.FieldValue(texts=pb.TextList(texts=cell))
    return pb.FieldValue()


def row_to_wire(model_id: str, cells: Sequence[Cell]) -> pb.ModelRow:
    return pb.ModelRow(model_id=model_id, values=map(value_to_wire, cells))


def summary_to_wire(summary: Summary) -> pb.FieldSummary:
    return pb.FieldSummary(
        field=summary.field,
        number_count=summary.numbers,
        text_count=summary.texts,
        truth_count=summary.truths,
        min=summary.min,
        max=summary.max,
        values=map(value_to_wire, summary.values),
        has_more_values=summary.has_more,
    )


def group_to_wire(group: Group) -> pb.ModelGroup:
    return pb.ModelGroup(
        keys=map(value_to_wire, group.keys),
        model_count=group.models,
        aggregates=[
            pb.Aggregate(count=one.count, min=one.min, max=one.max, mean=one.mean, deviation=one.deviation)
            for one in group.aggregates
        ],
    )
