"""What training processes record: each record exactly once, whatever is repeated or cut anew."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import and_, bindparam, select

from xpstore_server.core import experiment, metric, model, module, project
from xpstore_server.core.errors import NotFound, ServiceError, Stale
from xpstore_server.core.metric import SeriesPart
from xpstore_server.core.module import NewModule
from xpstore_server.store.tables import model as model_table
from xpstore_server.store.tables import writer
from xpstore_server.store.transaction import Transaction

_PROGRESS = select(writer.c.next_point).where(
    writer.c.project_uid == bindparam("project"), writer.c.writer_id == bindparam("writer")
)
_MOVE = writer.update().where(
    writer.c.project_uid == bindparam("project"),
    writer.c.writer_id == bindparam("writer"),
    writer.c.next_point == bindparam("known"),
)
_MINE = and_(writer.c.project_uid == model_table.c.project_uid, writer.c.writer_id == bindparam("writer"))
# Project of a live model, and how far the writer got in it.
_PROGRESS_OF = (
    select(model_table.c.project_uid, writer.c.next_point)
    .outerjoin(writer, _MINE)
    .where(model_table.c.id == bindparam("key"), experiment.is_live(model_table.c.experiment_id))
)

Apply = Callable[[Transaction], object]


@dataclass(frozen=True, slots=True)
class Event:
    """Anything but a point: a module of the model, or what stores it, and which record it is of."""

    record: int
    what: NewModule | Apply


@dataclass(frozen=True, slots=True)
class ModelRecords:
    """What was recorded of one model."""

    model_id: str
    parts: Sequence[SeriesPart]
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


def log(
    tx: Transaction, *, model_id: str, writer_id: str, first_point: int, count: int, parts: Sequence[SeriesPart]
) -> Ingested:
    """Stores points of one model, each a record of its own. Raises as `ingest`, and NotFound if the model is gone."""
    owner = tx.first(_PROGRESS_OF, {"key": model_id, "writer": writer_id})
    if owner is None:
        raise NotFound("model", model_id)
    batch = Batch(owner.project_uid, writer_id, first_point, count, [ModelRecords(model_id, parts)])
    ingested = _ingest(tx, batch, owner.next_point)
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
    return _ingest(tx, batch, _progress(tx, batch))


def _progress(tx: Transaction, batch: Batch) -> int | None:
    known: int | None = tx.execute(_PROGRESS, {"project": batch.project_uid, "writer": batch.writer_id}).scalar()
    return known


def _ingest(tx: Transaction, batch: Batch, known: int | None) -> Ingested:
    """Stores a batch; `known` is how far its writer got."""
    end = batch.first_record + batch.record_count
    while True:
        if known is not None and known >= end:
            return Ingested(known)
        if batch.first_record > (known or 0):
            raise Stale(f"Record {batch.first_record} is not the next of this writer.", expected=known or 0)
        if _move(tx, batch, known, end):
            break
        known = _progress(tx, batch)  # the same batch is being stored by another call
    ingested = Ingested(end)
    _store(tx, batch.project_uid, [_after(each, (known or 0) - batch.first_record) for each in batch.models], ingested)
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
        parts.append(SeriesPart(part.name, part.phase, part.points.where(is_new), part.records[is_new]))
    return ModelRecords(records.model_id, parts, [event for event in records.events if event.record >= skipped])


def _store(tx: Transaction, project_uid: str, every: Sequence[ModelRecords], ingested: Ingested) -> None:
    every = [records for records in every if records.events or _points(records)]
    new = list[tuple[str, NewModule]]()
    live = _locked(tx, project_uid, every)
    for records in every:
        id_ = records.model_id
        try:
            if id_ not in live:
                raise NotFound("model", id_)
            ingested.series_ids |= metric.append(tx, model_id=id_, project_uid=project_uid, parts=records.parts)
        except NotFound as error:
            ingested.dropped[id_, str(error)] += _points(records) + len(records.events)
            continue
        for event in records.events:
            if isinstance(event.what, NewModule):
                new.append((id_, event.what))
            else:
                _try(tx, id_, event.what, ingested)
    _store_modules(tx, new, ingested)


def _locked(tx: Transaction, project_uid: str, every: Sequence[ModelRecords]) -> set[str]:
    """Which models the project has. They are locked, but for points of one alone: `append` does that."""
    ids = {records.model_id for records in every}
    if len(every) == 1 and not every[0].events:
        return ids
    return model.lock_all(tx, project_uid, ids)


def _points(records: ModelRecords) -> int:
    return sum(len(part.points) for part in records.parts)


def _store_modules(tx: Transaction, new: list[tuple[str, NewModule]], ingested: Ingested) -> None:
    """All at once or, if one cannot be stored, each on its own."""
    if not new:
        return
    try:
        with tx.savepoint():
            module.create_all(tx, new)
    except ServiceError:
        for each in new:
            _try(tx, each[0], partial(module.create_all, new=[each]), ingested)


def _try(tx: Transaction, model_id: str, apply: Apply, ingested: Ingested) -> None:
    try:
        with tx.savepoint():
            apply(tx)
    except ServiceError as error:
        ingested.dropped[model_id, str(error)] += 1
