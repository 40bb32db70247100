"""Migrations lead from any release to the tables of this one, and take nothing with them."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Row, Table, create_engine, select, text

from support.backends import Backend, sqlite_url
from support.services import Postgres
from xpstore_server.core.metrics import metric
from xpstore_server.core.paging import Page
from xpstore_server.store import limbo, migrate, schema, tables
from xpstore_server.store.database import Database
from xpstore_server.store.engines import begin_writing
from xpstore_server.store.packs import SMALL_BYTES
from xpstore_server.store.transaction import Transaction

MODELS = [str(uuid.uuid4()) for _ in range(2)]
POINTS = [
    ("loss", "train", "float", "0.5", 1),
    ("loss", None, "float", "0.25", None),
    ("epoch", None, "int", "9223372036854775807", 1),
    ("epoch", None, "int", "2", 2),
    ("note", "train", "json", '{"a": [1, null]}', None),
    ("loss", "train", "float", "0.125", 2),
    ("loss", "train", "float", "nan", 3),
    ("mixed", None, "int", "1", 1),
    ("mixed", None, "float", "1.0", 2),
    ("mixed", None, "json", "true", 3),
]
STAMPS = {"created_at_us": 5, "created_by": "", "updated_at_us": 5, "updated_by": "", "revision": 1}


@pytest.fixture
def database(backend: Backend, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of the first release, with a row in each table that later ones changed."""
    is_sqlite = backend.name == "sqlite-disk"  # that of `backend` itself has the schema of this release
    postgres: Postgres | None = None if is_sqlite else request.getfixturevalue("postgres")
    database = Database(sqlite_url(tmp_path / "old.db") if postgres is None else postgres.create_database())
    config = Config()
    config.set_main_option("script_location", str(schema.FOLDER))
    with database.engine.connect() as connection, begin_writing(connection):
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        project, version, pack = (str(uuid.uuid4()) for _ in range(3))
        rows: dict[Table, dict[str, Any]] = {
            tables.project: {
                "uid": project,
                "id": "p",
                "name": "",
                "description": "",
                "creation_id": project,
                **STAMPS,
            },
            tables.artifact_version: {
                **{"id": version, "project_uid": project, "state": "live", "digest": b"", "fingerprint": ""},
                **{"manifest": b"", "size_bytes": 0, "file_count": 0, "metadata_json": "{}", **STAMPS},
            },
            tables.pack: {"id": pack, "pool": project, "size_bytes": 1, "created_at_us": 5, "touched_at_us": 6},
            tables.pack_pending: {"id": version, "pool": project, "state": "trash", "created_at_us": 5},
            tables.artifact_pack: {"version_id": version, "pack_id": pack},
        }
        entry = {
            **{"project_uid": project, "fingerprint": "f", "version_id": version, "lease_id": version},
            **{"process_name": "p", "completed_at_us": 5, "completed_by": "", "duration_us": 7, "hits": 0},
        }
        for table, row in rows.items():
            connection.execute(table.insert(), [row])
        _log_points(connection, project)
        begun = text("INSERT INTO writer (project_uid, writer_id, next_point) VALUES (:key, :key, 7)")
        connection.execute(begun, {"key": _key(connection, project)})
        _describe_models(connection)
        # The cache came later; its first entries said no format of their fingerprints.
        command.upgrade(config, "0005")
        connection.execute(tables.cache_entry.insert(), [entry])
    yield database
    database.close()


def test_rows_of_the_first_release_stay(database: Database) -> None:
    assert migrate.upgrade(database) and not migrate.upgrade(database)
    # An engine of its own: reflection reads PostgreSQL's catalogue as text.
    with create_engine(database.engine.url).connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": _is_ours})
        assert compare_metadata(context, tables.metadata) == []
    changed = (tables.project, tables.artifact_version, tables.pack, tables.pack_pending, tables.artifact_pack)
    found = database.read(lambda tx: [_one(tx, table) for table in changed])
    assert (found[0].purged_at_us, found[1].purged_at_us) == (None, None)
    assert (found[0].cache_ttl_us, found[0].cache_max_age_us, found[1].process_json) == (None, None, None)
    # Never looked at by a repack: so it will be.
    assert (found[2].suspect_at_us, found[3].size_bytes) == (5, 0)
    assert database.read(lambda tx: tx.execute(select(tables.cache_entry)).one()).fingerprint_format == 1
    _check_points(database)
    _check_attributes(database)
    writers = database.read(lambda tx: tx.execute(select(tables.writer).order_by(tables.writer.c.method)).all())
    assert [(one.writer_id, one.method, one.principal, one.next_point) for one in writers] == [
        (found[0].uid, 0, "", 7),
        (found[0].uid, 1, "", 7),
    ]
    secrets = database.read(lambda tx: tx.execute(select(tables.server_secret)).all())
    assert [(one.name, one.since_us > 0, len(one.value)) for one in secrets] == [("page token", True, 32)]
    # Those that sum up cache entries: a table that is made anew loses its own.
    triggers = "sqlite_master WHERE type = 'trigger'" if database.is_sqlite else "pg_trigger WHERE NOT tgisinternal"
    count = database.read(lambda tx: tx.execute(text(f"SELECT count(*) FROM {triggers}")).scalar())
    assert count == (8 if database.is_sqlite else 6)


def _one(tx: Transaction, table: Table) -> Row[Any]:
    """The row of a table that is no part of limbo."""
    query = select(table)
    return tx.execute(query.where(table.c.uid.not_in(limbo.HIDDEN)) if table is tables.project else query).one()


def _key(connection: Connection, id_: str) -> str:
    return id_ if connection.dialect.name == "postgresql" else id_.replace("-", "")


def _log_points(connection: Connection, project: str) -> None:
    """Points of two models as the first release kept them, one of each turn by turn."""
    connection.execute(tables.experiment.insert(), [{"id": project, "project_uid": project, "name": "e", **STAMPS}])
    for number, id_ in enumerate(MODELS):
        parents = {"experiment_id": project, "project_uid": project}
        values = {"hash": str(number), "step": 0, "config_json": "{}", "next_ordinal": len(POINTS)}
        connection.execute(tables.model.insert(), [{"id": id_, **parents, **values, **STAMPS}])
    columns = "(model_id, ordinal, name, phase, kind, value, step, time_us)"
    marks = ":model, :ordinal, :name, :phase, :kind, :value, :step, :time"
    for ordinal, (name, phase, kind, value, step) in enumerate(POINTS):
        for id_ in MODELS:
            row = {
                "model": _key(connection, id_),
                "ordinal": ordinal,
                "name": name,
                "phase": phase,
                "kind": kind,
                "value": value,
            }
            connection.execute(
                text(f"INSERT INTO metric {columns} VALUES ({marks})"), {**row, "step": step, "time": 7 + ordinal}
            )


def _check_points(database: Database) -> None:
    for id_ in MODELS:
        points, key = database.read(lambda tx, id_=id_: metric.list_page(tx, id_, None, Page(100)))  # type: ignore[misc]
        assert key is None
        assert [(one.name, one.phase, one.kind, one.value, one.step) for one in points] == POINTS
        assert [(one.ordinal, one.time_us) for one in points] == [(n, 7 + n) for n in range(len(POINTS))]
        last = database.read(lambda tx, id_=id_: metric.last(tx, model_id=id_, name="loss", phase="train"))  # type: ignore[misc]
        assert (last.value, last.step) == ("nan", 3)
        best = partial(metric.best, model_id=id_, name="loss", phase=None, is_largest=True)
        assert (database.read(best).value, database.read(best).ordinal) == ("0.5", 0)


def _describe_models(connection: Connection) -> None:
    """A config, and modules of which the newest of each name counts."""
    mine, its = MODELS
    config = {"config_json": '{"lr": 0.5, "flag": true, "n": null}'}
    connection.execute(tables.model.update().where(tables.model.c.id == mine).values(config))
    for model_id, created_at_us, attributes in (
        (mine, 1, '{"name": "old", "only": 1}'),
        (mine, 2, '{"name": "new"}'),
        (its, 1, '{"name": "other"}'),
    ):
        values = {"name": "optimizer", "created_at_us": created_at_us, "attributes_json": attributes}
        connection.execute(tables.module.insert(), [{"id": str(uuid.uuid4()), "model_id": model_id, **values}])


def _check_attributes(database: Database) -> None:
    query = select(tables.attribute).order_by(tables.attribute.c.path, tables.attribute.c.text)
    found = database.read(lambda tx: tx.execute(query).all())
    mine, its = MODELS
    assert [(row.model_id, row.path, row.number, row.text, row.truth) for row in found] == [
        (mine, "config.flag", None, None, True),
        (mine, "config.lr", 0.5, None, None),
        (mine, "modules.optimizer.name", None, "new", None),
        (its, "modules.optimizer.name", None, "other", None),
    ]
    project = database.read(lambda tx: _one(tx, tables.project)).uid
    assert [row.project_uid for row in found] == [project] * 4


def test_small_packs_have_an_index() -> None:
    assert f"size_bytes < {SMALL_BYTES}" == tables.SMALL_PACK


def _is_ours(name: str | None, type_: str, _parents: object) -> bool:
    return not (type_ == "table" and name == "migration_lock")


def test_servers_that_start_at_once_on_an_empty_database_migrate_once(postgres: Postgres) -> None:
    url, all_there = postgres.create_database(), Barrier(5)

    def start(_: int) -> bool:
        database = Database(url)
        try:
            all_there.wait(60)
            return migrate.upgrade(database)
        finally:
            database.close()

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(start, range(5))) == [False] * 4 + [True]
    database = Database(url)
    with database.engine.connect() as connection:
        assert schema.revision(connection) == schema.HEAD
    database.close()
