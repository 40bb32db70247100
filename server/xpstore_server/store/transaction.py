"""A transaction: what a unit of work gets.

A unit of work is a function of a transaction. It may run more than once (PostgreSQL asks for that on a
serialization failure or deadlock), so it must have no effect outside its transaction.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, CursorResult, Executable, Insert, LargeBinary, Row, Select, Table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import ReturningInsert

from xpstore_server.store.clock import Clock, clock_of
from xpstore_server.store.prepared import prepared

T = TypeVar("T")

# Whether the call under way may see what is of a project. Unset: nobody called, as for what the janitor does.
Fence = Callable[[str], bool]
fence: ContextVar[Fence | None] = ContextVar("fence", default=None)

_POSTGRES = postgresql.dialect()  # type: ignore[no-untyped-call]  # of SQLAlchemy
_NOW = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")


class Transaction:
    """What a unit of work gets: statements, the database's clock, and inserts that give way."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.is_sqlite = connection.dialect.name == "sqlite"
        self.fence: Fence | None = None

    @property
    def clock(self) -> Clock:
        return clock_of(self._connection.dialect)

    def execute(
        self, statement: Executable, values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    ) -> CursorResult[Any]:
        """Runs one statement with the values of its parameters, once for each if several are given.

        Building a statement costs more than running it: those on hot paths are made once, at import.
        """
        return cast("CursorResult[Any]", self._connection.execute(statement, values))

    def admits(self, project_uid: str) -> bool:
        """Whether the call that this is for may see what is of a project: else it is as what is not there."""
        return self.fence is None or self.fence(project_uid)

    def first(self, query: Select[Any], values: Mapping[str, Any]) -> Row[Any] | None:
        """The row that a query finds, with its `project_uid`, if the call that this is for may see it.

        A query that takes named values is one that was made at import.
        """
        is_ready = self.is_sqlite and values
        row = self._first_at_sqlite(query, values) if is_ready else self.execute(query, values).first()
        return row if row is None or self.admits(row.project_uid) else None

    def now_us(self) -> int:
        """The database's clock, so that replicas agree. SQLite has one server: its own clock will do."""
        if self.is_sqlite:
            return self.clock.now_us()
        return self.clock.settle(int(self._connection.execute(_NOW).scalar_one()))

    def insert(self, table: Table, *rows: dict[str, Any]) -> None:
        """Inserts rows; a key that is taken raises IntegrityError."""
        if rows:
            self._connection.execute(_insert(table), _one_or_many(rows))

    def insert_ignore(self, table: Table, *rows: dict[str, Any]) -> int:
        """Inserts the rows whose unique keys are free and returns how many that were."""
        if not rows:
            return 0
        statement = _insert_ignore(table, self.is_sqlite)
        # Without the option psycopg's count of several rows is lost.
        options = {"preserve_rowcount": True}
        return self._connection.execute(statement, _one_or_many(rows), execution_options=options).rowcount

    def insert_new(self, table: Table, rows: Sequence[dict[str, Any]]) -> set[str]:
        """Inserts the rows whose unique keys are free, by one statement, and returns the ids of those."""
        return (
            set(self._connection.execute(_insert_new(table, self.is_sqlite), list(rows)).scalars()) if rows else set()
        )

    def insert_many(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> int:
        """`insert_ignore` of rows as tuples of all columns in their order, ids by `as_key`, straight to the driver.

        For the rows of a pack's chunks the way through SQLAlchemy takes four times as long.
        """
        if not rows:
            return 0
        return self._at_once(_insert_many, table, rows)

    def upsert_many(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Inserts rows as tuples like `insert_many`; one whose primary key is there takes the place of that row."""
        if rows:
            self._at_once(_upsert_many, table, rows)

    def _at_once(
        self, statement: Callable[[Table, bool, bool], str], table: Table, rows: Sequence[tuple[Any, ...]]
    ) -> int:
        """Runs a statement for rows. Returns how many it inserted or changed."""
        if self.is_sqlite:
            return self._at_sqlite(statement(table, True, False), rows)
        is_columnar = len(rows) > 1 and not _has_bytes(table)
        values: Any = tuple(map(list, zip(*rows, strict=True))) if is_columnar else _one_or_many(rows)
        sql = statement(table, False, is_columnar)
        # Without the option the count of several rows is lost.
        return self._connection.exec_driver_sql(sql, values, execution_options={"preserve_rowcount": True}).rowcount

    def _first_at_sqlite(self, query: Select[Any], values: Mapping[str, Any]) -> Row[Any] | None:
        ready = prepared(query, self._connection.dialect)
        with self._driver(ready.sql) as driver:
            found = driver.execute(ready.sql, ready.parameters(values)).fetchone()
        return None if found is None else ready.row(found)

    def _at_sqlite(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> int:
        """Runs a statement for rows, past SQLAlchemy: that would take as long as SQLite takes for a few of them."""
        with self._driver(sql) as driver:
            cursor = driver.execute(sql, rows[0]) if len(rows) == 1 else driver.executemany(sql, rows)
        return int(cursor.rowcount)

    @contextmanager
    def _driver(self, sql: str) -> Iterator[Any]:
        """The driver of SQLite, for this statement; its errors are told as SQLAlchemy tells them."""
        try:
            yield self._connection.connection.dbapi_connection
        except sqlite3.Error as error:
            raise DBAPIError.instance(sql, None, error, sqlite3.Error, hide_parameters=True) from error

    def at_driver(self, sql: str) -> list[tuple[Any, ...]]:
        """Runs a statement that is no business of SQLAlchemy's, as a PRAGMA, and returns its rows."""
        driver = self._connection.connection.dbapi_connection
        assert driver is not None
        cursor = driver.cursor()
        try:
            cursor.execute(sql)
            return list(cursor.fetchall())
        finally:
            cursor.close()

    def as_key(self, id_: str) -> str:
        """An id as the driver takes it: SQLite keeps 32 digits, PostgreSQL reads any form."""
        return id_.replace("-", "")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What fails inside is undone alone, and the transaction goes on."""
        with self._connection.begin_nested():
            yield


@cache
def _insert(table: Table) -> Insert:
    return table.insert()


@cache
def _insert_ignore(table: Table, is_sqlite: bool) -> Insert:
    insert = sqlite.insert if is_sqlite else postgresql.insert
    return insert(table).on_conflict_do_nothing()


@cache
def _insert_new(table: Table, is_sqlite: bool) -> ReturningInsert[Any]:
    return _insert_ignore(table, is_sqlite).returning(table.c.id)


@cache
def _has_bytes(table: Table) -> bool:
    """Whether there are bytes in it: in an array they would go as text, twice as long."""
    return any(isinstance(column.type, LargeBinary) for column in table.c)


@cache
def _insert_many(table: Table, is_sqlite: bool, is_columnar: bool) -> str:
    names = ", ".join(f'"{column.name}"' for column in table.c)
    if is_columnar:  # arrays: of a statement for each row PostgreSQL has half as much again to do
        types = (column.type.compile(_POSTGRES).partition(" COLLATE")[0] for column in table.c)
        rows = f"SELECT * FROM unnest({', '.join(f'%s::{type_}[]' for type_ in types)})"
    else:
        rows = f"VALUES ({', '.join(['?' if is_sqlite else '%s'] * len(table.c))})"
    return f'INSERT INTO "{table.name}" ({names}) {rows} ON CONFLICT DO NOTHING'


@cache
def _upsert_many(table: Table, is_sqlite: bool, is_columnar: bool) -> str:
    keys = ", ".join(f'"{column.name}"' for column in table.primary_key)
    others = [f'"{column.name}"' for column in table.c if not column.primary_key]
    changes = ", ".join(f"{name} = excluded.{name}" for name in others)
    insert = _insert_many(table, is_sqlite, is_columnar).removesuffix(" DO NOTHING")
    return f"{insert} ({keys}) DO UPDATE SET {changes}"


def _one_or_many(rows: Sequence[T]) -> T | list[T]:
    return rows[0] if len(rows) == 1 else list(rows)  # the machinery for many makes one row slower


Unit = Callable[[Transaction], T]


def fenced(unit: Unit[T]) -> Unit[T]:
    """The same unit for the call under way: it sees no more than that may."""
    of_call = fence.get()

    def inside(tx: Transaction) -> T:
        tx.fence = of_call
        return unit(tx)

    return inside
