"""Series: the points of one name and phase as columns, whole or in buckets."""

import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar
from uuid import UUID

from xpstore._notebook import chart
from xpstore._notebook.curve import Axis, Curve, of_buckets, of_points
from xpstore._notebook.html import facts, shown
from xpstore._notebook.svg import WIDTH, svg
from xpstore._session.client import ClientBase
from xpstore._values.json_text import from_json
from xpstore._values.numbers import EXACT, INT64
from xpstore._values.times import to_datetime
from xpstore.errors import InvalidArgument
from xpstore.v1 import metric_pb2 as pb

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes

__all__ = ["Buckets", "Series", "read_many"]

NO_STEP = -1
# Series asked for in one call.
MOST_KEYS = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Points of one name and phase, in the order they were logged; columns of equal length.

    With numpy installed columns are arrays, else sequences of the standard library. Values are float64 or int64, where
    floats and integers are mixed float64 if each is a double, and a list of what was logged in any other case.

    Attributes:
        name: what was measured.
        phase: such as "train"; None for points without one.
        steps: training steps, -1 where none was given.
        values: the values as they were logged.
        times: microseconds since the epoch, UTC.
        cursor: `since=` for what comes next; 0 if there are no points.
    """

    name: str
    phase: str | None
    steps: Any
    values: Any
    times: Any
    cursor: int

    def __len__(self) -> int:
        return len(self.steps)

    def to_pandas(self) -> "pandas.DataFrame":
        """Returns a frame with the columns `step` (nullable), `value` and `time` (UTC).

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas  # here: it may be missing

        steps = pandas.Series(self.steps, dtype="int64").astype("Int64")
        steps = steps.mask(steps == NO_STEP)
        times = pandas.to_datetime(pandas.Series(self.times, dtype="int64"), unit="us", utc=True)
        # A list has what no column of numbers can say: pandas would make doubles of large integers, and NaN of None.
        values = pandas.Series(self.values, dtype=object if isinstance(self.values, list) else None)
        return pandas.DataFrame({"step": steps, "value": values, "time": times})

    def __repr__(self) -> str:
        return f"Series(name={self.name!r}, phase={self.phase!r}, {len(self)} points)"

    def plot(
        self, x: Axis = "step", *, log: bool = False, label: str | None = None, ax: "Axes | None" = None
    ) -> "Axes":
        """Draws it with matplotlib: of more than 1,000 points the means of neighbours, in a band of what they have.

        Args:
            x: "step" or "time". Of points without any step it is their number, from 1.
            log: whether y is logarithmic.
            label: what it is called in the legend, such as `model.display_name`; default its name and phase.
            ax: where to draw; default a figure of its own.

        Raises:
            ImportError: matplotlib is not installed.
            InvalidArgument: it has no numbers.
        """
        chart.check_matplotlib()
        label = label_of(self.name, self.phase) if label is None else label
        return _drawn(of_points(label, self.steps, self.values, self.times, x), self.name, log, ax)

    def _repr_html_(self) -> str:
        """A line with a few facts, for notebooks."""

        def parts() -> Iterator[str]:
            curve = of_points(label_of(self.name, self.phase), self.steps, self.values, self.times, "step", most=WIDTH)
            yield facts([*_facts(curve), ("times", _times(self.times)), ("", svg(curve))])

        return shown(self.__repr__, parts())


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """Neighbouring points of one name and phase taken together; columns with one entry for each bucket.

    Every finite number counts: the smallest and the largest of all are there. NaN where a bucket has none.

    Attributes:
        name: what was measured.
        phase: such as "train"; None for points without one.
        counts: points in each.
        mins: smallest number of each.
        maxs: largest number of each.
        firsts: number of the first point of each, NaN if it is none.
        lasts: number of the last point of each, NaN if it is none.
        means: mean of the numbers of each.
        first_steps: step of the first point of each, -1 where none was given.
        last_steps: step of the last point of each, -1 where none was given.
        first_times: time of the first point of each, microseconds since the epoch, UTC.
        last_times: time of the last point of each, microseconds since the epoch, UTC.
        cursor: `since=` for what comes next.
    """

    name: str
    phase: str | None
    counts: Any
    mins: Any
    maxs: Any
    firsts: Any
    lasts: Any
    means: Any
    first_steps: Any
    last_steps: Any
    first_times: Any
    last_times: Any
    cursor: int

    def __len__(self) -> int:
        return len(self.counts)

    @classmethod
    def _from_wire(cls, part: pb.ReadSeriesResponse) -> Self:
        wire = part.buckets
        integers = ("counts", "first_steps", "last_steps")
        columns: dict[str, Any] = {name: _column(getattr(wire, name), "q") for name in integers}
        for name in ("mins", "maxs", "firsts", "lasts", "means"):
            columns[name] = _column(getattr(wire, name), "d")
        columns["first_times"] = _column(wire.first_times_us, "q")
        columns["last_times"] = _column(wire.last_times_us, "q")
        return cls(name=part.name, phase=_phase(part), **columns, cursor=wire.last_ordinal + 1)

    def __repr__(self) -> str:
        return f"Buckets(name={self.name!r}, phase={self.phase!r}, {len(self)} buckets)"

    def plot(
        self, x: Axis = "step", *, log: bool = False, label: str | None = None, ax: "Axes | None" = None
    ) -> "Axes":
        """Draws the means with matplotlib, in a band of what each has. Arguments and errors as of `Series.plot`."""
        chart.check_matplotlib()
        return _drawn(
            of_buckets(label_of(self.name, self.phase) if label is None else label, self, x), self.name, log, ax
        )

    def _repr_html_(self) -> str:
        """A line with a few facts, for notebooks."""

        def parts() -> Iterator[str]:
            curve = of_buckets(label_of(self.name, self.phase), self, "step")
            yield facts([*_facts(curve), ("points", sum(map(int, self.counts))), ("", svg(curve))])

        return shown(self.__repr__, parts())


def _drawn(curve: Curve, name: str, log_scale: bool, ax: "Axes | None") -> "Axes":
    if not curve.has_numbers:
        raise InvalidArgument(f"{curve.label!r} has no numbers to draw")
    return chart.draw([curve], ylabel=name, log_scale=log_scale, ax=ax)


def _facts(curve: Curve) -> list[tuple[str, Any]]:
    if not curve.has_numbers:
        return []
    spans = list(curve.spans())
    least, most = (
        pick(n for span in spans for n in side[span]) for pick, side in ((min, curve.lows), (max, curve.highs))
    )
    return [(f"{curve.unit}s", f"{curve.xs[0]:g} to {curve.xs[-1]:g}"), ("smallest", least), ("largest", most)]


def _times(times: Any) -> str:
    return (
        f"{to_datetime(int(times[0])):%Y-%m-%d %H:%M:%S} to {to_datetime(int(times[-1])):%Y-%m-%d %H:%M:%S} UTC"
        if len(times)
        else ""
    )


class HasSeries(Protocol):
    """A model."""

    _client: ClientBase

    @property
    def id(self) -> UUID:
        """Its id."""


Model = TypeVar("Model", bound=HasSeries)


def read_many(
    models: Iterable[Model], names: Iterable[str], phase: str | None = None, *, since: int = 0
) -> dict[Model, list[Series]]:
    """Reads series of many models in as few calls as can be.

    Args:
        models: of one client.
        names: what was measured.
        phase: only points of this phase; None for all, each phase a series of its own.
        since: only points after a cursor.

    Returns:
        For each model its series that have points, by name as given and phase.
    """
    by_id = {str(model.id): model for model in models}
    found: dict[Model, list[Series]] = {model: [] for model in by_id.values()}
    names = list(dict.fromkeys(names))
    keys = [pb.SeriesKey(model_id=id_, name=name, phase=phase) for id_ in by_id for name in names]
    if not keys:
        return found
    client = next(iter(found))._client
    for start in range(0, len(keys), MOST_KEYS):
        for model_id, series in read(client, keys[start : start + MOST_KEYS], since):
            found[by_id[model_id]].append(series)
    return found


def read(client: ClientBase, keys: Sequence[pb.SeriesKey], since: int = 0) -> Iterator[tuple[str, Series]]:
    """Yields the id of the model and the points of each series that has some."""
    gathered: list[pb.ReadSeriesResponse] = []
    for part in _parts(client, pb.ReadSeriesRequest(keys=keys, since=_a_cursor(since))):
        if gathered and _identity(gathered[0]) != _identity(part):
            yield gathered[0].model_id, _series(gathered)
            gathered = []
        gathered.append(part)
    if gathered:
        yield gathered[0].model_id, _series(gathered)


def read_buckets(client: ClientBase, key: pb.SeriesKey, since: int, buckets: int) -> list[Buckets]:
    """Returns buckets of each series of a key.

    Raises:
        InvalidArgument: `buckets` is out of range.
    """
    if not 1 <= buckets <= 10_000:
        raise InvalidArgument(f"buckets = {buckets}: must be between 1 and 10,000")
    return [one for _, one in many_buckets(client, [key], since, buckets)]


def many_buckets(
    client: ClientBase, keys: Sequence[pb.SeriesKey], since: int, buckets: int
) -> Iterator[tuple[str, Buckets]]:
    """Yields the id of the model and buckets of each series that has points."""
    request = pb.ReadSeriesRequest(keys=keys, since=_a_cursor(since), buckets=buckets)
    for part in _parts(client, request):
        yield part.model_id, Buckets._from_wire(part)


def label_of(name: str, phase: str | None) -> str:
    """What a series is called."""
    return name if phase is None else f"{name}[{phase}]"


def empty(name: str, phase: str | None, since: int = 0) -> Series:
    """A series without points."""
    return Series(name, phase, _column(b"", "q"), _column(b"", "d"), _column(b"", "q"), since)


def _a_cursor(since: int) -> int:
    if not 0 <= since < 1 << 63:
        raise InvalidArgument(f"since = {since}: must be a cursor that was returned")
    return since


def _parts(client: ClientBase, request: pb.ReadSeriesRequest) -> list[pb.ReadSeriesResponse]:
    """All parts of the answer; a stream that breaks is asked for again while time is left."""
    for attempt in client.attempts():
        with attempt:
            return list(client.stream(client.stubs.metrics.ReadSeries, request))
    raise AssertionError("the last attempt returns or raises")


def _identity(part: pb.ReadSeriesResponse) -> tuple[str, str, str | None]:
    return part.model_id, part.name, _phase(part)


def _phase(part: pb.ReadSeriesResponse) -> str | None:
    return part.phase if part.HasField("phase") else None


def _series(parts: Sequence[pb.ReadSeriesResponse]) -> Series:
    points = [part.points for part in parts]
    counts = [len(some.ordinals) // 8 for some in points]
    steps = b"".join(
        some.steps or struct.pack("<q", NO_STEP) * count for some, count in zip(points, counts, strict=True)
    )
    times = b"".join(some.times_us for some in points)
    (last,) = struct.unpack("<q", points[-1].ordinals[-8:])
    head = (parts[0].name, _phase(parts[0]))
    return Series(*head, _column(steps, "q"), _values(points), _column(times, "q"), last + 1)


def _values(points: Sequence[pb.PackedPoints]) -> Any:
    kinds = {some.WhichOneof("values") for some in points}
    if kinds == {"float_values"}:
        return _column(b"".join(some.float_values for some in points), "d")
    if kinds == {"int_values"}:
        return _column(b"".join(some.int_values for some in points), "q")
    values = [value for some in points for value in _listed(some)]
    types = set(map(type, values))
    if types == {int} and all(-INT64 <= value < INT64 for value in values):
        return _column(array("q", values).tobytes(), "q")
    if types <= {int, float} and all(type(value) is float or -EXACT <= value <= EXACT for value in values):
        return _column(array("d", values).tobytes(), "d")
    return values


def _listed(points: pb.PackedPoints) -> list[Any]:
    if points.HasField("float_values"):
        return array("d", points.float_values).tolist()
    if points.HasField("int_values"):
        return array("q", points.int_values).tolist()
    return [to_value(point) for point in points.mixed_values.points]


def to_value(point: pb.MetricPoint) -> Any:
    """The value of a point as it was logged."""
    kind = point.WhichOneof("value")
    return from_json("a value", point.json_value) if kind == "json_value" else getattr(point, str(kind))


def _column(data: bytes, code: str) -> Any:
    """A column of 8-byte numbers, numpy's where it is installed; all platforms that have wheels are little-endian."""
    try:
        import numpy  # here: it may be missing
    except ImportError:
        return array(code, data)
    return numpy.frombuffer(data, "<i8" if code == "q" else "<f8")
