"""A URL with several hosts: the one that takes writes is found, before and after the primary dies."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.engine import make_url

import xpstore
from s3_server import spawn
from support.between.relay import Relay
from support.services import Postgres, Server
from xpstore_server.store import migrate
from xpstore_server.store.database import Database
from xpstore_server.store.errors import StoreRefused, StoreUnavailable
from xpstore_server.store.ids import new_id
from xpstore_server.store.tables import api_key


@pytest.fixture
def primary() -> Iterator[Postgres]:
    """A server of its own, as it is killed."""
    with Postgres() as server:
        yield server


@pytest.fixture
def standby(primary: Postgres) -> Iterator[Postgres]:
    """A copy that follows the primary, which waits for it at each commit."""
    server = Postgres()
    if server.user:
        server.folder.chmod(0o777)
    command = [str(server.programs / "pg_basebackup"), "-h", str(primary.folder), "-U", "postgres"]
    command += ["-D", str(server.data), "-R", "-X", "stream", "-c", "fast"]
    copy = spawn(command, log=server.log, folder=server.folder, user=server.user)
    assert copy.wait(60) == 0, server.log.read_text()
    with server:
        _execute(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
        _execute(primary, "SELECT pg_reload_conf()")
        yield server


def test_the_primary_dies_and_the_standby_takes_over(primary: Postgres, standby: Postgres) -> None:
    name = str(make_url(primary.create_database()).database)
    with Relay(primary.socket) as first, Relay(standby.socket) as second:
        database = Database(f"postgresql://postgres@{second.address},{first.address}/{name}")
        try:
            assert migrate.upgrade(database)  # the first host can only be read, and is passed over
            _check_refused(standby, name)
            done = [_add(database) for _ in range(20)]
            primary.kill()
            first.cut()
            _execute(standby, "ALTER SYSTEM SET synchronous_standby_names = ''")
            _execute(standby, "SELECT pg_promote()")
            done += [_add(database) for _ in range(20)]
            database.check(30)
            found = database.read(lambda tx: tx.execute(select(api_key.c.name)).scalars().all())
            assert {*done} <= {*found}
        finally:
            database.close()


def test_clients_of_a_server_go_on_when_the_primary_dies(primary: Postgres, standby: Postgres, tmp_path: Path) -> None:
    """Each model whose creation was answered is there, once, and no call failed."""
    name = str(make_url(primary.create_database()).database)
    with Relay(primary.socket) as first, Relay(standby.socket) as second:
        url = f"postgresql://postgres@{second.address},{first.address}/{name}"
        with Server(url, (tmp_path / "blobs").as_uri(), tmp_path) as server:
            client = xpstore.Client(server.api_key, server.address)
            experiment = client.project("p").experiment("e")
            made, stopped = list[str](), threading.Event()

            def make() -> None:
                while not stopped.is_set():
                    experiment.models.create(hash_ := f"h{len(made)}")
                    made.append(hash_)

            with ThreadPoolExecutor(1) as pool:
                maker = pool.submit(make)
                _until(lambda: len(made) >= 30)
                primary.kill()
                first.cut()
                _execute(standby, "ALTER SYSTEM SET synchronous_standby_names = ''")
                _execute(standby, "SELECT pg_promote()")
                count = len(made)
                _until(lambda: len(made) >= count + 30)
                stopped.set()
                maker.result()
            assert sorted(model.hash for model in experiment.models.list()) == sorted(made)
            client.close()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _check_refused(standby: Postgres, name: str) -> None:
    """Alone a standby is refused, at the start and by each write."""
    _until_there(standby, name)
    alone = Database(f"postgresql://postgres@/{name}?host={standby.folder}")
    try:
        with pytest.raises(StoreRefused, match="can only be read, as a standby"):
            migrate.upgrade(alone)
        with pytest.raises(StoreRefused, match="25006"):
            _add(alone)
    finally:
        alone.close()


def _add(database: Database) -> str:
    """Adds a row, again and again while the database is away."""
    id_ = new_id()
    row = {"id": id_, "name": id_, "hash": id_.encode(), "created_at_us": 0}
    deadline = time.monotonic() + 60
    while True:
        try:
            database.write(lambda tx: tx.insert_ignore(api_key, row))
            return id_
        except StoreUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _execute(server: Postgres, statement: str) -> None:
    with psycopg.connect(f"host={server.folder} user=postgres dbname=postgres", autocommit=True) as connection:
        connection.execute(statement)


def _until_there(server: Postgres, name: str) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with psycopg.connect(f"host={server.folder} user=postgres dbname={name}") as connection:
                connection.execute("SELECT 1 FROM api_key")
                return
        except psycopg.Error:
            assert time.monotonic() < deadline
            time.sleep(0.1)
