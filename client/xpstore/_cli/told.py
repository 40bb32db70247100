"""What is told of a model: config, metrics with their steps, runs, files."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from xpstore._artifacts.versions import list_versions
from xpstore._cli.drawing import sparkline
from xpstore._media.content import MEDIA_TYPE
from xpstore._notebook.curve import Curve, of_buckets
from xpstore._search.frame import flattened, part_of_field
from xpstore._search.model_search import ModelSearch
from xpstore._service.paging import iterate
from xpstore.alert import Alert
from xpstore.errors import Unimplemented
from xpstore.media import KINDS as MEDIA_KINDS
from xpstore.metric import Metric
from xpstore.model import Model
from xpstore.project import Project
from xpstore.run import Run
from xpstore.series import MOST_KEYS, label_of, many_buckets
from xpstore.v1 import artifact_pb2, experiment_pb2, media_pb2, metric_pb2, project_pb2

# Parts of a line of blocks.
SPARKS = 16
_OF_RUN = ("host", "user", "rank", "command", "python", "git_commit", "git_dirty")
_OF_ALERT = ("level", "at", "title", "text", "step", "cause", "run_id", "model_id", "created_at", "id")
# Columns of a search, of which a metric takes two.
_BATCH = 50


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model is."""

    project: str
    experiment: str


def place_of(model: Model) -> Place:
    """The names of the project and the experiment of a model."""
    client, stubs = model._client, model._client.stubs
    asked = experiment_pb2.GetExperimentRequest(experiment_id=str(model.experiment_id))
    experiment = client.call(stubs.experiments.GetExperiment, asked).experiment
    found = client.call(stubs.projects.GetProject, project_pb2.GetProjectRequest(project_uid=model.project_uid))
    return Place(Project._from_wire(found.project, client).id, experiment.name)


def config_of(model: Model) -> dict[str, Any]:
    """The values of its config by their paths."""
    values = flattened("config", model.config)
    return {path.removeprefix("config."): value for path, value in values.items()}


def metric_rows(model: Model) -> list[dict[str, Any]]:
    """A row for each name and phase: the value logged last, the smallest and the largest, with their steps."""
    request = metric_pb2.ListSeriesRequest(model_ids=[str(model.id)])
    client = model._client
    summaries = list(iterate(client, client.stubs.metrics.ListSeries, request, "series"))
    steps = _steps_of_extrema(model, summaries)
    return [_metric_row(one, steps) for one in summaries]


def _metric_row(summary: metric_pb2.SeriesSummary, steps: dict[str, Any]) -> dict[str, Any]:
    last, field = Metric._from_wire(summary.last), _field(summary)
    has_numbers = summary.HasField("min_value")
    return {
        "metric": label_of(summary.name, last.phase),
        "name": summary.name,
        "phase": last.phase,
        "points": summary.count,
        "last": last.value,
        "last_step": last.step,
        "last_time": last.time,
        "min": summary.min_value if has_numbers else None,
        "min_step": steps.get(f"{field}.min_step"),
        "max": summary.max_value if has_numbers else None,
        "max_step": steps.get(f"{field}.max_step"),
    }


def _field(summary: metric_pb2.SeriesSummary) -> str:
    phase = part_of_field(summary.phase) if summary.HasField("phase") else '""'
    return f"metrics.{part_of_field(summary.name)}[{phase}]"


def _steps_of_extrema(model: Model, summaries: Iterable[metric_pb2.SeriesSummary]) -> dict[str, Any]:
    fields = [_field(one) for one in summaries if one.HasField("min_value")]
    scope = ModelSearch[Model](model._client, experiment_id=str(model.experiment_id))
    mine = "hash = '{}'".format(model.hash.replace("'", "''"))
    found: dict[str, Any] = {}
    for start in range(0, len(fields), _BATCH):
        columns = [f"{field}.{of}_step" for field in fields[start : start + _BATCH] for of in ("min", "max")]
        for row in scope.table(mine, columns=columns):
            found |= row
    return found


def curves_of(model: Model, names: Iterable[str], parts: int) -> dict[tuple[str, str | None], Curve]:
    """The curve of each name and phase."""
    keys = [metric_pb2.SeriesKey(model_id=str(model.id), name=name) for name in dict.fromkeys(names)]
    curves = dict[tuple[str, str | None], Curve]()
    for start in range(0, len(keys), MOST_KEYS):
        for _, buckets in many_buckets(model._client, keys[start : start + MOST_KEYS], 0, parts):
            label = label_of(buckets.name, buckets.phase)
            curves[buckets.name, buckets.phase] = of_buckets(label, buckets, "step")
    return curves


def with_sparks(model: Model, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of metrics, each with a line of blocks."""
    curves = curves_of(model, (row["name"] for row in rows), SPARKS) if rows else {}
    found = (curves.get((row["name"], row["phase"])) for row in rows)
    return [{**row, "line": sparkline(curve) if curve else ""} for row, curve in zip(rows, found, strict=True)]


def run_row(run: Run) -> dict[str, Any]:
    """What is told of a run."""
    ended_at = run.ended_at
    return {
        "status": run.status,
        "started_at": run.started_at,
        "ended_at": ended_at,
        "seconds": (ended_at - run.started_at).total_seconds() if ended_at is not None else None,
        **{name: getattr(run, name) for name in _OF_RUN},
        "error": run.error,
        "id": run.id,
    }


def alert_row(alert: Alert) -> dict[str, Any]:
    """What is told of an alert."""
    return {name: getattr(alert, name) for name in _OF_ALERT}


def alert_rows(model: Model, most: int | None = None) -> list[dict[str, Any]]:
    """The newest alerts of a model; none where the server is older than alerts."""
    try:
        return [alert_row(one) for one in model.alerts.list(most)]
    except Unimplemented:
        return []


def media_rows(model: Model) -> list[dict[str, Any]]:
    """The names of its media, with their kind and steps; none where the server is older than media."""
    request = media_pb2.ListMediaNamesRequest(model_id=str(model.id))
    try:
        return [
            {
                "media": one.name,
                "kind": MEDIA_KINDS.get(one.kind, ""),
                **{name: getattr(one, name) for name in ("count", "first_step", "last_step")},
            }
            for one in iterate(model._client, model._client.stubs.media.ListMediaNames, request, "names")
        ]
    except Unimplemented:
        return []


def version_rows(model: Model, count: int | None = None) -> list[dict[str, Any]]:
    """The versions that are linked to it, newest first, without media."""
    request = artifact_pb2.ListArtifactVersionsRequest(
        project_uid=model.project_uid, model_id=str(model.id), descending=True
    )
    return [
        {
            **{name: getattr(one, name) for name in ("name", "version", "type", "size_bytes")},
            "files": one.file_count,
            "id": one.id,
        }
        for one in islice((one for one in list_versions(model._client, request) if one.type != MEDIA_TYPE), count)
    ]


def differing(one: dict[str, Any], other: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yields the names whose values differ, with both; None where there is none."""
    for name in dict.fromkeys([*one, *other]):
        values = one.get(name), other.get(name)
        # A boolean is no number here, as in a search.
        if values[0] != values[1] or type(values[0]) is not type(values[1]):
            yield name, *values
