"""`xpstore watch`: points of a model as they come, until its run ends."""

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice, takewhile
from typing import Annotated, Any
from uuid import UUID

import typer

from xpstore import series
from xpstore._cli.arguments import AsJSON, ExperimentName, ModelInProject
from xpstore._cli.finding import find_model
from xpstore._cli.printing import brief, fail, print_text, sayable
from xpstore._cli.service import ask
from xpstore._service.paging import iterate
from xpstore._values.times import to_datetime
from xpstore.alert import Alert
from xpstore.errors import Unimplemented
from xpstore.metric import Metric
from xpstore.model import Model
from xpstore.series import label_of
from xpstore.v1 import metric_pb2

# Points of one series that a terminal gets at a time: more nobody reads as they pass.
MOST_POINTS = 10

_Line = dict[str, Any]


def watch(
    what: Annotated[str, typer.Argument(metavar="PROJECT|MODEL", help="A project's id; or a model's.")],
    model: ModelInProject = None,
    experiment: ExperimentName = None,
    interval: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="How often it is looked.")] = 2.0,
    as_json: AsJSON = False,
) -> None:
    """Print new points, alerts and the status of a model as they come, until its run ends or Ctrl-C.

    The exit code is 1 if the run failed or was lost.
    """
    ask()
    found, line = find_model(what, model, experiment), _Line()
    for line in _lines(found, interval):
        print_text(json.dumps(sayable(line)) if as_json else _text(line))
        sys.stdout.flush()
    if line["status"] == "failed":
        fail(f"the run of {found.display_name} failed: {line.get('error', '')}".rstrip(": "))
    if line["status"] == "lost":
        fail(f"the run of {found.display_name} is lost: the server has not heard of it for five minutes")


def _text(line: _Line) -> str:
    # Titles of the server have it.
    has_step = line.get("step") is not None and line.get("cause", "client") == "client"
    step = f"step {line['step']}" if has_step else None
    words = [line.get(name) for name in ("time", "metric", "level", "alert", "status", "more", "error")]
    value = brief(line["value"]) if "value" in line else None
    return "  ".join(word for word in (*words, step, value) if word)


def _lines(model: Model, interval: float) -> Iterator[_Line]:
    seen, alerts = _Seen(model), _NewAlerts(model)
    told = ""
    while True:
        # In this order: what was logged before a run ended is there when it is seen to have.
        status = model.status or "never ran"
        yield from seen.news()
        yield from alerts.news()
        if status != told:
            told = status
            yield {"time": _time(datetime.now(UTC)), "status": status, **_error(model, status)}
        if status in ("finished", "failed", "lost"):
            return
        time.sleep(interval)


def _error(model: Model, status: str) -> dict[str, str]:
    if status != "failed" or not (runs := model.runs):
        return {}
    return {"error": runs[-1].error.strip().rpartition("\n")[2]}


class _NewAlerts:
    """The alerts of a model that come while it is watched."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._newest = {one.id for one in self._newer(set(), most=1)}

    def news(self) -> Iterator[_Line]:
        """Yields a line for each new one, in the order they came."""
        new = self._newer(self._newest)
        self._newest = {new[0].id} if new else self._newest
        for one in reversed(new):
            yield {
                "time": _time(one.at),
                "alert": one.title,
                "level": one.level,
                "step": one.step,
                "cause": one.cause,
                "text": one.text,
            }

    def _newer(self, known: set[UUID], most: int | None = None) -> list[Alert]:
        # Those of a model are stored one after the other: what is behind a known one is older.
        with contextlib.suppress(Unimplemented):  # of a server that is older than alerts
            return list(islice(takewhile(lambda one: one.id not in known, self._model.alerts), most))
        return []


class _Seen:
    """What was printed of each series: the newest point at first, then all that came after it."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._client = model._client
        self._cursors: dict[tuple[str, str | None], int] = {}
        self._newest: dict[tuple[str, str | None], str] = {}
        self._is_begun = False

    def news(self) -> Iterator[_Line]:
        """Yields a line for each new point."""
        request = metric_pb2.ListSeriesRequest(model_ids=[str(self._model.id)])
        for summary in iterate(self._client, self._client.stubs.metrics.ListSeries, request, "series"):
            last = Metric._from_wire(summary.last)
            key = last.name, last.phase
            if self._newest.get(key) != summary.last.id:
                self._newest[key] = summary.last.id
                yield from self._points(*key)
        self._is_begun = True

    def _points(self, name: str, phase: str | None) -> Iterator[_Line]:
        key = metric_pb2.SeriesKey(model_id=str(self._model.id), name=name, phase=phase or "")
        if not self._is_begun:
            yield from self._first(key, phase)
            return
        for _, found in series.read(self._client, [key], self._cursors.get((name, phase), 0)):
            self._cursors[name, phase] = found.cursor
            points = list(zip(found.steps, found.values, found.times, strict=True))
            if sys.stdout.isatty() and len(points) > MOST_POINTS:
                more = f"{len(points) - MOST_POINTS:,} points"
                yield {"time": _time(to_datetime(int(points[0][2]))), "metric": label_of(name, phase), "more": more}
                points = points[-MOST_POINTS:]
            for step, value, time_us in points:
                yield _line(label_of(name, phase), step, value, time_us)

    def _first(self, key: metric_pb2.SeriesKey, phase: str | None) -> Iterator[_Line]:
        """The newest point alone, and where to go on after it: one answer says both."""
        for _, buckets in series.many_buckets(self._client, [key], 0, 1):
            self._cursors[key.name, phase] = buckets.cursor
            yield _line(label_of(key.name, phase), buckets.last_steps[-1], buckets.lasts[-1], buckets.last_times[-1])


def _line(label: str, step: Any, value: Any, time_us: Any) -> _Line:
    value = value.item() if hasattr(value, "item") else value
    has_step = int(step) != series.NO_STEP
    return {
        "time": _time(to_datetime(int(time_us))),
        "metric": label,
        "step": int(step) if has_step else None,
        "value": value,
    }


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
