"""Metrics: append-only points of a model."""

import reprlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self, overload
from uuid import UUID

from xpstore import series
from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._spool.record import ARRAYS, HAS_STEP, IS_INT, RecordType, Target
from xpstore._values.checks import invalid, to_json, to_name, to_scalar, to_step
from xpstore._values.numbers import to_numbers, to_steps
from xpstore._values.times import to_datetime
from xpstore.errors import InvalidArgument, NotFound
from xpstore.series import Buckets, Series, to_value
from xpstore.v1 import metric_pb2 as pb

__all__ = ["Metric", "Metrics"]

_MODES = {"max": pb.BEST_MODE_MAX, "min": pb.BEST_MODE_MIN}
# Points of one record of arrays: 1 MiB in the spool, 1.5 MiB on the wire.
ARRAY_POINTS = 65_536


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

    def __init__(self, client: ClientBase, target: Target) -> None:
        self._client = client
        self._target = target
        self._recorder = client.recorder

    def log(self, name: str, value: Any, step: int | None = None, phase: str | None = None) -> None:
        """Appends a point. It is in the spool when this returns, and goes to the server in the background.

        Never waits for the server and raises nothing for its sake. Points of a model that was deleted are dropped, with
        a warning, and counted in `client.dropped_count`.

        Args:
            name: what is measured, 1 to 256 characters.
            value: a number, or any JSON value. One with `.item()` is taken for the number in it (numpy, torch).
            step: the training step, never negative.
            phase: such as "train" or "test".

        Raises:
            InvalidArgument: a value is malformed.
            ResourceExhausted: the spool is full, if the client is strict.
        """
        if type(value) is not float:
            value = _checked(value)
            if isinstance(value, str):
                return self._log_json(name, value, step, phase)
        self._recorder.point(self._target, name, phase, value, step)

    add = log

    def log_many(self, values: Mapping[str, Any], step: int | None = None, phase: str | None = None) -> None:
        """Appends a point of each name.

        Args:
            values: name and value of each, as of `log`.
            step: the training step of all.
            phase: the phase of all.

        Raises:
            InvalidArgument: a value is malformed; none is logged then.
        """
        step = to_step("step", step) if step is not None else None
        plain = {to_name("name", name): _checked(value) for name, value in values.items()}
        if phase is not None:
            to_name("phase", phase)
        for name, value in plain.items():
            if isinstance(value, str):
                self._log_json(name, value, step, phase)
            else:
                self._recorder.point(self._target, name, phase, value, step)

    def log_arrays(
        self, name: str, steps: Sequence[int] | None, values: Sequence[float], phase: str | None = None
    ) -> None:
        """Appends many points of one name, millions a second.

        Args:
            name: what is measured, 1 to 256 characters.
            steps: the training step of each, or None.
            values: numbers, in a list or an array of numpy or torch with one dimension.
            phase: such as "train" or "test".

        Raises:
            InvalidArgument: a value is malformed; none is logged then.

        Example:
            ```python
            model.metrics.log_arrays("loss", range(3), [0.3, 0.2, 0.1], phase="train")
            ```
        """
        name = to_name("name", name)
        phase = to_name("phase", phase) if phase is not None else None
        packed, is_int, count = to_numbers("values", values)
        packed_steps = to_steps(steps, count) if steps is not None else b""
        form = (IS_INT if is_int else 0) | (HAS_STEP if steps is not None else 0)
        time_us = time.time_ns() // 1000
        size = 8 * ARRAY_POINTS
        for start in range(0, 8 * count, size):
            part = packed[start : start + size]
            payload = (ARRAYS.pack(len(part) // 8, time_us), packed_steps[start : start + size], part)
            self._recorder.spool.of_series(RecordType.ARRAYS, self._target, name, phase, form, *payload)
            self._recorder.hurry()

    def _log_json(self, name: str, text: str, step: int | None, phase: str | None) -> None:
        point = pb.MetricPoint(json_value=text, time_us=time.time_ns() // 1000)
        if step is not None:
            point.step = to_step("step", step)
        payload = point.SerializeToString()
        self._recorder.spool.of_series(RecordType.VALUE, self._target, name, phase, 0, payload)

    def last(self, name: str, phase: str | None = None) -> Metric | None:
        """Returns the point of this name that was logged last, None if there is none.

        Raises:
            NotFound: the model was deleted.
        """
        request = pb.GetLastMetricRequest(model_id=self._target.model_id, name=name, phase=phase)
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
        request = pb.GetBestMetricRequest(model_id=self._target.model_id, name=name, phase=phase, mode=_MODES[mode])
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
        key = pb.SeriesKey(model_id=self._target.model_id, name=name, phase=phase)
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
        request = pb.DeleteMetricRequest(model_id=self._target.model_id, metric_id=str(metric.id))
        self._client.call(self._client.stubs.metrics.DeleteMetric, request)

    def clear(self) -> None:
        """Deletes all points of the model."""
        request = pb.ClearMetricsRequest(model_id=self._target.model_id)
        self._client.call(self._client.stubs.metrics.ClearMetrics, request)

    def list(self, name: str | None = None) -> list[Metric]:
        """Returns all points, or those of one name, in the order they were logged.

        Raises:
            NotFound: the model was deleted.
        """
        request = pb.ListMetricsRequest(model_id=self._target.model_id, name=name)
        method, page_size = self._client.stubs.metrics.ListMetrics, self._client.limits.max_points
        wires = iterate(self._client, method, request, "metrics", page_size=page_size)
        return [Metric._from_wire(wire) for wire in wires]

    def __repr__(self) -> str:
        return f"Metrics(model_id={self._target.model_id!r})"


_INT64 = 1 << 63


def _checked(value: Any) -> float | str:
    kind = type(value)
    return value if kind is float or (kind is int and -_INT64 <= value < _INT64) else _plain(value)


def _plain(value: Any) -> float | str:
    """A float, an integer of 64 bits, or the JSON text of any other value."""
    if callable(getattr(value, "item", None)):
        try:
            value = to_scalar(value)
        except (ValueError, RuntimeError, TypeError) as error:
            raise invalid("value", value, f"log value.tolist() if it is no scalar ({error})") from None
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int) and not isinstance(value, bool) and -_INT64 <= value < _INT64:
        return int(value)
    return to_json("value", value)
