"""What a notebook shows of one model: what it is, a line for each metric, its newest artifacts."""

from collections.abc import Iterator
from typing import Any

from xpstore._notebook.curve import of_buckets
from xpstore._notebook.glance import Glance
from xpstore._notebook.html import Markup, facts, line, table
from xpstore._notebook.svg import WIDTH, svg
from xpstore._search.frame import flattened
from xpstore._session.client import ClientBase
from xpstore._values.json_text import from_json_object
from xpstore._values.times import to_datetime
from xpstore.metric import Metric
from xpstore.run import STATUS
from xpstore.series import Buckets, label_of
from xpstore.v1 import artifact_pb2, metric_pb2
from xpstore.v1 import model_pb2 as pb

MOST_CONFIGS, MOST_SERIES, MOST_ARTIFACTS = 30, 20, 5

Key = tuple[str, str | None]


def model_parts(client: ClientBase, known: pb.Model) -> Iterator[str]:
    """Yields the parts of it, for `shown`: four calls; if the server is away, what is known."""
    glance, wire = Glance(client), known
    try:
        wire = glance.call(client.stubs.models.GetModel, pb.GetModelRequest(model_id=known.id)).model
    finally:
        yield from _own(wire)
    yield from _series(glance, client, wire.id)
    yield from _artifacts(glance, client, wire)


def _own(wire: pb.Model) -> Iterator[str]:
    yield facts(
        [
            ("hash", wire.hash),
            ("status", STATUS.get(wire.status)),
            ("step", wire.step),
            ("tags", list(wire.tags)),
            ("description", wire.description),
            ("created", to_datetime(wire.created_at_us)),
            ("id", wire.id),
        ]
    )
    config = flattened("config", from_json_object("a config", wire.config_json or "{}"))
    if config:
        yield facts(list(config.items())[:MOST_CONFIGS])
        yield from _more(len(config) - MOST_CONFIGS, "values of the config")


def _series(glance: Glance, client: ClientBase, model_id: str) -> Iterator[str]:
    request = metric_pb2.ListSeriesRequest(model_ids=[model_id], page_size=MOST_SERIES)
    response = glance.call(client.stubs.metrics.ListSeries, request)
    if not response.series:
        return
    keys = [metric_pb2.SeriesKey(model_id=model_id, name=one.name, phase=_phase(one) or "") for one in response.series]
    asked = metric_pb2.ReadSeriesRequest(keys=keys, buckets=WIDTH)
    lines = {
        (part.name, _phase(part)): svg(of_buckets(part.name, Buckets._from_wire(part), "step"))
        for part in glance.stream(client.stubs.metrics.ReadSeries, asked)
    }
    yield table(("metric", "points", "last", "smallest", "largest", ""), (_row(one, lines) for one in response.series))
    if response.next_page_token:
        yield line("and more metrics")


def _row(summary: metric_pb2.SeriesSummary, lines: dict[Key, Markup]) -> list[Any]:
    has_numbers = summary.HasField("min_value")
    return [
        label_of(summary.name, _phase(summary)),
        summary.count,
        Metric._from_wire(summary.last).value,
        summary.min_value if has_numbers else None,
        summary.max_value if has_numbers else None,
        lines.get((summary.name, _phase(summary))),
    ]


def _phase(of: Any) -> str | None:
    return of.phase if of.HasField("phase") else None


def _artifacts(glance: Glance, client: ClientBase, wire: pb.Model) -> Iterator[str]:
    request = artifact_pb2.ListArtifactVersionsRequest(
        project_uid=wire.project_uid, model_id=wire.id, descending=True, page_size=MOST_ARTIFACTS
    )
    response = glance.call(client.stubs.artifacts.ListArtifactVersions, request)
    if response.versions:
        rows = ((one.name, one.version, one.type, f"{one.size_bytes:,} bytes") for one in response.versions)
        yield table(("artifact", "version", "type", "size"), rows)
    if response.next_page_token:
        yield line("and more artifacts")


def _more(count: int, of: str) -> Iterator[str]:
    if count > 0:
        yield line(f"and {count:,} more {of}")
