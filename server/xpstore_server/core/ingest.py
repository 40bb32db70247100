"""What training processes record: each record exactly once, whatever is repeated or cut anew."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import bindparam, select

from xpstore_server.core import metric, model, project
from xpstore_server.core.errors import NotFound, ServiceError, Stale
from xpstore_server.core.metric import Part
from xpstore_server.store.database import Transaction
from xpstore_server.store.tables import model as model_table
from xpstore_server.store.tables import writer

_PROGRESS = select(writer.c.next_point).where(
    writer.c.project_uid == bindparam("project"), writer.c.writer_id == bindparam("writer")
)
_MOVE = writer.update().where(
    writer.c.project_uid == bindparam("project"),
    writer.c.writer_id == bindparam("writer"),
    writer.c.next_point == bindparam("known"),
)
_PROJECT_OF = select(model_table.c.project_uid).where(
    model_table.c.id == bindparam("key"), project.is_live(model_table.c.project_uid)
)

Apply = Callable[[Transaction], object]


@dataclass(frozen=True, slots=True)
class Event:
    """Anything but a point: what stores it, and which record it is of."""

    record: int
    apply: Apply


@dataclass(frozen=True, slots=True)
class ModelRecords:
    """What was recorded of one model."""

    model_id: str
    parts: Sequence[Part]
    events: Sequence[Event] = ()


@dataclass(slots=True)
class Ingested:
    """What came of a batch.

    Attributes:
        next_record: the number the writer goes on from.
        dropped: how many points and events of each model were not stored, by model and reason.
        series_ids: series whose blocks should be put together.
    """

    next_record: int
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    series_ids: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of a writer."""

    project_uid: str
    writer_id: str
    first_record: int
    record_count: int
    models: Sequence[ModelRecords]


def project_of(tx: Transaction, model_id: str) -> str:
    """The project of a live model."""
    uid: str | None = tx.execute(_PROJECT_OF, {"key": model_id}).scalar()
    if uid is None:
        raise NotFound("model", model_id)
    return uid


def log(
    tx: Transaction, *, model_id: str, writer_id: str, first_point: int, count: int, parts: Sequence[Part]
) -> Ingested:
    """Stores points of one model, each a record of its own. Raises as `ingest`, and NotFound if the model is gone."""
    batch = Batch(project_of(tx, model_id), writer_id, first_point, count, [ModelRecords(model_id, parts)])
    ingested = _ingest(tx, batch)
    if ingested.dropped:
        raise NotFound("model", model_id)
    return ingested


def ingest(tx: Transaction, batch: Batch) -> Ingested:
    """Stores the records that the writer has not sent before. Records of models that are gone are dropped.

    Raises:
        NotFound: the project is gone.
        Stale: records before these are missing.
    """
    project.get(tx, project_uid=batch.project_uid)
    return _ingest(tx, batch)


def _ingest(tx: Transaction, batch: Batch) -> Ingested:
    end = batch.first_record + batch.record_count
    while True:
        known = tx.execute(_PROGRESS, {"project": batch.project_uid, "writer": batch.writer_id}).scalar()
        if known is not None and known >= end:
            return Ingested(known)
        if batch.first_record > (known or 0):
            raise Stale(f"Record {batch.first_record} is not the next of this writer.", expected=known or 0)
        if _move(tx, batch, known, end):
            break  # else the same batch is being stored by another call: look again what is known now
    ingested = Ingested(end)
    # Sorted: two replicas that lock the same models in different orders would deadlock.
    for records in sorted(batch.models, key=lambda one: one.model_id):
        _store(tx, batch.project_uid, _after(records, (known or 0) - batch.first_record), ingested)
    return ingested


def _move(tx: Transaction, batch: Batch, known: int | None, end: int) -> bool:
    if known is None:
        row = {"project_uid": batch.project_uid, "writer_id": batch.writer_id, "next_point": end}
        return tx.insert_ignore(writer, row) == 1
    still = {"project": batch.project_uid, "writer": batch.writer_id, "known": known}
    return tx.execute(_MOVE, {**still, "next_point": end}).rowcount == 1


def _after(records: ModelRecords, skipped: int) -> ModelRecords:
    """Without what the first records of the batch brought: they are stored."""
    if skipped <= 0:
        return records
    parts = []
    for part in records.parts:
        is_new = part.records >= skipped
        parts.append(Part(part.name, part.phase, part.points.where(is_new), part.records[is_new]))
    return ModelRecords(records.model_id, parts, [event for event in records.events if event.record >= skipped])


def _store(tx: Transaction, project_uid: str, records: ModelRecords, ingested: Ingested) -> None:
    points = sum(len(part.points) for part in records.parts)
    if not points and not records.events:
        return
    try:
        if records.events and model.lock(tx, records.model_id).project_uid != project_uid:
            raise NotFound("model", records.model_id)
        # The points first: they take the lock of the model, and say if it is gone.
        due = metric.append(tx, model_id=records.model_id, project_uid=project_uid, parts=records.parts)
    except NotFound as error:
        ingested.dropped[records.model_id, str(error)] += points + len(records.events)
        return
    ingested.series_ids |= due
    for event in records.events:
        try:
            with tx.savepoint():
                event.apply(tx)
        except ServiceError as error:
            ingested.dropped[records.model_id, str(error)] += 1
