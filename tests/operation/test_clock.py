"""A wall clock that is wrong for a while: nothing goes for good, and nothing stands still.

The server's clock, with SQLite, or that of PostgreSQL's host is set by libfaketime while they run; the steady clock is
real. XPSTORE_TEST_CLOCKS=1 tries each shift on both.
"""

import os
import shlex
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import xpstore
from support.backends import sqlite_url
from support.leases import kind, until
from support.needs import needs
from support.raw import Raw, chunk_of, digest_of, entry_of, page_of, root_of
from support.raw_cache import RawCache, new_fingerprint, new_token
from support.services import Postgres, Server
from xpstore._session import current
from xpstore._values.ids import new_id
from xpstore.artifact import Artifact
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import run_pb2

LEASE_SECONDS = 3.0
SHIFTS = [("sqlite", "+8d"), ("postgres", "-8d")]
if os.environ.get("XPSTORE_TEST_CLOCKS"):
    SHIFTS = [(database, shift) for database in ("sqlite", "postgres") for shift in ("+8d", "-8d", "+2h")]
SLACK_SECONDS = 5.0  # of a crowded machine


class SetClock:
    """The clock of the programs that are started with its environment."""

    def __init__(self, folder: Path) -> None:
        program = Path(needs("faketime"))
        (library,) = program.parent.parent.glob("lib/*/faketime/libfaketimeMT.so.1")
        self._file = folder / "clock"
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set("+0")

    def set(self, shift: str) -> None:
        """Sets it so much off the true time."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{shift}\n")
        fresh.rename(self._file)  # nobody reads half of it

    def wrap(self, postgres: Postgres) -> None:
        """Starts its programs with this clock, when they run as their own user: what libfaketime shares is a user's."""
        words = shlex.join(f"{name}={value}" for name, value in self.environment.items())
        wrappers = postgres.folder / "wrappers"
        wrappers.mkdir()
        for name in ("initdb", "postgres"):
            setting = f"env {words} " if name == "postgres" else ""
            (wrappers / name).write_text(f'#!/bin/sh\nexec {setting}{postgres.programs / name} "$@"\n')
            (wrappers / name).chmod(0o755)
        postgres.programs = wrappers


@pytest.fixture
def clock() -> Iterator[SetClock]:
    # PostgreSQL runs as nobody, who cannot enter the folders of pytest.
    with tempfile.TemporaryDirectory(prefix="xpclk-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield SetClock(Path(folder))


@pytest.fixture
def served(request: pytest.FixtureRequest, clock: SetClock, tmp_path: Path) -> Iterator[Server]:
    """A server of whose database the clock can be set."""
    environment = {"XPSTORE_SWEEP_SECONDS": "0.5", "XPSTORE_CACHE_LEASE_SECONDS": str(LEASE_SECONDS)}
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = sqlite_url(tmp_path / "xpstore.db")
            environment |= clock.environment
        else:
            postgres = Postgres()
            clock.wrap(postgres)
            url = stack.enter_context(postgres).create_database()
        blobs = (tmp_path / "blobs").as_uri()
        yield stack.enter_context(Server(url, blobs, tmp_path, environment=environment))


class Project:
    """A project, spoken to by hand."""

    def __init__(self, server: Server) -> None:
        self.client = xpstore.init(server.api_key, server.address, timeout_seconds=60)
        self.handle = xpstore.Project(id="clock", name="clock")
        self.raw = Raw(self.client, self.handle.uid)
        self.cache = RawCache(self.client, self.handle.uid)

    def close(self) -> None:
        current.set_client(None)
        self.client.close()

    def deleted_version(self) -> tuple[str, bytes]:
        """A version that has just been deleted, and what it held."""
        data = os.urandom(1000)
        page = page_of(entry_of("a", data))
        self.raw.upload(chunk_of(data), chunk_of(page))
        version = self.raw.commit(root_of(page), name="deleted").version
        Artifact.get_by_id(version.id).delete()
        return version.id, data

    def uploaded(self) -> bytes:
        """The digest of a chunk that is sent and not committed yet."""
        data = os.urandom(1000)
        self.raw.upload(chunk_of(data))
        return digest_of(data)

    def dead_lease(self) -> str:
        """The fingerprint of an entry that somebody reserved who is gone."""
        fingerprint = new_fingerprint()
        assert kind(self.cache.reserve(fingerprint, new_token())) == "granted"
        return fingerprint

    def entry(self, ttl_seconds: float) -> str:
        """The fingerprint of an entry that is a hit for so long."""
        fingerprint, token = new_fingerprint(), new_token()
        assert kind(self.cache.reserve(fingerprint, token)) == "granted"
        self.cache.commit(fingerprint, token, ttl_us=int(ttl_seconds * 1e6), name=f"result {fingerprint[:8]}")
        return fingerprint

    def check_version(self, version_id: str, data: bytes) -> None:
        request = pb.UndeleteArtifactVersionRequest(version_id=version_id)
        self.client.call(self.client.stubs.artifacts.UndeleteArtifactVersion, request)
        with tempfile.TemporaryDirectory() as folder:
            tree = Artifact.get_by_id(version_id).download(Path(folder) / "tree")
            assert (tree / "a").read_bytes() == data

    def check_taken_over(self, fingerprint: str) -> None:
        """Another caller computes the entry within two lengths, of this moment."""
        began = time.monotonic()
        while kind(answer := self.cache.reserve(fingerprint, new_token())) != "granted":
            assert time.monotonic() - began < 2 * LEASE_SECONDS + SLACK_SECONDS, "nobody may compute it"
            self.cache.wait(fingerprint, answer.busy.id, 1)


@pytest.fixture
def project(served: Server) -> Iterator[Project]:
    project = Project(served)
    yield project
    project.close()


def told(server: Server, text: str, times: int = 1) -> Callable[[], bool]:
    """Whether the server's log has a text so many times."""
    return lambda: server.log.read_text().count(text) >= times


@pytest.mark.parametrize(("served", "shift"), SHIFTS, indirect=["served"])
def test_clock_that_is_wrong_for_a_while_purges_and_stops_nothing(
    served: Server, clock: SetClock, project: Project, shift: str
) -> None:
    deleted, chunks, leases = [project.deleted_version()], [project.uploaded()], [project.dead_lease()]
    model = project.handle.experiment("e").model("m")
    run = project.client.stubs.runs.CreateRun
    made = project.client.call(run, run_pb2.CreateRunRequest(model_id=str(model.id), run_id=new_id())).run
    lasting = project.entry(ttl_seconds=3_600)
    clock.set(shift)
    passing = project.entry(ttl_seconds=2)
    deleted.append(project.deleted_version())
    chunks.append(project.uploaded())
    leases.append(project.dead_lease())
    until(told(served, "has jumped"))
    read = run_pb2.GetRunRequest(run_id=made.id)
    assert project.client.call(project.client.stubs.runs.GetRun, read).run.status == run_pb2.RUN_STATUS_RUNNING
    clock.set("+0")
    for fingerprint in leases:
        project.check_taken_over(fingerprint)
    assert project.client.call(project.client.stubs.runs.GetRun, read).run.status == run_pb2.RUN_STATUS_RUNNING
    assert not project.raw.missing(*chunks)
    assert project.cache.lookup(lasting) is not None
    until(lambda: project.cache.lookup(passing) is None)
    for version_id, data in deleted:
        project.check_version(version_id, data)
    assert served.log.read_text().count("has jumped") == 1  # said once, however many turns were skipped


@pytest.mark.parametrize("served", ["sqlite"], indirect=True)
def test_lease_given_by_a_clock_of_tomorrow_ends_after_a_restart_with_the_right_one(
    served: Server, clock: SetClock, project: Project
) -> None:
    served.kill()
    clock.set("+2h")
    served.start()
    lease = project.dead_lease()
    served.kill()
    clock.set("+0")
    served.start()
    project.check_taken_over(lease)
