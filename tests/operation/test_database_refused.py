"""A database that cannot be right is refused at the start, in one line with the setting and the cure, and no secret."""

import contextlib
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from support.backends import sqlite_url
from support.services import Postgres
from xpstore_server.store import migrate
from xpstore_server.store.database import Database
from xpstore_server.store.engines import parse_url
from xpstore_server.store.errors import (
    InvalidStoreURL,
    StoreError,
    StoreFull,
    StoreRefused,
    StoreTooComplex,
    StoreTooLong,
    StoreUnavailable,
)
from xpstore_server.store.schema import HEAD

SECRET = "hunter2"

REFUSED_URLS = [
    ("postgresql+psycopg2://u@h/d", "write postgresql://"),
    ("postgresql+asyncpg://u@h/d", "write postgresql://"),
    ("postgres://u@h/d", "not supported"),
    ("sqlite+aiosqlite:////tmp/x.db", "write sqlite://"),
    ("sqlite+pysqlcipher:////tmp/x.db", "write sqlite://"),
    ("mariadb://u@h/d", "not supported"),
    ("sqlite:", "write sqlite:///FILE"),
    ("sqlite://", "in-memory"),
    ("sqlite:///", "in-memory"),
    ("sqlite:///:memory:", "in-memory"),
    ("sqlite:///%3Amemory%3A", "in-memory"),
    (" sqlite:///:memory:\n", "in-memory"),
    ("sqlite:///file::memory:", "path of a file"),
    ("sqlite:///file:x?mode=memory&cache=shared&uri=true", "%3F"),
    ("sqlite:///file%3Ax%3Fmode=memory", "path of a file"),
    ("sqlite:///a%00b", "no path has %00"),
    ("sqlite://tmp/x.db", "sqlite:////data/xpstore.db"),
    (f"postgresql://u:p@{SECRET}@127.0.0.1:1/db", "%40"),
    (f"postgresql://u:p@{SECRET}/x@127.0.0.1:1/db", "%40"),
    (f"postgresql://u:p@{SECRET}?x@127.0.0.1:1/db", "%40"),
    (f"postgresql://u/x:{SECRET}@127.0.0.1/db", "%40"),
    (f"postgresql://u:{SECRET}@one:1,two:x/db", "HOST:PORT,HOST:PORT"),
    (f"postgresql://u:{SECRET}@one,/db", "HOST:PORT,HOST:PORT"),
    (f"postgresql://u:{SECRET}@one,two/db?host=three", "HOST:PORT,HOST:PORT"),
    (f"postgresql://u:{SECRET}@one:x/db", "postgresql://USER"),
]


@pytest.mark.parametrize(("url", "cure"), REFUSED_URLS, ids=lambda value: value.replace(SECRET, "..."))
def test_a_url_that_cannot_be_right_is_refused(url: str, cure: str) -> None:
    with pytest.raises(InvalidStoreURL, match=r"^XPSTORE_DATABASE_URL: ") as caught:
        parse_url(url)
    message = str(caught.value)
    assert cure in message and SECRET not in message and "\n" not in message


def test_several_hosts_are_read_with_their_ports() -> None:
    url = parse_url("postgresql://u:p%40%2F@one:5433,two,[::1]:7/db?sslmode=require")
    assert (url.password, url.database) == ("p@/", "db")
    assert dict(url.query) == {
        "host": "one,two,::1",
        "port": "5433,5432,7",
        "sslmode": "require",
        "target_session_attrs": "read-write",
    }
    one = parse_url("postgresql://one,two/db?target_session_attrs=any")
    assert one.query["target_session_attrs"] == "any"


def test_a_file_is_the_same_file_wherever_the_server_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_url("sqlite:///x%25y.db").database == str(tmp_path / "x%y.db")
    assert parse_url("sqlite:///./:memory:").database == str(tmp_path / ":memory:")


@pytest.fixture
def opened() -> Iterator[Callable[[str], Database]]:
    """Opens databases, and closes them."""
    found: list[Database] = []

    def open_(url: str) -> Database:
        found.append(Database(url))
        return found[-1]

    yield open_
    for database in found:
        database.close()


@pytest.fixture
def refusal(opened: Callable[[str], Database]) -> Callable[[str], StoreError]:
    """The error of a start on a database."""

    def start(url: str) -> StoreError:
        with pytest.raises(StoreError) as caught:
            migrate.upgrade(opened(url))
        message = str(caught.value)
        assert message.startswith("XPSTORE_DATABASE_URL: ") and "\n" not in message and SECRET not in message
        return caught.value

    return start


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "x.db")
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.create_database()


both = pytest.mark.parametrize("url", ["sqlite", "postgres"], indirect=True)


def _run(url: str, *statements: str) -> None:
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


@both
def test_a_newer_schema(url: str, opened: Callable[[str], Database], refusal: Callable[[str], StoreError]) -> None:
    old = opened(url)
    assert migrate.upgrade(old)
    old.check(30)
    _run(url, "UPDATE alembic_version SET version_num = '9999'")
    assert "'9999', made by a newer release" in str(refusal(url))
    with pytest.raises(StoreRefused, match=f"schema '9999', this release of xpstore needs '{HEAD}'"):
        old.check(30)  # a server that runs on notices


@both
def test_a_schema_of_somebody_else(url: str, refusal: Callable[[str], StoreError]) -> None:
    _run(url, "CREATE TABLE model (id integer)")
    assert "table 'model' that xpstore did not make" in str(refusal(url))
    _run(url, "CREATE TABLE alembic_version (version_num text)", "INSERT INTO alembic_version VALUES ('0001')")
    assert "alembic_version '0001' belongs to another program" in str(refusal(url))


@both
def test_tables_of_others_that_are_not_in_the_way_stay(url: str, opened: Callable[[str], Database]) -> None:
    _run(url, "CREATE TABLE theirs (id integer)", "INSERT INTO theirs VALUES (7)")
    database = opened(url)
    assert migrate.upgrade(database)
    assert database.read(lambda tx: tx.execute(text("SELECT id FROM theirs")).scalar()) == 7


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_another_encoding(encoding: str, postgres: Postgres, refusal: Callable[[str], StoreError]) -> None:
    name = f"e{secrets.token_hex(6)}"
    _admin(postgres, f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    error = refusal(f"postgresql://postgres@/{name}?host={postgres.folder}")
    assert f"encoding {encoding}" in str(error) and "ENCODING 'UTF8'" in str(error)


def test_a_missing_database_and_role(postgres: Postgres, refusal: Callable[[str], StoreError]) -> None:
    error = refusal(f"postgresql://postgres@/nowhere?host={postgres.folder}")
    assert isinstance(error, StoreRefused) and "CREATE DATABASE" in str(error)
    error = refusal(f"postgresql://nobody:{SECRET}@/postgres?host={postgres.folder}")
    assert isinstance(error, StoreRefused) and "check USER and PASSWORD" in str(error)


def test_a_wrong_password(postgres: Postgres, refusal: Callable[[str], StoreError]) -> None:
    _admin(postgres, "CREATE ROLE locked LOGIN PASSWORD 'right'")
    rules = postgres.data / "pg_hba.conf"
    rules.write_text("local all locked scram-sha-256\n" + rules.read_text())
    _admin(postgres, "SELECT pg_reload_conf()")
    error = refusal(f"postgresql://locked:{SECRET}@/postgres?host={postgres.folder}")
    assert isinstance(error, StoreRefused) and "check USER and PASSWORD" in str(error)


def test_a_user_without_rights(postgres: Postgres, refusal: Callable[[str], StoreError]) -> None:
    url = make_url(postgres.create_database())
    _admin(postgres, "CREATE ROLE weak LOGIN")
    error = refusal(f"postgresql://weak@/{url.database}?host={postgres.folder}")
    assert isinstance(error, StoreRefused) and "GRANT CREATE ON SCHEMA public" in str(error)


def test_more_connections_than_the_database_gives(postgres: Postgres, refusal: Callable[[str], StoreError]) -> None:
    _admin(postgres, "CREATE ROLE few LOGIN CONNECTION LIMIT 0")
    error = refusal(f"postgresql://few@/postgres?host={postgres.folder}")
    assert isinstance(error, StoreUnavailable) and "XPSTORE_DATABASE_CONNECTIONS" in str(error)


def test_options_that_the_driver_does_not_know(postgres: Postgres, refusal: Callable[[str], StoreError]) -> None:
    error = refusal(f"postgresql://u:{SECRET}@/postgres?host={postgres.folder}&sslmod=require")
    assert "sslmod" in str(error)
    error = refusal(f"postgresql://u:{SECRET}@/postgres?host={postgres.folder}&sslmode=perhaps")
    assert "sslmode" in str(error)


def test_a_host_that_is_not_there(refusal: Callable[[str], StoreError]) -> None:
    assert isinstance(refusal(f"postgresql://u:{SECRET}@127.0.0.1:1/db"), StoreUnavailable)
    assert isinstance(refusal(f"postgresql://u:{SECRET}@no-such-host.invalid/db"), StoreUnavailable)


def test_a_file_that_is_no_database(tmp_path: Path, refusal: Callable[[str], StoreError]) -> None:
    (tmp_path / "x.db").write_text("no database at all, but text that is long enough to be looked at" * 100)
    error = refusal(sqlite_url(tmp_path / "x.db"))
    assert isinstance(error, StoreRefused) and "name another file" in str(error)
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(InvalidStoreURL, match="is a folder"):
        Database(sqlite_url(tmp_path / "folder.db"))


STATES = [
    ("53100", StoreFull),
    ("25006", StoreRefused),
    ("42501", StoreRefused),
    ("58030", StoreRefused),
    ("XX001", StoreRefused),
    ("53300", StoreUnavailable),
    ("53200", StoreUnavailable),
    ("57P01", StoreUnavailable),
    ("57P03", StoreUnavailable),
    ("57014", StoreTooLong),
    ("54001", StoreTooComplex),
    ("55P03", StoreUnavailable),
    ("08006", StoreUnavailable),
    ("40001", StoreUnavailable),  # after eight tries
    ("55006", StoreRefused),  # one that nobody listed
]


def test_what_postgres_says_is_put_into_the_right_class(postgres: Postgres, opened: Callable[[str], Database]) -> None:
    database = opened(postgres.create_database())
    for state, kind in STATES:
        say = text(f"DO $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '{state}'; END $$")
        for run in (database.read, database.write):
            with pytest.raises(kind) as caught:
                run(lambda tx, say=say: tx.execute(say))  # type: ignore[misc]
            assert state in str(caught.value) or state == "40001"
    with pytest.raises(StoreRefused, match=r"schema is not the one of this release"):
        database.read(lambda tx: tx.execute(text("SELECT 1 FROM gone")))
    assert database.write(lambda tx: tx.execute(text("SELECT 1")).scalar()) == 1


def test_what_sqlite_says_is_put_into_the_right_class(tmp_path: Path, opened: Callable[[str], Database]) -> None:
    database = opened(sqlite_url(tmp_path / "x.db"))
    migrate.upgrade(database)
    fill = text("CREATE TABLE filler AS SELECT randomblob(1000000) AS data")
    with pytest.raises(StoreFull, match="SQLITE_FULL"):
        database.write(lambda tx: (tx.execute(text("PRAGMA max_page_count = 1")), tx.execute(fill)))
    database.write(lambda tx: tx.execute(text("PRAGMA max_page_count = 1073741823")))
    with pytest.raises(StoreRefused, match=r"schema is not the one of this release .*no such table: gone"):
        database.read(lambda tx: tx.execute(text("SELECT 1 FROM gone")))
    for deep in ("(" * 200 + "1" + ")" * 200, " + ".join(["1"] * 2_000)):
        with pytest.raises(StoreTooComplex, match="too long or too deep"):
            database.read(lambda tx, deep=deep: tx.execute(text(f"SELECT {deep}")))  # type: ignore[misc]
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as other, pytest.raises(StoreUnavailable, match="BUSY"):
        other.execute("BEGIN IMMEDIATE")
        database.read(lambda tx: (tx.execute(text("PRAGMA busy_timeout = 0")), tx.execute(fill)))
    with pytest.raises(StoreRefused, match="SQLITE_READONLY"):
        database.read(lambda tx: (tx.execute(text("PRAGMA query_only = 1")), tx.execute(fill)))


def _admin(postgres: Postgres, statement: str) -> None:
    name = make_url(postgres.create_database()).database
    with psycopg.connect(f"host={postgres.folder} user=postgres dbname={name}", autocommit=True) as connection:
        connection.execute(sql.SQL(statement))


def test_a_password_with_any_character_connects_and_migrates(
    postgres: Postgres, opened: Callable[[str], Database]
) -> None:
    password = "a@b:c/d#e?f%41[g]+h&i=j\\k'l\"m n,ü"
    url = make_url(postgres.create_database())
    _admin(postgres, sql.SQL("CREATE ROLE odd LOGIN PASSWORD {}").format(sql.Literal(password)).as_string(None))
    _admin(
        postgres, sql.SQL("ALTER DATABASE {} OWNER TO odd").format(sql.Identifier(str(url.database))).as_string(None)
    )
    rules = postgres.data / "pg_hba.conf"
    rules.write_text("local all odd scram-sha-256\n" + rules.read_text())
    _admin(postgres, "SELECT pg_reload_conf()")
    database = opened(f"postgresql://odd:{quote(password, safe='')}@/{url.database}?host={postgres.folder}")
    assert migrate.upgrade(database)
    assert database.read(lambda tx: tx.execute(text("SELECT current_user")).scalar_one()) == "odd"
    with pytest.raises(StoreRefused):
        migrate.upgrade(opened(f"postgresql://odd:{quote(password[:-1])}@/{url.database}?host={postgres.folder}"))
