"""Metrics: append-only points of a model."""

import reprlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self, overload
from uuid import UUID

from xpstore import series
from xpstore._notebook import chart
from xpstore._notebook.curve import MOST_PARTS, Axis, of_buckets
from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._spool.record import ARRAYS, HAS_STEP, IS_INT, RecordType, Target
from xpstore._values.checks import invalid, to_name, to_scalar, to_step
from xpstore._values.display_names import display_name
from xpstore._values.ids import sent_id
from xpstore._values.json_text import to_json, to_keys
from xpstore._values.numbers import INT64, to_numbers, to_steps
from xpstore._values.times import to_datetime
from xpstore.errors import InvalidArgument, NotFound
from xpstore.series import Buckets, Series, label_of, to_value
from xpstore.v1 import metric_pb2 as pb
from xpstore.v1 import model_pb2

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from xpstore._spool.recorder import Recorder

__all__ = ["Metric", "Metrics"]

_MODES = {"max": pb.BEST_MODE_MAX, "min": pb.BEST_MODE_MIN}
# Points of one record of arrays: 1 MiB in the spool, 1.5 MiB on the wire.
ARRAY_POINTS = 65_536
_NOTHING: Any = object()


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
        return cls(sent_id(wire.id), point.name, to_value(point), step, phase, to_datetime(point.time_us))

    def __repr__(self) -> str:
        value = reprlib.repr(self.value)
        return f"Metric(name={self.name!r}, value={value}, step={self.step}, phase={self.phase!r})"


class Metrics:
    """The metric points of a model, in the order they were logged."""

    def __init__(self, client: ClientBase, target: Target) -> None:
        self._client = client
        self._target = target

    @cached_property
    def _recorder(self) -> "Recorder":
        return self._client.recorder

    def __getstate__(self) -> dict[str, Any]:
        return {"_client": self._client, "_target": self._target}

    def log(self, name: str, value: Any = _NOTHING, step: int | None = None, phase: str | None = None) -> None:
        """Appends a point. It is in the spool when this returns, and goes to the server in the background.

        Never waits for the server and raises nothing for its sake. Points of a model that was deleted are dropped, with
        a warning, and counted in `client.dropped_count`.

        Args:
            name: what is measured, 1 to 256 characters.
            value: a number, or any JSON value. One with `.item()` is taken for the number in it (numpy, torch); tuples
                are lists there, and keys that are numbers, True, False or None are text.
            step: the training step, never negative; 3.0 counts as 3.
            phase: such as "train" or "test".

        Raises:
            InvalidArgument: a value is malformed.
            ResourceExhausted: the spool is full, if the client is strict.
        """
        if type(value) is not float:
            if value is _NOTHING:
                raise _without_value(name)
            value = _checked(value)
            if isinstance(value, str):
                return self._log_json(name, value, step, phase)
        try:
            self._recorder.point(self._target, name, phase, value, step)
        except TypeError:  # a name or phase that no dictionary takes
            to_name("name", name)
            if phase is not None:
                to_name("phase", phase)
            raise

    add = log

    def log_many(self, values: Mapping[Any, Any], step: int | None = None, phase: str | None = None) -> None:
        """Appends a point of each name.

        Args:
            values: name and value of each, as of `log`. Names that are numbers become text, as keys of a value do.
            step: the training step of all.
            phase: the phase of all.

        Raises:
            InvalidArgument: a value is malformed; none is logged then.
        """
        step = to_step("step", step) if step is not None else None
        if not isinstance(values, Mapping):
            raise invalid("values", values, "must be a dictionary of names and values")
        try:
            names = to_keys(values)
        except (TypeError, ValueError) as error:
            raise invalid("values", values, f"must have names for keys ({error})") from None
        checked = [(to_name("name", name), _checked(value)) for name, value in zip(names, values.values(), strict=True)]
        if phase is not None:
            phase = to_name("phase", phase)
        for name, value in checked:
            self._log_checked(name, value, step, phase)

    def log_arrays(
        self, name: str, steps: Iterable[float] | None, values: Iterable[float], phase: str | None = None
    ) -> None:
        """Appends many points of one name, millions a second.

        Booleans, integers beyond 64 bits, and beside floats those beyond 2^53 are logged one by one: they stay exact.

        Args:
            name: what is measured, 1 to 256 characters.
            steps: the training step of each, or None; floats that are integers count.
            values: numbers, in a list or an array of numpy, torch, pandas or pyarrow with one dimension; none missing
                or masked.
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
        numbers = to_numbers("values", values)
        count = len(numbers) if isinstance(numbers, list) else numbers.size
        packed_steps = to_steps(steps, count) if steps is not None else b""
        if isinstance(numbers, list):
            each = memoryview(packed_steps).cast("q").tolist() if packed_steps else [None] * count
            for value, step in zip(map(_checked, numbers), each, strict=True):
                self._log_checked(name, value, step, phase)
            return
        packed, is_int, _ = numbers
        form = (IS_INT if is_int else 0) | (HAS_STEP if steps is not None else 0)
        time_us = time.time_ns() // 1000
        size = 8 * ARRAY_POINTS
        for start in range(0, 8 * count, size):
            part = packed[start : start + size]
            payload = (ARRAYS.pack(len(part) // 8, time_us), packed_steps[start : start + size], part)
            self._recorder.spool.of_series(RecordType.ARRAYS, self._target, name, phase, form, *payload)
            self._recorder.hurry()

    def _log_checked(self, name: str, value: float | str, step: int | None, phase: str | None) -> None:
        if isinstance(value, str):
            self._log_json(name, value, step, phase)
        else:
            self._recorder.point(self._target, name, phase, value, step)

    def _log_json(self, name: str, text: str, step: int | None, phase: str | None) -> None:
        point = pb.MetricPoint(json_value=text, time_us=time.time_ns() // 1000)
        if step is not None:
            point.step = to_step("step", step)
        payload = point.SerializeToString()
        self._recorder.spool.of_series(RecordType.VALUE, self._target, name, phase, 0, payload)

    def names(self) -> "list[str]":
        """Returns the names of what was measured, in alphabetical order, each once whatever phases it has.

        Raises:
            NotFound: the model was deleted.
        """
        request = pb.ListSeriesRequest(model_ids=[self._target.model_id])
        found = iterate(self._client, self._client.stubs.metrics.ListSeries, request, "series")
        return list(dict.fromkeys(one.name for one in found))

    def last(self, name: str, phase: str | None = None) -> Metric | None:
        """Returns the point of this name that was logged last, None if there is none.

        Raises:
            NotFound: the model was deleted.
        """
        request = pb.GetLastMetricRequest(model_id=self._target.model_id, **_sought(name, phase))
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
        sought = _sought(name, phase)
        request = pb.GetBestMetricRequest(model_id=self._target.model_id, **sought, mode=_MODES[mode])
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
        key = pb.SeriesKey(model_id=self._target.model_id, **_sought(name, phase))
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

    def plot(
        self,
        *names: str,
        phase: str | None = None,
        x: Axis = "step",
        log: bool = False,
        ax: "Axes | None" = None,
    ) -> "Axes":
        """Draws metrics with matplotlib: a line for each name and phase, of 1,000 buckets at most.

        Args:
            names: one or several.
            phase: only points of this phase; "" for those without one; None for all, each phase a line of its own.
            x: "step" or "time". Of points without any step it is their number, from 1.
            log: whether y is logarithmic.
            ax: where to draw; default a figure of its own.

        Raises:
            ImportError: matplotlib is not installed.
            InvalidArgument: there are no numbers of a name.
            NotFound: the model was deleted.

        Example:
            ```python
            model.metrics.plot("loss", log=True)
            ```
        """
        chart.check_matplotlib()
        keys = [pb.SeriesKey(model_id=self._target.model_id, **_sought(name, phase)) for name in dict.fromkeys(names)]
        if not keys:
            raise InvalidArgument('names are missing: metrics.plot("loss")')
        model = self._client.call(
            self._client.stubs.models.GetModel, model_pb2.GetModelRequest(model_id=self._target.model_id)
        ).model
        called = display_name(model.name if model.HasField("name") else None, sent_id(model.id))
        found = [one for _, one in series.many_buckets(self._client, keys, 0, MOST_PARTS)]
        labels = [called if len(found) == 1 else f"{called} {label_of(one.name, one.phase)}" for one in found]
        curves = [of_buckets(label, one, x) for label, one in zip(labels, found, strict=True)]
        drawn = {one.name for one, curve in zip(found, curves, strict=True) if curve.has_numbers}
        if missing := [label_of(key.name, phase) for key in keys if key.name not in drawn]:
            raise InvalidArgument(f"names: {called} has no numbers of {', '.join(map(repr, missing))}")
        ylabel = ", ".join(key.name for key in keys)
        return chart.draw([one for one in curves if one.has_numbers], ylabel=ylabel, log_scale=log, ax=ax)

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
        name = to_name("name", name) if name is not None else None
        request = pb.ListMetricsRequest(model_id=self._target.model_id, name=name)
        method, page_size = self._client.stubs.metrics.ListMetrics, self._client.limits.max_points
        wires = iterate(self._client, method, request, "metrics", page_size=page_size)
        return [Metric._from_wire(wire) for wire in wires]

    def __repr__(self) -> str:
        return f"Metrics(model_id={self._target.model_id!r})"


def _sought(name: Any, phase: Any) -> dict[str, Any]:
    """What is asked for; the phase "" are points without one."""
    return {"name": to_name("name", name), "phase": to_name("phase", phase) if phase else phase}


def _without_value(name: Any) -> InvalidArgument:
    if isinstance(name, Mapping):
        return invalid("name", name, "must be text: metrics.log_many(values, step) takes a dictionary")
    return invalid("value", None, f"is missing: metrics.log({name!r}, value)")


def _checked(value: Any) -> float | str:
    kind = type(value)
    return value if kind is float or (kind is int and -INT64 <= value < INT64) else _plain(value)


def _plain(value: Any) -> float | str:
    """A float, an integer of 64 bits, or the JSON text of any other value."""
    if callable(getattr(value, "item", None)):
        try:
            value = to_scalar(value)
        except (ValueError, RuntimeError) as error:
            raise invalid("value", value, f"log value.tolist() if it is no scalar ({error})") from None
        except TypeError as error:
            raise invalid("value", value, str(error)) from None
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int) and not isinstance(value, bool) and -INT64 <= value < INT64:
        return int(value)
    return to_json("value", value)
