"""The engine of PostgreSQL: connections that are watched, and that need nothing of a session but its time-outs."""

import math
import re
from typing import Any, Self

import psycopg
from psycopg import Cursor, pq
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL

from xpstore_server.store.errors import InvalidStoreURL
from xpstore_server.store.watch import Watch, WatchedConnection

CONNECT_SECONDS = 4  # a connection takes milliseconds
POOL_SECONDS = 10.0  # how long a unit waits for one of all connections

# Of libpq, on this side of the line: a host that died is given up within these, where no relay answers for it.
_LINE = {
    "connect_timeout": CONNECT_SECONDS,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "client_encoding": "utf8",
    "application_name": "xpstore-server",
}
# Of the session, on the database's side: what a server that died leaves behind goes in a minute, and no lock is waited
# for as long as a client waits. A pooler passes sessions on to others, and refuses to be told such things in its
# start-up packet: so they are set by a statement, and only where the id of the backend shows that there is none.
_SESSION = {
    "lock_timeout": "15s",
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
_SET = "SELECT {} WHERE pg_backend_pid() = %s".format(
    ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SESSION.items())
)


_VALUE = re.compile(r""": ["'].*["']$""", re.DOTALL)


class BinaryCursor(Cursor[Any]):
    """Takes results in binary: bytes would come as twice as much text. Its errors are without users' values."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.format = pq.Format.BINARY

    def execute(self, *arguments: Any, **options: Any) -> Self:
        try:
            return super().execute(*arguments, **options)
        except psycopg.Error as error:
            _forget_values(error)
            raise

    def executemany(self, *arguments: Any, **options: Any) -> None:
        try:
            super().executemany(*arguments, **options)
        except psycopg.Error as error:
            _forget_values(error)
            raise


def _forget_values(error: psycopg.Error) -> None:
    """Leaves what is wrong, in one line. Those below it quote the row, and what is in quotes behind a colon a value."""
    line = str(error).strip().partition("\n")[0]
    error.args = (_VALUE.sub(": ...", line), *error.args[1:])


def postgres_engines(url: URL, connections: int) -> tuple[Engine, Engine, Watch]:
    """An engine with so many connections at most, one with a single one, and what watches all of them."""
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    line = {name: value for name, value in _LINE.items() if name not in url.query}
    engines = [
        create_engine(
            url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=POOL_SECONDS,
            connect_args={**line, "cursor_factory": BinaryCursor},
            hide_parameters=True,  # errors are logged, and values are the users'
        )
        for size in (connections, 1)
    ]
    given = engines[0].dialect.create_connect_args(url)[1]

    def probe(seconds: int) -> WatchedConnection:
        return WatchedConnection.connect(**{**line, **given, "connect_timeout": seconds}, autocommit=True)

    watch = Watch(probe)

    def connect(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> WatchedConnection:
        watch.check()
        try:
            connection = WatchedConnection.connect(*arguments, **options)
        except psycopg.errors.ConnectionTimeout:
            watch.suspect()
            raise
        watch.add(connection)
        _prepare(connection)
        return connection

    for engine in engines:
        event.listen(engine, "do_connect", connect)
    return engines[0], engines[1], watch


def _prepare(connection: WatchedConnection) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        connection.close()
        raise InvalidStoreURL(
            f"XPSTORE_DATABASE_URL: the database has the encoding {encoding}; make one with "
            "CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
        )
    connection.bound_seconds = CONNECT_SECONDS
    connection.autocommit = True  # else the settings would go with the transaction
    connection.backend = connection.info.backend_pid
    if connection.execute(_SET, [connection.backend]).fetchone() is None:
        connection.backend = 0
        connection.prepare_threshold = None  # the next transaction may meet another backend, which knows no statement
    connection.autocommit = False
    connection.bound_seconds = math.inf
