"""What a notebook shows of a search: the first models it finds, as a table."""

from collections.abc import Iterator

from xpstore._notebook.glance import Glance
from xpstore._notebook.html import line, table
from xpstore._search.query import Query
from xpstore._search.values import by_field
from xpstore._values.display_names import display_name
from xpstore._values.ids import sent_id
from xpstore.errors import Unimplemented
from xpstore.v1 import search_pb2

MOST_ROWS = 20
# Beside those that the search names: a table that is wider than a page is not read.
MOST_CONFIGS, MOST_METRICS = 4, 4
# Fields that are looked at for those.
MOST_FIELDS = 100
_OWN = ("name", "status", "step", "created_at")


def models_table(query: Query) -> Iterator[str]:
    """Yields the parts of it, for `shown`: at most three calls."""
    request = query.request(with_total=True)
    glance = Glance(query.client)
    named = query.fields()
    fields = [*named, *(field for field in telling_fields(glance, query) if field not in named)]
    request.columns.extend([*_OWN, *fields])
    request.page_size = MOST_ROWS if query.limit is None else max(1, min(MOST_ROWS, query.limit))
    response = glance.call(query.client.stubs.models.SearchModels, request)
    if response.models:
        raise Unimplemented(f"The server at {query.client.api_url} is older than tables of models.")
    rows = [] if query.limit == 0 else response.rows
    total = min(response.total_count, response.total_count if query.limit is None else query.limit)
    yield line(
        f"{total:,} {'model' if total == 1 else 'models'}{', the first ' + str(len(rows)) if len(rows) < total else ''}"
    )
    if rows:
        head = ("model", "status", "step", *fields, "created")
        yield table(head, (_row(row, [*_OWN, *fields]) for row in rows))


def _row(row: search_pb2.ModelRow, columns: list[str]) -> list[object]:
    name, status, step, created_at, *others = by_field(columns, row.values).values()
    return [display_name(name, sent_id(row.model_id)), status, step, *others, created_at]


def telling_fields(glance: Glance, query: Query) -> list[str]:
    """The first fields of configs that differ between models, and the first metrics."""
    configs = [one.field for one in _summaries(glance, query, "config.") if len(one.values) > 1 or one.has_more_values]
    fields = [one.field for one in _summaries(glance, query, "metrics.") if one.number_count]
    metrics = [field.removesuffix('[""]') if _is_only(field, fields) else field for field in fields]
    return configs[:MOST_CONFIGS] + [f"{field}.last" for field in metrics[:MOST_METRICS]]


def _is_only(field: str, fields: list[str]) -> bool:
    """Whether a metric without a phase has no others: then it needs no brackets."""
    name = field.removesuffix('[""]')
    return not any(one.startswith(f"{name}[") for one in fields if one != field)


def _summaries(glance: Glance, query: Query, kind: str) -> Iterator[search_pb2.FieldSummary]:
    request = search_pb2.ListFieldsRequest(contains=kind, page_size=MOST_FIELDS, **query.scope)
    response = glance.call(query.client.stubs.models.ListFields, request)
    return (one for one in response.fields if one.field.startswith(kind))
