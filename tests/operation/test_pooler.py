"""Behind PgBouncer in transaction mode, each transaction may meet another session of the database: all works."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

import xpstore
from support.between.pooler import PgBouncer
from support.between.relay import Relay
from support.services import Postgres, Server
from xpstore._session import current
from xpstore.artifact import DirectoryArtifact
from xpstore_server.store import migrate
from xpstore_server.store.database import Database
from xpstore_server.store.transaction import Transaction

THREADS = 8
ROUNDS = 6


@pytest.fixture(scope="module")
def pooler(postgres: Postgres) -> Iterator[PgBouncer]:
    # Three sessions for all: else each connection might keep one of its own.
    with PgBouncer(postgres, "default_pool_size = 3") as pooler:
        yield pooler


@pytest.fixture
def database_url(postgres: Postgres, pooler: PgBouncer) -> str:
    name = make_url(postgres.create_database()).database
    return f"postgresql://postgres@127.0.0.1:{pooler.port}/{name}"


def test_saves_reads_and_lists_of_many_clients(database_url: str, tmp_path: Path) -> None:
    with Server(database_url, (tmp_path / "blobs").as_uri(), tmp_path) as server, ThreadPoolExecutor(THREADS) as pool:
        client = xpstore.init(server.api_key, server.address)
        project = xpstore.Project(id="test", name="test").open()

        def work(number: int) -> None:
            for round_ in range(ROUNDS):
                data = f"{number} {round_}".encode()
                folder = tmp_path / f"{number}"
                folder.mkdir(exist_ok=True)
                (folder / "x").write_bytes(data)
                saved = DirectoryArtifact.save(folder, f"a{number}", project=project)
                assert saved.version == round_ + 1
                found = DirectoryArtifact.get_by_name(f"a{number}", project=project)
                assert (Path(found.download(tmp_path / "down" / f"{number} {round_}")) / "x").read_bytes() == data
                assert len(found.versions()) == round_ + 1

        list(pool.map(work, range(THREADS)))
        current.set_client(None)
        client.close()
        assert "ERROR" not in server.log.read_text()


def test_pooler_that_lends_whole_sessions_works_too(postgres: Postgres, tmp_path: Path) -> None:
    name = make_url(postgres.create_database()).database
    with PgBouncer(postgres, mode="session") as pooler:
        url = f"postgresql://postgres@127.0.0.1:{pooler.port}/{name}"
        with Server(url, (tmp_path / "blobs").as_uri(), tmp_path) as server, ThreadPoolExecutor(THREADS) as pool:
            client = xpstore.Client(server.api_key, server.address)
            experiment = client.project("test").open().experiment("e")
            list(pool.map(lambda number: experiment.model(f"{number}").metrics.log("loss", number), range(THREADS)))
            client.flush()
            assert sorted(model.metrics.list()[0].value for model in experiment.models.list()) == [*range(THREADS)]
            client.close()
            assert "ERROR" not in server.log.read_text()


def test_nothing_of_one_session_is_relied_on_or_left_behind(database_url: str, postgres: Postgres) -> None:
    database = Database(database_url)
    try:
        assert migrate.upgrade(database)
        database.check(30)
        with ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(lambda _: database.read(_settings), range(40)))
            found += list(pool.map(lambda _: database.write(_settings), range(40)))
        assert {one[1:] for one in found} == {("0", "0", 0)}  # those of PostgreSQL, and no statement prepared
        assert len({one[0] for one in found}) > 1  # several sessions served them
    finally:
        database.close()


def test_without_a_pooler_sessions_have_their_time_outs_and_prepare(postgres: Postgres) -> None:
    database = Database(postgres.create_database())
    try:
        for _ in range(10):
            found = database.read(_settings)
        assert found[1:3] == ("15s", "1min") and found[3] > 0
    finally:
        database.close()


def test_both_ends_of_a_connection_notice_when_the_other_is_gone(postgres: Postgres) -> None:
    """On this side by settings of libpq, on the other by those of the session, which a unix socket shows as 0."""
    name = make_url(postgres.create_database()).database
    with Relay(postgres.socket) as relay:
        database = Database(f"postgresql://postgres@{relay.address}/{name}")
        try:
            with database.engine.connect() as connection:
                line: Any = connection.connection.dbapi_connection
                given = line.info.get_parameters()
                query = "SELECT name FROM pg_settings WHERE name LIKE 'tcp_keepalives%' AND source = 'session'"
                told = {*connection.execute(text(query)).scalars()}
        finally:
            database.close()
    here = {"connect_timeout": "4", "tcp_user_timeout": "10000", "keepalives_idle": "10"}
    here |= {"keepalives_interval": "5", "keepalives_count": "3"}
    assert {name: given.get(name) for name in here} == here
    assert given.get("keepalives", "1") == "1"
    assert told == {"tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count"}


def _settings(tx: Transaction) -> tuple[int, str, str, int]:
    query = text(
        "SELECT pg_backend_pid() AS pid, current_setting('lock_timeout') AS locks, "
        "current_setting('idle_in_transaction_session_timeout') AS idle, "
        "(SELECT count(*) FROM pg_prepared_statements) AS prepared FROM pg_sleep(0.01)"
    )
    row = tx.execute(query).mappings().one()
    return row["pid"], row["locks"], row["idle"], row["prepared"]
