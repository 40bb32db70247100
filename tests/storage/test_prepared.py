"""Queries that SQLite runs past SQLAlchemy find what they would find by its way, and fail as they would fail."""

import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, Select, bindparam, literal, select, text
from sqlalchemy.exc import IntegrityError

from support.backends import sqlite_url
from xpstore_server.core import experiment, iteration, model, project, run
from xpstore_server.core.ingesting import writers
from xpstore_server.core.ingesting.writers import Method, Writer
from xpstore_server.core.model import NewModel
from xpstore_server.store import migrate, tables
from xpstore_server.store.database import Database
from xpstore_server.store.errors import StoreRefused
from xpstore_server.store.transaction import Transaction

pytestmark = pytest.mark.client

PROJECT, EXPERIMENT, MODEL, OTHER, ITERATION, WRITER = (str(uuid.UUID(int=number)) for number in range(1, 7))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = Database(sqlite_url(Path(tmp_path_factory.mktemp("prepared")) / "x.db"))
    migrate.upgrade(database)
    database.write(_fill)
    yield database
    database.close()


def _fill(tx: Transaction) -> None:
    made, _ = project.create(
        tx, "me", project_id="p", name="p", description="", creation_id=PROJECT, allow_existing=False
    )
    experiment.create(tx, "me", project_uid=made.uid, experiment_id=EXPERIMENT, name="e", allow_existing=False)
    new = NewModel(EXPERIMENT, MODEL, "h", "näme", None, '{"lr": 0.1}', ("b", "a"))
    model.create(tx, "me", new, allow_existing=False)
    model.create(tx, "me", NewModel(EXPERIMENT, OTHER, "o", None, "text", "{}", ()), allow_existing=False)
    iteration.create(tx, model_id=MODEL, iteration_id=ITERATION, step=3)
    model.delete(tx, "me", OTHER)
    writers.move(tx, Writer(made.uid, WRITER, Method.INGEST, "me"), None, 7)


def _by_sqlalchemy(tx: Transaction, query: Select[Any], values: Mapping[str, Any]) -> Row[Any] | None:
    return tx.execute(query, values).first()


@pytest.mark.parametrize("id_", [MODEL, OTHER, EXPERIMENT, ITERATION, WRITER])
def test_each_query_finds_what_it_finds_by_sqlalchemy(database: Database, id_: str) -> None:
    """Those of calls that are made most, with ids of what is there, deleted, and of another kind."""
    uid = database.read(lambda tx: experiment.get(tx, EXPERIMENT)).project_uid
    of_writer = Writer(uid, id_, Method.INGEST, "me").key()
    asked: list[tuple[Any, Mapping[str, Any]]] = [
        *((query, {"key": id_}) for query in (model._BY_ID, model._ID, model._LOCK, model._NOTE)),
        *((query, {"key": id_}) for query in (experiment._BY_ID, experiment._HOLD, experiment._NOTE)),
        *((query, {"key": id_}) for query in (iteration._BY_ID, run._BY_ID)),
        (model._BY_HASH, {"parent": id_, "key": "h"}),
        (iteration._BY_STEP, {"parent": id_, "key": 3}),
        (writers._PROGRESS, of_writer),
        (writers._PROGRESS_OF, {"key": id_, "writer": WRITER, "by": Method.INGEST, "who": "me"}),
    ]

    def unit(tx: Transaction) -> int:
        found = 0
        for query, values in asked:
            ours, theirs = tx.first(query, values), _by_sqlalchemy(tx, query, values)
            assert (ours is None) == (theirs is None), query
            if ours is not None and theirs is not None:
                assert dict(ours._mapping) == dict(theirs._mapping) and tuple(ours) == tuple(theirs)
                assert ours._fields == theirs._fields
                assert [type(cell) for cell in ours] == [type(cell) for cell in theirs]
                found += 1
        return found

    assert database.read(unit) > 0


def test_values_are_taken_and_given_by_their_types(database: Database) -> None:
    column = tables.model.c.id
    query = select(column, literal(True).label("truth"), literal(None).label("none"), literal(b"\0").label("bytes"))
    query = query.add_columns(literal("").label("project_uid")).where(column == bindparam("key"))
    row = database.read(lambda tx: tx.first(query, {"key": MODEL}))
    assert row is not None
    assert (row.id, row.truth, row.none, row.bytes) == (MODEL, True, None, b"\0") and row._mapping[column] == MODEL


def test_errors_of_the_driver_are_those_of_sqlalchemy(database: Database) -> None:
    hollow = (None,) * len(tables.series.c)
    with pytest.raises(IntegrityError, match="NOT NULL"):
        database.write(lambda tx: tx.upsert_many(tables.series, [hollow]))
    missing = select(tables.model).where(text("no_such = 1"), tables.model.c.id == bindparam("key"))
    with pytest.raises(StoreRefused, match="no_such"):  # as it is told of what SQLAlchemy raises
        database.read(lambda tx: tx.first(missing, {"key": MODEL}))
    assert database.read(lambda tx: model.get(tx, MODEL)).name == "näme"  # the connection goes on
