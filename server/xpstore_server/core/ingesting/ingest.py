"""What training processes record: each record exactly once, whatever is repeated or cut anew."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from xpstore_server.core import console, model, module
from xpstore_server.core.console import Printed
from xpstore_server.core.errors import NotFound, ServiceError, Stale
from xpstore_server.core.ingesting import writers
from xpstore_server.core.ingesting.records import Apply, ConsolePiece, ModelRecords, Piece
from xpstore_server.core.ingesting.writers import Method, Writer
from xpstore_server.core.metrics import appending
from xpstore_server.core.metrics.metric import SeriesPart
from xpstore_server.core.module import NewModule
from xpstore_server.store.transaction import Transaction


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


def log(tx: Transaction, *, who: str, model_id: str, writer_id: str, first_point: int, piece: Piece) -> Ingested:
    """Stores a piece of points of one model, each a record of its own. Raises as `ingest`, and NotFound if it is gone.

    Args:
        who: the principal; a writer of the same id that somebody else began is another one.
        first_point: the number of the first point of the batch.
    """
    owner = writers.progress_of(tx, model_id, writer_id, Method.LOG_METRICS, who)
    if owner is None:
        raise NotFound("model", model_id)
    ingested = _ingest(tx, owner[0], first_point, piece, owner[1])
    if ingested.dropped:
        raise NotFound("model", model_id)
    return ingested


def ingest(tx: Transaction, writer: Writer, first_record: int, piece: Piece) -> Ingested:
    """Stores those records of a piece that the writer has not sent before; those of models that are gone are dropped.

    Args:
        first_record: the number of the first record of the batch.

    Raises:
        NotFound: the project is gone.
        Stale: records before these are missing.
    """
    return _ingest(tx, writer, first_record, piece, writers.progress(tx, writer))


def _ingest(tx: Transaction, writer: Writer, first_record: int, piece: Piece, known: int | None) -> Ingested:
    """Stores a piece; `known` is how far its writer got."""
    start, end = first_record + piece.start, first_record + piece.end
    while True:
        if known is not None and known >= end:
            return Ingested(known)
        if start > (known or 0):
            raise Stale(f"Record {start} is not the next of this writer.", expected=known or 0)
        if writers.move(tx, writer, known, end):
            break
        known = writers.progress(tx, writer)  # the same piece is being stored by another call
    ingested = Ingested(end)
    _store(tx, writer.project_uid, [_after(each, (known or 0) - first_record) for each in piece.models], ingested)
    return ingested


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
    every = [records for records in every if records.events or records.points()]
    firsts = model.allot(tx, project_uid, {records.model_id: records.points() for records in every})
    there = [records for records in every if records.model_id in firsts]
    ingested.series_ids |= appending.append(tx, project_uid, {one.model_id: one.parts for one in there}, firsts)
    new = list[tuple[str, NewModule]]()
    consoles = defaultdict[tuple[str, str], list[Printed]](list)
    for records in every:
        id_ = records.model_id
        if id_ not in firsts:
            ingested.dropped[id_, str(NotFound("model", id_))] += records.points() + len(records.events)
            continue
        for event in records.events:
            if isinstance(event.what, NewModule):
                new.append((id_, event.what))
            elif isinstance(event.what, ConsolePiece):
                consoles[id_, event.what.run_id].append(event.what.printed)
            else:
                _try(tx, id_, event.what, ingested)
    for id_, module_id in module.create_all(tx, project_uid, new):
        ingested.dropped[id_, str(module.is_taken(module_id))] += 1
    for (id_, run_id), printed in consoles.items():
        append = partial(console.append, model_id=id_, run_id=run_id, pieces=printed)
        _try(tx, id_, append, ingested, len(printed))


def _try(tx: Transaction, model_id: str, apply: Apply, ingested: Ingested, count: int = 1) -> None:
    try:
        with tx.savepoint():
            apply(tx)
    except ServiceError as error:
        ingested.dropped[model_id, str(error)] += count
