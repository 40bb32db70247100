"""What a search says of many models at once: rows of values, fields and groups."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from xpstore._search.query import Query
from xpstore._search.values import by_field, to_value
from xpstore._service.paging import iterate
from xpstore._session.server_version import check_columns
from xpstore._values.checks import invalid
from xpstore._values.ids import sent_id
from xpstore.errors import DataLoss
from xpstore.v1 import search_pb2


@dataclass(frozen=True, slots=True)
class FieldSummary:
    """What is known of a field of configs, modules or metrics.

    Attributes:
        field: as a filter has it; a metric without `.last` and the like, such as `metrics.loss[test]`.
        number_count: how many models have a number there; of a metric, a finite last one.
        text_count: how many have a text.
        truth_count: how many have a boolean.
        min: the smallest number, None if there is none; of a metric the smallest that was ever logged.
        max: the largest, likewise.
        values: the first few different values; of a metric none.
        has_more_values: whether there are others than those.
    """

    field: str
    number_count: int
    text_count: int
    truth_count: int
    min: float | None
    max: float | None
    values: list[Any]
    has_more_values: bool

    @classmethod
    def _from_wire(cls, wire: search_pb2.FieldSummary) -> "FieldSummary":
        return cls(
            field=wire.field,
            number_count=wire.number_count,
            text_count=wire.text_count,
            truth_count=wire.truth_count,
            min=wire.min if wire.HasField("min") else None,
            max=wire.max if wire.HasField("max") else None,
            values=[to_value(wire.field, value) for value in wire.values],
            has_more_values=wire.has_more_values,
        )


@dataclass(frozen=True, slots=True)
class Aggregate:
    """The numbers that models of a group have in one field; of times microseconds since the epoch, UTC.

    Attributes:
        count: how many models have a number there; of 0 the others are None.
        min: the smallest.
        max: the largest.
        mean: the arithmetic mean.
        deviation: the standard deviation of the population: 0 of one number.
    """

    count: int
    min: float | None
    max: float | None
    mean: float | None
    deviation: float | None

    @classmethod
    def _from_wire(cls, wire: search_pb2.Aggregate) -> "Aggregate":
        if not wire.count:
            return cls(0, None, None, None, None)
        return cls(wire.count, wire.min, wire.max, wire.mean, wire.deviation)


@dataclass(frozen=True, slots=True)
class ModelGroup:
    """Models with the same values in the fields that they are grouped by.

    Attributes:
        keys: the value of each of these fields, None where the models have none.
        model_count: how many models.
        aggregates: what is told of each field that was asked for.
    """

    keys: dict[str, Any]
    model_count: int
    aggregates: dict[str, Aggregate]


@dataclass(frozen=True, slots=True)
class Aggregation:
    """Groups of models.

    Attributes:
        groups: the largest first: at most 1,000, and as many as fit into a message.
        group_count: how many groups there are, also of those that are not in `groups`.
        model_count: how many models are in all of them.
    """

    groups: list[ModelGroup]
    group_count: int
    model_count: int


def table(query: Query, columns: Sequence[str]) -> list[dict[str, Any]]:
    """The id and the values of some fields of each model."""
    fields = _fields("columns", columns)
    if not fields:
        raise invalid("columns", columns, 'must name a field, such as ["name", "config.lr"]')
    return [{"id": sent_id(row.model_id), **by_field(fields, row.values)} for row in query.rows(fields)]


def count(query: Query) -> int:
    """How many models it holds for."""
    check_columns(query.client)
    request = query.request(columns=["step"], page_size=1, with_total=True)
    response = query.client.call(query.client.stubs.models.SearchModels, request)
    if not response.HasField("total_count"):
        raise DataLoss("The server sent no count of the models.")
    return response.total_count


def list_fields(query: Query, contains: str) -> Iterator[FieldSummary]:
    """Yields the fields that models in its scope have."""
    request = search_pb2.ListFieldsRequest(contains=contains, **query.scope)
    for wire in iterate(query.client, query.client.stubs.models.ListFields, request, "fields"):
        yield FieldSummary._from_wire(wire)


def aggregate(query: Query, group_by: Sequence[str], fields: Sequence[str]) -> Aggregation:
    """Puts the models it holds for into groups."""
    group_by, fields = _fields("group_by", group_by), _fields("fields", fields)
    request = search_pb2.AggregateModelsRequest(filter=query.filter, group_by=group_by, fields=fields, **query.scope)
    response = query.client.call(query.client.stubs.models.AggregateModels, request)
    groups = [
        ModelGroup(
            keys=by_field(group_by, wire.keys),
            model_count=wire.model_count,
            aggregates=_aggregates(fields, wire.aggregates),
        )
        for wire in response.groups
    ]
    return Aggregation(groups, response.group_count, response.model_count)


def _aggregates(fields: list[str], wires: Sequence[search_pb2.Aggregate]) -> dict[str, Aggregate]:
    if len(wires) != len(fields):
        raise DataLoss(f"The server sent {len(wires)} aggregates where {len(fields)} fields were asked for.")
    return dict(zip(fields, map(Aggregate._from_wire, wires), strict=True))


def _fields(argument: str, given: Sequence[str]) -> list[str]:
    if isinstance(given, str):
        raise invalid(argument, given, f"must be a list: {argument}=[{given!r}]")
    fields = list(dict.fromkeys(given))
    for field in fields:
        if not isinstance(field, str):
            raise invalid(argument, field, "must be texts")
    return fields
