"""The cache without a server: results hit themselves, and are entries of the server's after `sync`."""

import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import xpstore
from support.logged import run
from support.services import Server
from xpstore import Client, Project
from xpstore._offline.sync import sync

pytestmark = pytest.mark.client


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path / "spool"))
    return tmp_path / "spool"


@pytest.fixture
def offline(server: Server) -> Iterator[Project]:
    client = Client(api_url=server.address, offline=True)
    with Project(f"offline {secrets.token_hex(6)}", client=client) as project:
        yield project
    client.close()


@pytest.fixture
def online(server: Server) -> Iterator[Client]:
    client = Client(server.api_key, server.address)
    yield client
    client.close()


class Calls:
    """Counted where no fingerprint sees them."""

    count = 0


@xpstore.cached(name="double", version="1")
def double(number: int) -> int:
    Calls.count += 1
    return 2 * number


@pytest.fixture(autouse=True)
def none_yet() -> None:
    Calls.count = 0


def test_result_hits_itself_and_is_an_entry_after_sync(offline: Project, online: Client) -> None:
    assert [double(2), double(2)] == [4, 4] and Calls.count == 1
    assert double.map([1, 2, 3, 1]) == [2, 4, 6, 2] and Calls.count == 3
    assert double.recompute(2) == 4 and Calls.count == 4
    artifact = double.artifact(2)
    assert artifact.load() == 4 and artifact == double.artifact(2) and Calls.count == 4
    assert double.explain(2).is_hit and not double.explain(5).is_hit
    computed = offline.cache.get_or_compute("p", {"x": 1}, lambda: "value", version=2)
    assert computed.load() == "value"
    assert offline.cache.get_or_compute("p", {"x": 1}, lambda: 1 / 0, version=2) == computed
    offline._client.close()
    assert sync(online).refused == {}
    project = online.project(offline.id)
    assert sorted(entry.process for entry in project.cache.list()) == ["double", "double", "double", "p"]
    with project:
        assert [double(number) for number in (1, 2, 3)] == [2, 4, 6] and Calls.count == 4
        assert project.cache.get_or_compute("p", {"x": 1}, lambda: 1 / 0, version=2).load() == "value"


def test_result_that_the_server_has_is_not_stored_twice(offline: Project, online: Client) -> None:
    project = online.project(offline.id)
    with project:
        known = double.artifact(2)
    assert double(2) == 4 and Calls.count == 2
    used = xpstore.artifact.DirectoryArtifact.save(b"x", "of it", used=[double.artifact(2)])
    offline._client.close()
    assert not used.is_sent and sync(online).artifacts == 2
    assert [entry.artifact for entry in project.cache.list()] == [known]
    assert project.artifacts.list("of it")[0].used == [known]


def test_the_next_program_hits_what_this_one_computed(server: Server) -> None:
    code = f"""
import xpstore
xpstore.init(offline=True)
@xpstore.cached(version=1, name="slow")
def slow(x):
    print("computed")
    return [x]
with xpstore.Project("offline {secrets.token_hex(6)}"):
    print(slow(1))
"""
    assert run(code, XPSTORE_API_URL=server.address) == "computed\n[1]\n"
    assert run(code, XPSTORE_API_URL=server.address) == "[1]\n"


def test_one_computation_for_many_callers_of_a_process(offline: Project) -> None:
    started = threading.Event()

    @xpstore.cached(version="1")
    def slow(number: int) -> int:
        started.set()
        time.sleep(0.3)
        Calls.count += 1
        return number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(slow, [7] * 8)) == [7] * 8
    assert Calls.count == 1 and started.is_set()


def test_error_of_a_computation_is_that_of_each_caller(offline: Project) -> None:
    @xpstore.cached(version="1")
    def broken() -> int:
        Calls.count += 1
        raise ValueError("broken")

    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            broken()
    assert Calls.count == 2


def test_result_is_computed_again_when_it_is_too_old(offline: Project) -> None:
    options: dict[str, dict[str, float]] = {"max_age": {"max_age": 0}, "ttl": {"ttl": 1e-6}, "young": {"max_age": 9999}}
    for name, option in options.items():
        Calls.count = 0

        @xpstore.cached(name=name, version="1", **option)  # type: ignore[call-overload,untyped-decorator,unused-ignore]
        def count() -> int:
            Calls.count += 1
            return 1

        assert [count(), count()] == [1, 1]
        assert Calls.count == (1 if name == "young" else 2)
