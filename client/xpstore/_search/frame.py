"""A table of pandas to compare models by."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from math import nan
from typing import TYPE_CHECKING, Any

from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._values.ids import sent_id
from xpstore._values.json_text import from_json_object
from xpstore._values.numbers import EXACT
from xpstore._values.times import to_datetime
from xpstore.errors import ResourceExhausted
from xpstore.metric import Metric
from xpstore.run import STATUS
from xpstore.v1 import metric_pb2
from xpstore.v1 import model_pb2 as pb

if TYPE_CHECKING:
    from pandas import DataFrame, Series

# Models asked about at once. With 50 metrics in two phases each the answer has 1 MiB of the 4 that a message may have.
BATCH = 50

LAST_STEP = "last_step"

Row = dict[str, Any]
Summary = metric_pb2.SeriesSummary

# As `filter.lark` has them.
_PLAIN = re.compile(r"[\w-]+")
_OVER_PHASES = re.compile(
    r"""(?:^|,)\s*metrics\s*\.\s*("(?:[^"]|"")*"|'(?:[^']|'')*'|[\w-]+)\s*\.\s*(last|min|max)\b"""
)


def to_frame(client: ClientBase, models: Iterator[pb.Model], order_by: str) -> "DataFrame":
    """Puts models, the attributes of their modules and summaries of their metrics into a table.

    What is not of letters, digits, `_` and `-` stands in quotes in the name of a column, as in a filter: else the names
    of two values could be one.
    """
    try:
        from pandas import DataFrame  # here: it may be missing
    except ImportError:
        raise ImportError("to_pandas() needs pandas: pip install pandas") from None
    shown = _ordered_by(order_by)
    rows: list[Row] = []
    while batch := list(islice(models, BATCH)):
        modules, metrics = _modules(client, batch), _metrics(client, batch, shown)
        rows += ({**_own(model), **modules[model.id], **metrics[model.id]} for model in batch)
    columns = _columns(rows)
    return DataFrame({column: _column(column, rows) for column in columns}, columns=columns)


def last_step(client: ClientBase, model_id: str) -> int | None:
    """The greatest step among the newest points of a model's metrics, None if none has a step."""
    return _last_step(_summaries(client, [model_id]))


def last_steps(client: ClientBase, model_ids: list[str]) -> dict[str, int | None]:
    """The same of many models, in a call for each few."""
    steps: dict[str, int | None] = dict.fromkeys(model_ids)
    for start in range(0, len(model_ids), BATCH):
        of_each = defaultdict[str, list[Summary]](list)
        for summary in _summaries(client, model_ids[start : start + BATCH]):
            of_each[summary.model_id].append(summary)
        steps |= {model_id: _last_step(summaries) for model_id, summaries in of_each.items()}
    return steps


def _column(name: str, rows: list[Row]) -> "Series[Any]":
    from pandas import Series  # here: it may be missing

    values = [row.get(name, nan) for row in rows]
    if name == LAST_STEP:
        return Series(values, dtype="Int64")
    large = any(isinstance(value, int) and abs(value) > EXACT for value in values)
    return Series(values, dtype=object if large and set(map(type, values)) != {int} else None)


def _columns(rows: Iterable[Row]) -> list[str]:
    """All columns in the order they are met, those of one kind together."""
    met = dict.fromkeys((*_own(pb.Model()), *(column for row in rows for column in row)))
    kinds = ("config", "modules", "metrics")
    return sorted(met, key=lambda column: kinds.index(column.split(".")[0]) if "." in column else -1)


def _own(model: pb.Model) -> Row:
    return {
        "id": sent_id(model.id) if model.id else None,
        "hash": model.hash,
        "name": model.name if model.HasField("name") else None,
        "step": model.step,
        LAST_STEP: None,
        "status": STATUS.get(model.status),
        "created_at": to_datetime(model.created_at_us),
        "tags": list(model.tags),
        **flattened("config", from_json_object("a config", model.config_json or "{}")),
    }


def flattened(path: str, attributes: dict[str, Any]) -> Row:
    """The values of nested dictionaries by their paths; lists, and dictionaries without a value, stay whole."""
    flat: Row = {}
    for key, value in attributes.items():
        inner = f"{path}.{part_of_field(key)}"
        flat.update(flattened(inner, value) if isinstance(value, dict) and value else {inner: value})
    return flat


def part_of_field(name: str) -> str:
    """A part of a field's name as a filter has it: in quotes where it needs them."""
    if _PLAIN.fullmatch(name):
        return name
    return '"{}"'.format(name.replace('"', '""'))


def _modules(client: ClientBase, models: list[pb.Model]) -> dict[str, Row]:
    rows: dict[str, Row] = defaultdict(dict)
    request = pb.ListNewestModulesRequest(model_ids=[model.id for model in models])
    for module in iterate(client, client.stubs.models.ListNewestModules, request, "modules"):
        attributes = from_json_object("attributes", module.attributes_json)
        rows[module.model_id].update(flattened(f"modules.{part_of_field(module.name)}", attributes))
    return rows


def _metrics(client: ClientBase, models: list[pb.Model], shown: list[tuple[str, str]]) -> dict[str, Row]:
    """The summaries of each model's metrics, and what they are ordered by that is of all phases of a name."""
    summaries: dict[str, list[Summary]] = defaultdict(list)
    for summary in _summaries(client, [model.id for model in models]):
        summaries[summary.model_id].append(summary)
    rows: dict[str, Row] = defaultdict(dict)
    for model_id, all_ in summaries.items():
        row = rows[model_id] = {LAST_STEP: _last_step(all_)}
        phases = Counter(summary.name for summary in all_)
        for summary in all_:
            row.update(_summary(summary, is_only=phases[summary.name] == 1))
        for name, of in shown:
            row.update(_over_phases(name, of, [summary for summary in all_ if summary.name == name]))
    return rows


def _summary(summary: Summary, *, is_only: bool) -> Row:
    """The last, smallest and largest number of a series, the latter two by the names that a filter has for them."""
    name = f"metrics.{part_of_field(summary.name)}"
    phase = f"[{part_of_field(summary.phase)}]" if summary.HasField("phase") else ""
    row = {f"{name}{phase}": Metric._from_wire(summary.last).value}
    if summary.HasField("min_value"):
        exact = phase or ("" if is_only else '[""]')  # without brackets it is that of all phases
        row |= {f"{name}{exact}.min": summary.min_value, f"{name}{exact}.max": summary.max_value}
    return row


def _over_phases(name: str, of: str, summaries: list[Summary]) -> Row:
    field = f"metrics.{part_of_field(name)}.{of}"
    if of == "last":
        # Ids of points grow with their place in the model.
        newest = max(summaries, key=lambda summary: summary.last.id, default=None)
        return {field: Metric._from_wire(newest.last).value} if newest is not None else {}
    choose = min if of == "min" else max
    found = [getattr(summary, f"{of}_value") for summary in summaries if summary.HasField("min_value")]
    return {field: choose(found)} if found else {}


def _ordered_by(order_by: str) -> list[tuple[str, str]]:
    """Names of metrics that a table is ordered by over all their phases, each with "last", "min" or "max"."""
    return [(_unquoted(name), of) for name, of in _OVER_PHASES.findall(order_by)]


def _unquoted(part: str) -> str:
    quote = part[0]
    return part[1:-1].replace(2 * quote, quote) if quote in "'\"" else part


def _last_step(summaries: Iterable[Summary]) -> int | None:
    points = (summary.last.point for summary in summaries)
    return max((point.step for point in points if point.HasField("step")), default=None)


def _summaries(client: ClientBase, ids: list[str]) -> list[Summary]:
    try:
        request = metric_pb2.ListSeriesRequest(model_ids=ids)
        return list(iterate(client, client.stubs.metrics.ListSeries, request, "series"))
    except ResourceExhausted:  # a server from before pages: what is too much for a message is asked for in halves
        if len(ids) == 1:
            raise
        middle = len(ids) // 2
        return _summaries(client, ids[:middle]) + _summaries(client, ids[middle:])
