"""Models found by what they hold, and a table to compare them by."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._values.checks import invalid
from xpstore._values.times import to_datetime
from xpstore.errors import ResourceExhausted
from xpstore.metric import Metric
from xpstore.run import STATUS
from xpstore.v1 import metric_pb2
from xpstore.v1 import model_pb2 as pb

if TYPE_CHECKING:
    from pandas import DataFrame

# Models asked about at once. With 50 metrics in two phases each the answer has 1 MiB of the 4 that a message may have.
BATCH = 50

Row = dict[str, Any]


def search(
    client: ClientBase, scope: dict[str, str], filter: str, order_by: str, limit: int | None
) -> Iterator[pb.Model]:
    """Yields what SearchModels finds, page by page."""
    if limit is not None and limit < 0:
        raise invalid("limit", limit, "must not be negative")
    request = pb.SearchModelsRequest(filter=filter, order_by=order_by)
    for field, id_ in scope.items():
        setattr(request, field, id_)
    most = client.limits.max_page_size
    size = most if limit is None else max(1, min(most, limit))
    return islice(iterate(client, client.stubs.models.SearchModels, request, "models", page_size=size), limit)


def to_frame(client: ClientBase, models: Iterator[pb.Model]) -> "DataFrame":
    """Puts models, the attributes of their modules and their last metrics into a table."""
    try:
        from pandas import DataFrame  # here: it may be missing
    except ImportError:
        raise ImportError("to_pandas() needs pandas: pip install pandas") from None
    rows: list[Row] = []
    while batch := list(islice(models, BATCH)):
        modules, metrics = _modules(client, batch), _metrics(client, batch)
        rows += ({**_own(model), **modules[model.id], **metrics[model.id]} for model in batch)
    return DataFrame(rows, columns=_columns(rows))


def _columns(rows: Iterable[Row]) -> list[str]:
    """All columns in the order they are met, those of one kind together."""
    met = dict.fromkeys((*_own(pb.Model()), *(column for row in rows for column in row)))
    kinds = ("config", "modules", "metrics")
    return sorted(met, key=lambda column: kinds.index(column.split(".")[0]) if "." in column else -1)


def _own(model: pb.Model) -> Row:
    return {
        "id": UUID(model.id) if model.id else None,
        "hash": model.hash,
        "name": model.name if model.HasField("name") else None,
        "step": model.step,
        "status": STATUS.get(model.status),
        "created_at": to_datetime(model.created_at_us),
        "tags": list(model.tags),
        **_flat("config", json.loads(model.config_json or "{}")),
    }


def _flat(path: str, value: Any) -> Row:
    """The values of nested dictionaries by their paths; lists stay whole."""
    if not isinstance(value, dict):
        return {path: value}
    flat: Row = {}
    for key, inner in value.items():
        flat.update(_flat(f"{path}.{key}", inner))
    return flat


def _modules(client: ClientBase, models: list[pb.Model]) -> dict[str, Row]:
    rows: dict[str, Row] = defaultdict(dict)
    request = pb.ListNewestModulesRequest(model_ids=[model.id for model in models])
    for module in iterate(client, client.stubs.models.ListNewestModules, request, "modules"):
        rows[module.model_id].update(_flat(f"modules.{module.name}", json.loads(module.attributes_json)))
    return rows


def _metrics(client: ClientBase, models: list[pb.Model]) -> dict[str, Row]:
    rows: dict[str, Row] = defaultdict(dict)
    for series in _summaries(client, [model.id for model in models]):
        phase = f"[{series.phase}]" if series.HasField("phase") else ""
        rows[series.model_id][f"metrics.{series.name}{phase}"] = Metric._from_wire(series.last).value
    return rows


def _summaries(client: ClientBase, ids: list[str]) -> list[metric_pb2.SeriesSummary]:
    try:
        request = metric_pb2.ListSeriesRequest(model_ids=ids)
        return list(client.call(client.stubs.metrics.ListSeries, request).series)
    except ResourceExhausted:  # values may be texts of 1 MiB: what is too much for a message is asked for in halves
        if len(ids) == 1:
            raise
        middle = len(ids) // 2
        return _summaries(client, ids[:middle]) + _summaries(client, ids[middle:])
