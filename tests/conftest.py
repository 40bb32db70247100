"""Fixtures: real stores, a real server on each, and a client of it."""

import faulthandler
import gc
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key  # the stream that is not captured

import xpstore
from s3_server import MinIO, SeaweedFS
from support.backends import Backend, sqlite_url
from support.operation.warm_server import WarmServers
from support.raw import Raw
from support.services import Postgres, Server
from xpstore._session import current
from xpstore.experiment import Experiment
from xpstore.model import Model
from xpstore_server.store import migrate
from xpstore_server.store.database import Database

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of what a shell starts in the background, and all below it
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # the same below nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

ROOT = Path(__file__).parent
BACKENDS = ["sqlite-disk", "postgres-s3", "postgres-minio"]
# Their files have few tests that take long: begun last, they would leave the other workers idle.
FIRST = ("storms", "whole", "commands", "identity", "operation", "caching")
# After a test's own time-out.
STUCK_SECONDS = 100


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Twice as many as there are processors: tests wait for a third of their time."""
    return max(len(os.sched_getaffinity(0)) * 2, 2)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Says for `.ci/run` how all tests ended: 1 where some failed and all were run."""
    cache = getattr(session.config, "cache", None)
    if cache is not None and not hasattr(session.config, "workerinput"):
        cache.set("xpstore/exit", int(exitstatus))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backend", choices=BACKENDS, help="run tests that need a backend on this one alone")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs tests that need a backend on the two that are always there, `store` on MinIO too, `client` on the first."""
    if "backend" in metafunc.fixturenames:
        names = BACKENDS if metafunc.definition.get_closest_marker("store") else BACKENDS[:2]
        if metafunc.definition.get_closest_marker("client"):
            names = BACKENDS[:1]
        if chosen := metafunc.config.getoption("backend"):
            names = [name for name in names if name == chosen]
        metafunc.parametrize("backend", names, indirect=True, scope="module")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rooms of long tests come first."""
    rooms = {room: number for number, room in enumerate(FIRST)}
    items.sort(key=lambda item: rooms.get(item.path.relative_to(ROOT).parts[0], len(FIRST)))


def pytest_collection_finish() -> None:
    """What thousands of tests are made of stays: it is not looked through again and again for what could go."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Ends a worker whose test stands still where its time-out does not reach it, as in C, and says where that was.

    The test then counts as failed, and another worker goes on. Without this all of them would wait for ever.
    """
    if not hasattr(item.config, "workerinput") or item.config.getoption("timeout", None) is not None:
        return (yield)
    marker = item.get_closest_marker("timeout")
    seconds = float(marker.args[0] if marker else item.config.getini("timeout")) + STUCK_SECONDS
    faulthandler.dump_traceback_later(seconds, exit=True, file=item.config.stash[fault_handler_stderr_fd_key])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="session", autouse=True)
def folders_of_clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folders of what clients keep on this machine: no test, and no program that one starts, touches the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XPSTORE_CACHE", str(folder))
        patch.setenv("XPSTORE_SPOOL", str(tmp_path_factory.mktemp("spool")))
        patch.setenv("XPSTORE_CONFIG", str(tmp_path_factory.mktemp("config")))
        yield folder
    subprocess.run(["rm", "-rf", folder], check=True)  # what removes it later recurses, and there are deep trees in it


@pytest.fixture(scope="session", autouse=True)
def warm_servers(folders_of_clients: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Servers start as forks of one process, where that can be."""
    if not WarmServers.are_possible():
        yield
        return
    with WarmServers(tmp_path_factory.mktemp("warm")) as Server.warm:
        yield
        Server.warm = None


@pytest.fixture(scope="session")
def cache(folders_of_clients: Path) -> Path:
    """The folder of what clients keep of files and results. Tests may have a `cache` of their own instead."""
    return folders_of_clients


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def new_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a database with the schema, and nothing in it: to be copied, as each module has one of its own."""
    file: Path = tmp_path_factory.mktemp("schema") / "xpstore.db"
    migrated(sqlite_url(file))
    file.chmod(0o600)  # as a server makes it, which says so of one that others can read
    return file


@pytest.fixture(scope="session")
def new_postgres(postgres: Postgres) -> str:
    """The name of a database with the schema, and nothing in it, to make others from."""
    url = postgres.create_database()
    migrated(url)
    return str(urlsplit(url).path.strip("/"))


def migrated(url: str) -> None:
    database = Database(url)
    migrate.upgrade(database)
    database.close()


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[SeaweedFS]:
    with SeaweedFS() as server:
        yield server


@pytest.fixture(scope="session")
def minio() -> Iterator[MinIO]:
    if not MinIO.available():
        pytest.skip("MinIO is not built: run `make minio`")
    with MinIO() as server:
        yield server


@pytest.fixture(scope="module")
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    name: str = request.param
    if name == "sqlite-disk":
        folder = tmp_path_factory.mktemp("disk")
        blobs = folder / "blobs"
        shutil.copy(request.getfixturevalue("new_sqlite"), folder / "xpstore.db")
        return Backend(name=name, database_url=sqlite_url(folder / "xpstore.db"), blob_url=blobs.as_uri())
    # The S3 server first: where it is missing the test is skipped before a database is made.
    s3: SeaweedFS | MinIO = request.getfixturevalue("minio" if name == "postgres-minio" else "seaweedfs")
    database: Postgres = request.getfixturevalue("postgres")
    bucket = f"test-{secrets.token_hex(6)}"
    url = database.create_database(request.getfixturevalue("new_postgres"))
    return Backend(name=name, database_url=url, blob_url=s3.create_bucket(bucket))


@pytest.fixture(scope="module")
def server(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("server")
    with Server(backend.database_url, backend.blob_url, folder) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[xpstore.Client]:
    """The session's client; afterwards there is no session, as at the start of a program."""
    client = xpstore.init(server.api_key, server.address)
    yield client
    current.set_client(None)
    client.close()


@pytest.fixture
def project(client: xpstore.Client) -> Iterator[xpstore.Project]:
    """A new project, entered."""
    with xpstore.Project(id=f"test {secrets.token_hex(6)}", name="test") as project:
        yield project


@pytest.fixture
def raw(project: xpstore.Project) -> Raw:
    """The artifact protocol of that project, spoken by hand."""
    return Raw(project._client, project.uid)


@pytest.fixture
def experiment(project: xpstore.Project) -> Experiment:
    return project.experiment("e")


@pytest.fixture
def model(experiment: Experiment) -> Model:
    return experiment.model("h")
