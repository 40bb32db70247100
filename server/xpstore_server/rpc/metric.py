"""MetricService."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row

from xpstore.v1 import metric_pb2 as pb
from xpstore.v1 import metric_pb2_grpc
from xpstore_server.auth import principal
from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.ingesting import ingest
from xpstore_server.core.ingesting.pieces import pieces
from xpstore_server.core.ingesting.records import ModelRecords, Piece
from xpstore_server.core.metrics import buckets, metric, series, summaries
from xpstore_server.rpc.blocks import Compactor
from xpstore_server.rpc.fields import a_name, a_uuid, if_set
from xpstore_server.rpc.metric_wire import COLUMNS, packed_buckets, packed_points, parts_of, summary_to_wire, to_wire
from xpstore_server.rpc.paging import Pager, fitting
from xpstore_server.rpc.piecewise import removed
from xpstore_server.store.database import SEARCH_SECONDS, Database
from xpstore_server.store.transaction import Transaction

FEW_POINTS = 10
FEW_BYTES = 16 << 10  # JSON takes time to read
AS_MANY_AS_FIT = 1 << 30
BYTES_AT_ONCE = 256 << 10  # of answers that wait to be sent


class MetricService(metric_pb2_grpc.MetricServiceServicer):
    def __init__(self, database: Database, compactor: Compactor) -> None:
        self._database = database
        self._compactor = compactor

    async def LogMetrics(self, request: pb.LogMetricsRequest, context: Any) -> pb.LogMetricsResponse:
        model_id, writer_id = a_uuid("model_id", request.model_id), a_uuid("writer_id", request.writer_id)
        if not 0 <= request.first_point <= limits.STEP:
            raise InvalidArgument("first_point", request.first_point, f"must be between 0 and {limits.STEP}")
        count = len(request.points)
        if count > limits.POINTS:
            raise InvalidArgument("points", count, f"must be at most {limits.POINTS}: send several")
        # A few are read sooner than a thread begins.
        is_few = count <= FEW_POINTS and request.ByteSize() <= FEW_BYTES
        some = _pieces(request, model_id) if is_few else await self._database.call_async(_pieces, request, model_id)
        whose: dict[str, Any] = {"who": principal(), "model_id": model_id, "writer_id": writer_id}
        next_point = request.first_point
        for piece in some:
            unit = partial(ingest.log, **whose, first_point=request.first_point, piece=piece)
            ingested = await self._database.write_async(unit)
            next_point = ingested.next_record
            self._compactor.compact(ingested.series_ids)
        return pb.LogMetricsResponse(next_point=next_point, stored_count=count)

    async def ListMetrics(self, request: pb.ListMetricsRequest, context: Any) -> pb.ListMetricsResponse:
        model_id = a_uuid("model_id", request.model_id)
        name = if_set(request, "name", a_name)
        pager = Pager("metrics", model_id, name)
        page = pager.page(request.page_size, request.page_token, limits.POINTS)

        def unit(tx: Transaction) -> pb.ListMetricsResponse:  # here, as the event loop has no time for a large page
            points, key = metric.list_page(tx, model_id, name, page)
            return pb.ListMetricsResponse(metrics=map(to_wire, points), next_page_token=pager.token(key))

        return await self._database.read_async(unit)

    async def GetLastMetric(self, request: pb.GetLastMetricRequest, context: Any) -> pb.GetLastMetricResponse:
        model_id = a_uuid("model_id", request.model_id)
        name = a_name("name", request.name)
        phase = if_set(request, "phase", a_name)
        point = await self._database.read_async(lambda tx: metric.last(tx, model_id=model_id, name=name, phase=phase))
        return pb.GetLastMetricResponse(metric=to_wire(point))

    async def GetBestMetric(self, request: pb.GetBestMetricRequest, context: Any) -> pb.GetBestMetricResponse:
        key: dict[str, Any] = {"model_id": a_uuid("model_id", request.model_id), "name": a_name("name", request.name)}
        key["phase"] = if_set(request, "phase", a_name)
        if request.mode not in (pb.BEST_MODE_MIN, pb.BEST_MODE_MAX):
            raise InvalidArgument("mode", request.mode, "must be BEST_MODE_MIN or BEST_MODE_MAX")
        is_largest = request.mode == pb.BEST_MODE_MAX
        point = await self._database.read_async(lambda tx: metric.best(tx, **key, is_largest=is_largest))
        return pb.GetBestMetricResponse(metric=to_wire(point))

    async def ListSeries(self, request: pb.ListSeriesRequest, context: Any) -> pb.ListSeriesResponse:
        _at_most("model_ids", len(request.model_ids))
        _at_most("names", len(request.names))
        ids = list(dict.fromkeys(a_uuid("model_ids", id_) for id_ in request.model_ids))
        names = [a_name("names", name) for name in request.names]
        pager = Pager("series", ids, names)
        page = pager.page(request.page_size or AS_MANY_AS_FIT, request.page_token, AS_MANY_AS_FIT)

        def unit(tx: Transaction) -> pb.ListSeriesResponse:  # here, as the event loop has no time for a large page
            found, key = summaries.list_page(tx, ids, names, page)
            wires = ((one, summary_to_wire(one.row)) for one in found)
            some, key = fitting(wires, key, "place", "name", "phase")
            return pb.ListSeriesResponse(series=some, next_page_token=pager.token(key))

        return await self._database.read_async(unit, SEARCH_SECONDS)

    async def ReadSeries(self, request: pb.ReadSeriesRequest, context: Any) -> AsyncIterator[pb.ReadSeriesResponse]:
        _at_most("keys", len(request.keys))
        keys = [_a_key(f"keys[{number}]", wire) for number, wire in enumerate(request.keys)]
        if not 0 <= request.since <= limits.STEP:
            raise InvalidArgument("since", request.since, f"must be between 0 and {limits.STEP}")
        if not 0 <= request.buckets <= limits.BUCKETS:
            raise InvalidArgument("buckets", request.buckets, f"must be between 0 and {limits.BUCKETS}")
        for name in ("axis", "axis_start", "axis_end", "columns", "binary32"):
            if not request.buckets and (request.HasField(name) if name.startswith("axis_") else getattr(request, name)):
                raise InvalidArgument(name, "", "needs `buckets`")
        answers = self._divided(keys, _asked(request)) if request.buckets else self._parts(keys, request.since)
        # Some for each turn of a thread: of short series each is ready sooner than a thread begins.
        while some := await self._database.call_async(_next_few, answers):
            for answer in some:
                yield answer

    def _parts(self, keys: list[series.SeriesKey], since: int) -> Iterator[pb.ReadSeriesResponse]:
        found = self._database.read(partial(series.find, keys=keys))
        for together in series.read_many(self._database, found, since - 1):
            for place, points in together:
                yield pb.ReadSeriesResponse(**_head(found[place]), points=packed_points(points))

    def _divided(self, keys: list[series.SeriesKey], asked: "_Asked") -> Iterator[pb.ReadSeriesResponse]:
        found = self._database.read(partial(series.find, keys=keys))
        axis = None
        if asked.of is None:
            divided = buckets.neighbours(self._database, found, asked.since - 1, asked.count)
        else:
            axis = buckets.axis(self._database, found, asked.of, asked.count, asked.start, asked.end)
            if axis is None:
                return
            divided = buckets.along(self._database, found, asked.since - 1, axis)
        for place, one in divided:
            wire = packed_buckets(one, axis, asked.columns, asked.type)
            yield pb.ReadSeriesResponse(**_head(found[place]), buckets=wire)

    async def DeleteMetric(self, request: pb.DeleteMetricRequest, context: Any) -> pb.DeleteMetricResponse:
        key = {"model_id": a_uuid("model_id", request.model_id), "metric_id": a_uuid("metric_id", request.metric_id)}
        deleted = await self._database.write_async(lambda tx: metric.delete(tx, **key))
        return pb.DeleteMetricResponse(deleted=deleted)

    async def ClearMetrics(self, request: pb.ClearMetricsRequest, context: Any) -> pb.ClearMetricsResponse:
        model_id = a_uuid("model_id", request.model_id)
        count = await removed(self._database, lambda tx: metric.clear_some(tx, model_id))
        return pb.ClearMetricsResponse(deleted_count=count)


def _pieces(request: pb.LogMetricsRequest, model_id: str) -> Sequence[Piece]:
    parts = parts_of(list(enumerate(request.points)), "points")
    if len(parts) > limits.SERIES:
        fix = f"must have at most {limits.SERIES} names with their phases: send several"
        raise InvalidArgument("points", len(parts), fix, limit="max_series", expected=limits.SERIES)
    return pieces(len(request.points), [ModelRecords(model_id, parts)])


def _head(row: Row[Any]) -> dict[str, Any]:
    return {"model_id": row.model_id, "name": row.name, "phase": row.phase or None}


def _next_few(answers: Iterator[pb.ReadSeriesResponse]) -> list[pb.ReadSeriesResponse]:
    some, size = list[pb.ReadSeriesResponse](), 0
    for answer in answers:
        some.append(answer)
        size += answer.ByteSize()
        if size >= BYTES_AT_ONCE:
            break
    return some


def _at_most(field: str, count: int) -> None:
    if count > limits.IDS:
        raise InvalidArgument(field, count, f"must be at most {limits.IDS}: ask several times")


@dataclass(frozen=True, slots=True)
class _Asked:
    """Which buckets are wanted."""

    since: int
    count: int
    of: buckets.AxisOf | None
    start: int | None
    end: int | None
    columns: frozenset[int]
    type: str


_AXES: dict[int, buckets.AxisOf] = {pb.BUCKET_AXIS_STEP: "step", pb.BUCKET_AXIS_TIME: "time"}


def _asked(request: pb.ReadSeriesRequest) -> _Asked:
    of = _AXES.get(request.axis)
    if request.axis and of is None:
        raise InvalidArgument("axis", request.axis, "must be BUCKET_AXIS_STEP or BUCKET_AXIS_TIME, or not set")
    ends = dict[str, int | None]()
    for name in ("axis_start", "axis_end"):
        ends[name] = if_set(request, name, _an_end)
        if of is None and ends[name] is not None:
            raise InvalidArgument(name, ends[name], "needs `axis`")
    start, end = ends.values()
    if start is not None and end is not None and end <= start:
        raise InvalidArgument("axis_end", end, f"must be more than axis_start, {start}")
    if not set(request.columns) <= COLUMNS:
        raise InvalidArgument("columns", list(request.columns), "must be columns of buckets")
    return _Asked(
        since=request.since,
        count=request.buckets,
        of=of,
        start=start,
        end=end,
        columns=frozenset(request.columns) or COLUMNS,
        type="<f4" if request.binary32 else "<f8",
    )


def _an_end(field: str, value: int) -> int:
    if not 0 <= value <= limits.STEP:
        raise InvalidArgument(field, value, f"must be between 0 and {limits.STEP}")
    return value


def _a_key(field: str, wire: pb.SeriesKey) -> series.SeriesKey:
    phase = wire.phase and a_name(f"{field}.phase", wire.phase) if wire.HasField("phase") else None
    return series.SeriesKey(a_uuid(f"{field}.model_id", wire.model_id), a_name(f"{field}.name", wire.name), phase)
