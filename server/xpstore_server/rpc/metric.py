"""MetricService."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from xpstore.v1 import metric_pb2 as pb
from xpstore.v1 import metric_pb2_grpc
from xpstore_server.core import limits, metric
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.rpc.fields import a_json, a_name, a_step, a_time, a_uuid, if_set
from xpstore_server.rpc.paging import Pager
from xpstore_server.store.database import Database, Transaction

SLICE = 500  # points checked before other calls get their turn


class MetricService(metric_pb2_grpc.MetricServiceServicer):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def LogMetrics(self, request: pb.LogMetricsRequest, context: Any) -> pb.LogMetricsResponse:
        batch = {"model_id": a_uuid("model_id", request.model_id), "writer_id": a_uuid("writer_id", request.writer_id)}
        if not 0 <= request.first_point <= limits.STEP:
            raise InvalidArgument("first_point", request.first_point, f"must be between 0 and {limits.STEP}")
        if len(request.points) > limits.POINTS:
            raise InvalidArgument("points", len(request.points), f"must be at most {limits.POINTS}: send several")
        points = await _points(request.points)
        next_point = await self._database.write_async(
            lambda tx: metric.log(tx, **batch, first_point=request.first_point, points=points)
        )
        return pb.LogMetricsResponse(next_point=next_point, stored_count=len(points))

    async def ListMetrics(self, request: pb.ListMetricsRequest, context: Any) -> pb.ListMetricsResponse:
        model_id = a_uuid("model_id", request.model_id)
        name = if_set(request, "name", a_name)
        pager = Pager("metrics", model_id, name)
        page = pager.page(request.page_size, request.page_token, limits.POINTS)

        def unit(tx: Transaction) -> pb.ListMetricsResponse:  # here, as the event loop has no time for a large page
            rows, key = metric.list_page(tx, model_id, name, page)
            return pb.ListMetricsResponse(metrics=map(to_wire, rows), next_page_token=pager.token(key))

        return await self._database.read_async(unit)

    async def GetLastMetric(self, request: pb.GetLastMetricRequest, context: Any) -> pb.GetLastMetricResponse:
        model_id = a_uuid("model_id", request.model_id)
        name = a_name("name", request.name)
        phase = if_set(request, "phase", a_name)
        row = await self._database.read_async(lambda tx: metric.last(tx, model_id=model_id, name=name, phase=phase))
        return pb.GetLastMetricResponse(metric=to_wire(row))

    async def DeleteMetric(self, request: pb.DeleteMetricRequest, context: Any) -> pb.DeleteMetricResponse:
        key = {"model_id": a_uuid("model_id", request.model_id), "metric_id": a_uuid("metric_id", request.metric_id)}
        deleted = await self._database.write_async(lambda tx: metric.delete(tx, **key))
        return pb.DeleteMetricResponse(deleted=deleted)

    async def ClearMetrics(self, request: pb.ClearMetricsRequest, context: Any) -> pb.ClearMetricsResponse:
        model_id = a_uuid("model_id", request.model_id)
        count = await self._database.write_async(lambda tx: metric.clear(tx, model_id))
        return pb.ClearMetricsResponse(deleted_count=count)


async def _points(wires: Sequence[pb.MetricPoint]) -> list[metric.Point]:
    points = []
    for number, wire in enumerate(wires):
        try:
            points.append(_point("", wire))
        except InvalidArgument:
            _point(f"points[{number}].", wire)  # fails again, and says where
        if number % SLICE == SLICE - 1:
            await asyncio.sleep(0)
    return points


def _point(prefix: str, wire: pb.MetricPoint) -> metric.Point:
    match wire.WhichOneof("value"):
        case "float_value":
            kind, value = "float", repr(wire.float_value)  # the shortest text that reads as the same number
        case "int_value":
            kind, value = "int", str(wire.int_value)
        case "json_value":
            kind, value = "json", a_json(f"{prefix}json_value", wire.json_value)
        case _:
            raise InvalidArgument(f"{prefix}value", "", "must be float_value, int_value or json_value")
    return metric.Point(
        name=a_name(f"{prefix}name", wire.name),
        kind=kind,
        value=value,
        step=if_set(wire, "step", a_step, prefix),
        phase=if_set(wire, "phase", a_name, prefix),
        time_us=if_set(wire, "time_us", a_time, prefix),
    )


def to_wire(row: Row[Any]) -> pb.Metric:
    value: dict[str, Any]
    match row.kind:
        case "float":
            value = {"float_value": float(row.value)}
        case "int":
            value = {"int_value": int(row.value)}
        case _:
            value = {"json_value": row.value}
    point = pb.MetricPoint(name=row.name, step=row.step, phase=row.phase, time_us=row.time_us, **value)
    return pb.Metric(id=metric.id_of(row.model_id, row.ordinal), model_id=row.model_id, point=point)
