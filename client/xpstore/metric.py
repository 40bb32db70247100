"""Metrics: append-only points of a model."""

import os
import reprlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Self, overload
from uuid import UUID

from xpstore import series
from xpstore.client import Client, new_id
from xpstore.errors import InvalidArgument, NotFound, Stale
from xpstore.paging import iterate
from xpstore.series import Buckets, Series, to_value
from xpstore.stamps import to_datetime
from xpstore.v1 import metric_pb2 as pb
from xpstore.wire import invalid, to_int64, to_json, to_scalar

if TYPE_CHECKING:
    from xpstore.model import Model

__all__ = ["Metric", "Metrics"]

_MODES = {"max": pb.BEST_MODE_MAX, "min": pb.BEST_MODE_MIN}


@dataclass(frozen=True, slots=True, repr=False)
class Metric:
    """One stored point.

    Attributes:
        id: its id, unique over all projects.
        name: what was measured.
        value: the value as it was logged: an integer stays one, NaN stays NaN.
        step: the training step, None if none was given.
        phase: such as "train" or "test", None if none was given.
        time: when it was logged, UTC.
    """

    id: UUID
    name: str
    value: Any = field(hash=False)
    step: int | None
    phase: str | None
    time: datetime

    @classmethod
    def _from_wire(cls, wire: pb.Metric) -> Self:
        point = wire.point
        step = point.step if point.HasField("step") else None
        phase = point.phase if point.HasField("phase") else None
        return cls(UUID(wire.id), point.name, to_value(point), step, phase, to_datetime(point.time_us))

    def __repr__(self) -> str:
        value = reprlib.repr(self.value)
        return f"Metric(name={self.name!r}, value={value}, step={self.step}, phase={self.phase!r})"


class Metrics:
    """The metric points of a model, in the order they were logged."""

    def __init__(self, model: "Model") -> None:
        self._model = model
        self._client = model._client

    def log(self, name: str, value: Any, step: int | None = None, phase: str | None = None) -> None:
        """Appends a point.

        Args:
            name: what is measured, 1 to 256 characters.
            value: a number, or any JSON value. One with `.item()` is taken for the number in it (numpy, torch).
            step: the training step, never negative.
            phase: such as "train" or "test".

        Raises:
            InvalidArgument: a value is malformed.
            NotFound: the model was deleted.
        """
        point = pb.MetricPoint(name=name, phase=phase, time_us=time.time_ns() // 1000)
        if step is not None:
            point.step = to_int64("step", step)
        _set_value(point, value)
        self._client.metric_writer.write(self._model, [point])

    add = log

    def last(self, name: str, phase: str | None = None) -> Metric | None:
        """Returns the point of this name that was logged last, None if there is none.

        Raises:
            NotFound: the model was deleted.
        """
        request = pb.GetLastMetricRequest(model_id=str(self._model.id), name=name, phase=phase)
        return self._one(self._client.stubs.metrics.GetLastMetric, request)

    def best(self, name: str, phase: str | None = None, mode: Literal["max", "min"] = "max") -> Metric | None:
        """Returns the point with the largest or smallest finite value of this name, the earliest of those.

        Args:
            name: what was measured.
            phase: only points of this phase; else of all.
            mode: "max" for the largest, "min" for the smallest.

        Returns:
            None if no point has a finite number.

        Raises:
            InvalidArgument: `mode` is neither.
            NotFound: the model was deleted.
        """
        if mode not in _MODES:
            raise InvalidArgument(f"mode = {mode!r}: must be 'max' or 'min'")
        request = pb.GetBestMetricRequest(model_id=str(self._model.id), name=name, phase=phase, mode=_MODES[mode])
        return self._one(self._client.stubs.metrics.GetBestMetric, request)

    def _one(self, method: Any, request: Any) -> Metric | None:
        try:
            return Metric._from_wire(self._client.call(method, request).metric)
        except NotFound as error:
            if error.metadata.get("resource") != "metric":
                raise
            return None

    @overload
    def read(self, name: str, phase: str | None = None, *, since: int = 0) -> Series: ...

    @overload
    def read(self, name: str, phase: str | None = None, *, since: int = 0, buckets: int) -> Buckets | None: ...

    def read(
        self, name: str, phase: str | None = None, *, since: int = 0, buckets: int | None = None
    ) -> Series | Buckets | None:
        """Returns the points of one series as columns, or buckets of them.

        Args:
            name: what was measured.
            phase: which series; None for points without a phase, or for the only phase there is.
            since: only what was logged after the `cursor` of an earlier answer. Points never appear behind one.
            buckets: take neighbours together, into at most so many buckets; every extremum is kept.

        Returns:
            None if buckets were asked for and there is no point.

        Raises:
            InvalidArgument: the name has several phases and none is given.

        Example:
            ```python
            loss = model.metrics.read("loss", "train")
            print(loss.steps, loss.values, loss.to_pandas())
            tail = model.metrics.read("loss", "train", since=loss.cursor)
            ```
        """
        key = pb.SeriesKey(model_id=str(self._model.id), name=name, phase=phase)
        found: list[Any]
        if buckets is not None:
            found = series.read_buckets(self._client, key, since, buckets)
        else:
            found = [one for _, one in series.read(self._client, [key], since)]
        if len(found) > 1:
            phases = ", ".join(repr(one.phase) for one in found)
            raise InvalidArgument(f"phase: {name!r} has the phases {phases}: say which, '' for none")
        if found or buckets is not None:
            return found[0] if found else None
        return series.empty(name, phase or None, since)

    def remove(self, metric: Metric) -> None:
        """Deletes a point. Does nothing when it is gone."""
        request = pb.DeleteMetricRequest(model_id=str(self._model.id), metric_id=str(metric.id))
        self._client.call(self._client.stubs.metrics.DeleteMetric, request)

    def clear(self) -> None:
        """Deletes all points of the model."""
        request = pb.ClearMetricsRequest(model_id=str(self._model.id))
        self._client.call(self._client.stubs.metrics.ClearMetrics, request)

    def list(self, name: str | None = None) -> list[Metric]:
        """Returns all points, or those of one name, in the order they were logged.

        Raises:
            NotFound: the model was deleted.
        """
        request = pb.ListMetricsRequest(model_id=str(self._model.id), name=name)
        method, page_size = self._client.stubs.metrics.ListMetrics, self._client.limits.max_points
        wires = iterate(self._client, method, request, "metrics", page_size=page_size)
        return [Metric._from_wire(wire) for wire in wires]

    def __repr__(self) -> str:
        return f"Metrics({self._model!r})"


def _set_value(point: pb.MetricPoint, value: Any) -> None:
    if callable(getattr(value, "item", None)):
        try:
            value = to_scalar(value)
        except (ValueError, RuntimeError, TypeError) as error:
            raise invalid("value", value, f"log value.tolist() if it is no scalar ({error})") from None
    if isinstance(value, float):
        point.float_value = value
    elif isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63:
        point.int_value = value
    else:
        point.json_value = to_json("value", value)


class MetricWriter:
    """Sends the points of one client and process so that each is stored exactly once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}

    def write(self, model: "Model", points: Sequence[pb.MetricPoint]) -> None:
        """Stores points of a model, in order."""
        if self._pid != os.getpid():
            self._begin()  # a forked child is a writer of its own; the lock may be held by a thread it does not have
        with self._lock:
            try:
                self._send(model, points)
            except Stale:
                # The server does not know this writer any more, and has stored nothing of this.
                del self._places[model.project_uid]
                self._send(model, points)

    def _send(self, model: "Model", points: Sequence[pb.MetricPoint]) -> None:
        place = self._places.setdefault(model.project_uid, _Place())
        request = pb.LogMetricsRequest(
            model_id=str(model.id), points=points, writer_id=place.writer_id, first_point=place.next_point
        )
        try:
            place.next_point = self._client.call(self._client.stubs.metrics.LogMetrics, request).next_point
        except BaseException as error:
            # What came of it is not known, and other points under its numbers would be taken for it.
            if not isinstance(error, Stale):
                del self._places[model.project_uid]
            raise


@dataclass(slots=True)
class _Place:
    """How far this writer got in one project."""

    writer_id: str = field(default_factory=new_id)
    next_point: int = 0
