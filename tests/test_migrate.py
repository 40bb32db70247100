"""Migrations lead from any release to the tables of this one, and take nothing with them."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Table, select

from conftest import Backend
from xpstore_server.store import migrate, tables
from xpstore_server.store.database import Database
from xpstore_server.store.packs import SMALL_BYTES

STAMPS = {"created_at_us": 5, "created_by": "", "updated_at_us": 5, "updated_by": "", "revision": 1}


@pytest.fixture
def database(backend: Backend) -> Iterator[Database]:
    """A database of the first release, with a row in each table that later ones changed."""
    database = Database(backend.database_url)
    config = Config()
    config.set_main_option("script_location", str(migrate.FOLDER))
    with database.engine.execution_options(writes=True).begin() as connection:
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
        for table, row in rows.items():
            connection.execute(table.insert(), [row])
    yield database
    database.close()


def test_rows_of_the_first_release_stay(database: Database) -> None:
    assert migrate.upgrade(database) and not migrate.upgrade(database)
    with database.engine.connect() as connection:
        assert (
            compare_metadata(MigrationContext.configure(connection, opts={"include_name": _is_ours}), tables.metadata)
            == []
        )
    changed = (tables.project, tables.artifact_version, tables.pack, tables.pack_pending, tables.artifact_pack)
    found = database.read(lambda tx: [tx.execute(select(table)).one() for table in changed])
    assert (found[0].purged_at_us, found[1].purged_at_us) == (None, None)
    # Never looked at by a repack: so it will be.
    assert (found[2].suspect_at_us, found[3].size_bytes) == (5, 0)


def test_small_packs_have_an_index() -> None:
    assert f"size_bytes < {SMALL_BYTES}" == tables.SMALL_PACK


def _is_ours(name: str | None, type_: str, _parents: object) -> bool:
    return not (type_ == "table" and name == "migration_lock")
