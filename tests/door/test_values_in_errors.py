"""Errors of a database, which are logged, say what was wrong and never with which of the users' values."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from support.backends import Backend
from xpstore_server.store import migrate
from xpstore_server.store.database import Database
from xpstore_server.store.errors import StoreError
from xpstore_server.store.ids import new_id
from xpstore_server.store.tables import api_key
from xpstore_server.store.transaction import Transaction

SECRET = "swordfish"


@pytest.fixture
def database(backend: Backend) -> Iterator[Database]:
    database = Database(backend.database_url)
    migrate.upgrade(database)
    yield database
    database.close()


def insert(tx: Transaction) -> None:
    for _ in range(2):
        tx.insert(api_key, {"id": new_id(), "name": SECRET, "hash": SECRET.encode(), "created_at_us": 1})


def insert_many(tx: Transaction) -> None:
    rows = [{"id": new_id(), "name": SECRET, "hash": SECRET.encode(), "created_at_us": 1} for _ in range(2)]
    tx.insert(api_key, *rows)


def wrong_type(tx: Transaction) -> None:
    cast = "json(:value)" if tx.is_sqlite else "CAST(:value AS uuid)"
    tx.execute(text(f"SELECT {cast}"), {"value": SECRET})


def told(error: BaseException | None) -> str:
    """All that a trace in the log would say."""
    texts = []
    while error is not None:
        texts += [str(error), repr(error), *map(str, getattr(error, "__notes__", ()))]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


@pytest.mark.parametrize("unit", [insert, insert_many, wrong_type])
def test_no_value_is_told(database: Database, unit: object) -> None:
    for run in (database.write, database.read):
        with pytest.raises((DBAPIError, StoreError)) as caught:
            run(unit)  # type: ignore[arg-type]
        assert SECRET not in told(caught.value)
        assert "api_key" in told(caught.value) or unit is wrong_type
