"""Rows put straight into a database, where the client would take hours."""

from collections.abc import Iterable, Mapping
from itertools import chain, islice
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, text

from xpstore_server.core import model
from xpstore_server.core.metrics import appending
from xpstore_server.core.metrics.metric import SeriesPart
from xpstore_server.store.database import Database
from xpstore_server.store.engines import begin_writing
from xpstore_server.store.transaction import Transaction

COPIED_ROWS = 1_000


def id_of(database: Database, number: int) -> str:
    """A UUID as the database's driver takes it."""
    return UUID(int=number).hex if database.is_sqlite else str(UUID(int=number))


def fill(database: Database, rows: Mapping[Table, Iterable[Mapping[str, Any]]]) -> None:
    """Inserts rows of some tables, those first that others point to."""
    with database.engine.connect() as connection, begin_writing(connection):
        for table, each in rows.items():
            # An index of what is there is made faster than it grows.
            for index in table.indexes:
                index.drop(connection)
            _insert(connection, table, each, is_sqlite=database.is_sqlite)
            for index in table.indexes:
                index.create(connection)
    if not database.is_sqlite:
        analyze(database)  # as the server's autovacuum does in its time


def analyze(database: Database) -> None:
    """Has the database count its rows, by which it plans."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE" if database.is_sqlite else "VACUUM ANALYZE"))


def _insert(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]], *, is_sqlite: bool) -> None:
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return
    rows = chain([first], rows)
    # What has a default and is not given has that.
    names = [column.name for column in table.c if column.server_default is None or column.name in first]
    listed = ", ".join(f'"{name}"' for name in names)
    values = ([row.get(name) for name in names] for row in rows)
    driver: Any = connection.connection.driver_connection
    if is_sqlite:
        driver.executemany(f"INSERT INTO {table.name} ({listed}) VALUES ({', '.join('?' * len(names))})", values)
        return
    # A trigger that counts changes one row for each; in one transaction each change walks over all before it.
    while some := list(islice(values, COPIED_ROWS)):
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({listed}) FROM STDIN") as copy:
            for row in some:
                copy.write_row(row)
        driver.commit()


def append(tx: Transaction, project_uid: str, model_id: str, part: SeriesPart) -> None:
    """Appends points to a model that is there, as `ingest` does."""
    firsts = model.allot(tx, project_uid, {model_id: len(part.points)})
    appending.append(tx, project_uid, {model_id: [part]}, firsts)
