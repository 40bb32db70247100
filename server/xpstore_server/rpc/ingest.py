"""IngestService."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from xpstore.v1 import alert_pb2, ingest_pb2_grpc
from xpstore.v1 import ingest_pb2 as pb
from xpstore_server.auth import principal
from xpstore_server.core import alert, iteration, limits, model, model_step, module
from xpstore_server.core.alert import NewAlert
from xpstore_server.core.console import Printed
from xpstore_server.core.errors import InvalidArgument, renamed
from xpstore_server.core.ingesting import ingest
from xpstore_server.core.ingesting.pieces import pieces
from xpstore_server.core.ingesting.records import Apply, ConsolePiece, Event, ModelRecords, Piece
from xpstore_server.core.ingesting.writers import Method, Writer
from xpstore_server.core.metrics.metric import SeriesPart
from xpstore_server.core.module import NewModule
from xpstore_server.rpc.alert import LEVELS
from xpstore_server.rpc.blocks import Compactor
from xpstore_server.rpc.fields import (
    a_json_object,
    a_name,
    a_step,
    a_text,
    a_time,
    a_uuid,
    an_offset,
    if_set,
    tags_of,
)
from xpstore_server.rpc.metric_wire import part_of, parts_of
from xpstore_server.store.database import Database
from xpstore_server.store.transaction import Transaction

Dropped = Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a request brings, cut into what is stored at once."""

    writer: Writer
    first_record: int
    pieces: Sequence[Piece]


class IngestService(ingest_pb2_grpc.IngestServiceServicer):
    def __init__(self, database: Database, compactor: Compactor) -> None:
        self._database = database
        self._compactor = compactor

    async def Ingest(self, request: pb.IngestRequest, context: Any) -> pb.IngestResponse:
        ingested = await self._store(await self._database.call_async(_batch, request, principal()))
        return pb.IngestResponse(next_record=ingested.next_record, dropped=_to_wire(ingested.dropped))

    async def IngestStream(
        self, requests: AsyncIterator[pb.IngestStreamRequest], context: Any
    ) -> pb.IngestStreamResponse:
        next_record, every = 0, Dropped()
        batch = await self._next(requests)
        while batch is not None:
            storing = asyncio.ensure_future(self._store(batch))
            try:
                batch = await self._next(requests)  # received and read meanwhile
            finally:
                ingested = await storing
            next_record = ingested.next_record
            every.update(ingested.dropped)
        return pb.IngestStreamResponse(next_record=next_record, dropped=_to_wire(every))

    async def _next(self, requests: AsyncIterator[pb.IngestStreamRequest]) -> _Batch | None:
        request = await anext(requests, None)
        if request is None:
            return None
        with renamed("batch.{}".format):
            return await self._database.call_async(_batch, request.batch, principal())

    async def _store(self, batch: _Batch) -> ingest.Ingested:
        next_record, dropped = 0, Dropped()
        for piece in batch.pieces:
            unit = partial(ingest.ingest, writer=batch.writer, first_record=batch.first_record, piece=piece)
            ingested = await self._database.write_async(unit)
            next_record = ingested.next_record
            dropped.update(ingested.dropped)
            self._compactor.compact(ingested.series_ids)
        return ingest.Ingested(next_record, dropped)


def _batch(request: pb.IngestRequest, who: str) -> _Batch:
    for field in ("first_record", "record_count"):
        if not 0 <= getattr(request, field) <= limits.STEP:
            raise InvalidArgument(field, getattr(request, field), f"must be between 0 and {limits.STEP}")
    project_uid, writer_id = a_uuid("project_uid", request.project_uid), a_uuid("writer_id", request.writer_id)
    writer = Writer(project_uid, writer_id, Method.INGEST, who)
    models = [
        _records(f"models[{number}]", wire, request.record_count, who) for number, wire in enumerate(request.models)
    ]
    if len({records.model_id for records in models}) < len(models):
        raise InvalidArgument("models", len(models), "must name each model once")
    points = sum(len(part.points) for records in models for part in records.parts)
    if points > limits.BATCH_POINTS:
        fix = f"must have at most {limits.BATCH_POINTS} points: send several"
        raise InvalidArgument("models", points, fix, limit="max_packed_points", expected=limits.BATCH_POINTS)
    return _Batch(writer, request.first_record, pieces(request.record_count, models))


def _records(field: str, wire: pb.ModelRecords, record_count: int, who: str) -> ModelRecords:
    model_id = a_uuid(f"{field}.model_id", wire.model_id)
    for name, places in (("points", wire.points), ("events", wire.events)):
        worst = max((place.record for place in places), default=0)
        if places and worst >= record_count:
            raise InvalidArgument(f"{field}.{name}.record", worst, f"must be below record_count = {record_count}")
    plain = [(point.record, point.point) for point in wire.points]
    parts: list[SeriesPart] = parts_of(plain, f"{field}.points", "point.")
    for number, packed in enumerate(wire.series):
        parts.append(part_of(packed, f"{field}.series[{number}]", record_count))
    events = [
        Event(event.record, _event(f"{field}.events[{number}]", model_id, event, who))
        for number, event in enumerate(wire.events)
    ]
    return ModelRecords(model_id, parts, events)


def _event(field: str, model_id: str, wire: pb.EventRecord, who: str) -> NewModule | ConsolePiece | Apply:
    match wire.WhichOneof("event"):
        case "module":
            return _module(f"{field}.module", model_id, wire.module)
        case "iteration":
            iteration_id = a_uuid(f"{field}.iteration.iteration_id", wire.iteration.iteration_id)
            at_step = a_step(f"{field}.iteration.step", wire.iteration.step)
            return partial(iteration.create, model_id=model_id, iteration_id=iteration_id, step=at_step)
        case "step":
            return partial(model_step.set_to, principal=who, model_id=model_id, step=a_step(f"{field}.step", wire.step))
        case "tags":
            add, remove = tags_of(f"{field}.tags.add", wire.tags.add), tags_of(f"{field}.tags.remove", wire.tags.remove)
            return partial(model.change_tags, principal=who, model_id=model_id, add=add, remove=remove)
        case "console":
            return _console(f"{field}.console", wire.console)
        case "alert":
            return partial(alert.record, model_id=model_id, new=_alert(f"{field}.alert", wire.alert))
        case _:
            raise InvalidArgument(f"{field}.event", "", "must be module, iteration, step, tags, console or alert")


def _module(field: str, model_id: str, wire: pb.ModuleEvent) -> NewModule | Apply:
    new = NewModule(
        a_uuid(f"{field}.module_id", wire.module_id),
        a_name(f"{field}.name", wire.name),
        a_json_object(f"{field}.attributes_json", wire.attributes_json),
    )
    at_step = if_set(wire, "iteration_step", a_step, f"{field}.")
    if at_step is None:
        return new

    def create(tx: Transaction) -> None:
        module.create(tx, module.Owner("", iteration.get_by_step(tx, model_id=model_id, step=at_step).id), new)

    return create


def _console(field: str, wire: pb.ConsoleEvent) -> ConsolePiece:
    run_id, text = a_uuid(f"{field}.run_id", wire.run_id), wire.text.encode()
    offset = an_offset(f"{field}.offset", wire.offset)
    if len(text) > limits.CONSOLE_TEXT_BYTES:
        fix = f"must have at most {limits.CONSOLE_TEXT_BYTES} bytes: send several"
        told = {"limit": "max_console_text_bytes", "expected": limits.CONSOLE_TEXT_BYTES}
        raise InvalidArgument(f"{field}.text", wire.text, fix, **told)
    return ConsolePiece(run_id, Printed(offset, text))


def _alert(field: str, wire: pb.AlertEvent) -> NewAlert:
    level = wire.level or alert_pb2.ALERT_LEVEL_WARNING
    if level not in LEVELS:
        raise InvalidArgument(f"{field}.level", level, "must be one of AlertLevel")
    return NewAlert(
        id=a_uuid(f"{field}.alert_id", wire.alert_id),
        level=LEVELS[level],
        cause="client",
        title=a_name(f"{field}.title", wire.title),
        text=a_text(f"{field}.text", wire.text),
        step=if_set(wire, "step", a_step, f"{field}."),
        at_us=a_time(f"{field}.at_us", wire.at_us) or None,
    )


def _to_wire(dropped: Dropped) -> Iterable[pb.DroppedRecords]:
    for (model_id, reason), count in sorted(dropped.items()):
        yield pb.DroppedRecords(model_id=model_id, count=count, reason=reason)
