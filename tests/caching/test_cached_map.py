"""`f.map(calls)`: hits are read after one look-up, what is missing is computed, and all else is as of single calls."""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import xpstore
from support.backends import Backend, sqlite_url
from support.cached_program import storm_of_maps
from support.computed import calls
from support.services import Server
from xpstore import cached, errors
from xpstore._caching import state as caching
from xpstore._caching.state import CacheState, Counts
from xpstore.artifact import DirectoryArtifact

pytestmark = pytest.mark.client

PROCESSES, KEYS = 3, 12


@pytest.fixture(scope="module")
def server(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose log has each call."""
    folder: Path = tmp_path_factory.mktemp("server")
    with Server(backend.database_url, backend.blob_url, folder, environment={"XPSTORE_LOG_LEVEL": "DEBUG"}) as server:
        yield server


@cached(version=1)
def double(number: int, times: int = 2) -> list[int]:
    calls.append(number)
    return [number * times]


@cached(version=1)
async def later(number: int) -> list[int]:
    calls.append(number)
    await asyncio.sleep(0)
    return [number]


@dataclass(frozen=True)
class Model:
    weight: int

    @cached(version=1)
    def predict(self, number: int) -> int:
        calls.append(number)
        return self.weight * number


def counted(project: xpstore.Project) -> Counts:
    return project._client.kept(CacheState).counts


def look_ups(server: Server) -> int:
    return server.log.read_text().count("CacheService/LookupCacheEntries")


def test_results_come_in_order_and_only_what_is_missing_is_computed(project: xpstore.Project, server: Server) -> None:
    double(3)
    before = look_ups(server)
    assert double.map([5, 3, (4,), (4, 3), (3, 2)]) == [[10], [6], [8], [12], [6]]
    assert calls == [3, 5, 4, 4] and look_ups(server) == before + 1
    assert double.map(iter([4, 3, 5])) == [[8], [6], [10]]
    assert calls == [3, 5, 4, 4] and look_ups(server) == before + 2
    counts = counted(project)
    assert (counts.hits, counts.computed, counts.uncached) == (2 + 3, 1 + 3, 0)
    assert double(4) == [8] and double.artifact(4, 3).load() == [12]
    assert double.map([]) == double.map(iter(())) == [] and look_ups(server) == before + 3


def test_thousands_of_calls_take_a_look_up_for_each_thousand(project: xpstore.Project, server: Server) -> None:
    double.map(range(5))
    before = look_ups(server)
    assert double.map(number % 5 for number in range(2_500)) == [[number % 5 * 2] for number in range(2_500)]
    assert len(calls) == 5 and look_ups(server) == before + 3
    assert counted(project).hits == 2_500


def test_equal_calls_are_computed_once_and_each_has_a_value_of_its_own(
    project: xpstore.Project, server: Server
) -> None:
    before = look_ups(server)
    one, two, three, four = double.map([7, 7, (7, 2), 8])
    assert calls == [7, 8] and look_ups(server) == before + 2
    one.append(1)
    assert one == [14, 1] and two == three == [14] and two is not three and four == [16]
    one, two = double.map([7, 7])
    one.append(1)
    assert two == [14]


def test_exception_comes_as_it_is_and_what_was_computed_before_stays(project: xpstore.Project) -> None:
    @cached(name="picky", version=1)
    def picky(number: int) -> int:
        calls.append(number)
        if number == 2:
            raise ZeroDivisionError("two")
        return number

    with pytest.raises(ZeroDivisionError, match="two"):
        picky.map([1, 2, 3])
    assert calls == [1, 2]
    assert picky(1) == 1 and calls == [1, 2]
    with pytest.raises(TypeError, match="positional argument"):
        picky.map([4, (5, 6)])
    assert picky(4) == 4 and calls == [1, 2, 4]
    assert counted(project).computed == 2


def test_call_in_doubt_is_computed_uncached_with_one_warning_and_strict_raises(
    project: xpstore.Project, caplog: pytest.LogCaptureFixture
) -> None:
    @cached(name="first", version=1)
    def first(lines: Any) -> Any:
        calls.append(lines)
        return next(iter(lines))

    assert first.map([["a"], iter("b"), ["c"], iter("d")]) == ["a", "b", "c", "d"]
    assert len(calls) == 4 and (counted(project).computed, counted(project).uncached) == (2, 2)
    assert len([record for record in caplog.records if "computed and not cached" in record.getMessage()]) == 1
    strict = cached(name="first", version=1, strict=True)(first.__wrapped__)
    with pytest.raises(errors.InvalidArgument, match="lines"):
        strict.map([["e"], iter("f")])
    assert len(calls) == 4


def test_what_cannot_be_stored_is_returned(project: xpstore.Project, caplog: pytest.LogCaptureFixture) -> None:
    @cached(name="unsafe", version=1)
    def unsafe(number: int) -> Iterator[int]:
        calls.append(number)
        return iter([number])

    assert [*map(next, unsafe.map([1, 2, 1, 1]))] == [1, 2, 1, 1]
    assert counted(project).uncached == len(calls) == 4
    assert len([record for record in caplog.records if "no safe format" in record.getMessage()]) == 1


def test_terms_count_as_of_single_calls(project: xpstore.Project) -> None:
    assert double.map([1, 2]) == [[2], [4]]
    young = cached(version=1, max_age=0)(double.__wrapped__)
    assert young.map([1, 2]) == [[2], [4]] and calls == [1, 2, 1, 2]
    forced = cached(version=1, force=True)(double.__wrapped__)
    assert forced.map([1, 1]) == [[2], [2]] and calls == [1, 2, 1, 2, 1, 1]
    short = cached(name="short", version=1, ttl=0.001)(double.__wrapped__)
    short.map([1])
    time.sleep(0.01)
    assert short.map([1]) == [[2]] and calls[-2:] == [1, 1]


def test_deleted_results_are_computed_again(project: xpstore.Project) -> None:
    double.map([1, 2])
    double.artifact(1).delete()
    assert double.map([1, 2]) == [[2], [4]] and calls == [1, 2, 1]


def test_hit_that_cannot_be_read_any_more_is_computed_again(project: xpstore.Project) -> None:
    """An entry is a hit whose result holds an artifact that is gone: only reading it tells."""

    @cached(name="holds", version=1)
    def holds(name: str) -> list[Any]:
        calls.append(name)
        return [DirectoryArtifact.save(os.urandom(8), f"inner {name}")]

    holds.map(["a", "b"])
    inner = {name: holds(name)[0] for name in ("a", "b")}
    inner["b"].delete()
    (one,), (two,) = holds.map(["a", "b"])
    assert one == inner["a"] and two.version == inner["b"].version + 1 and calls == ["a", "b", "b"]


def test_map_inside_its_own_computation_is_no_deadlock(project: xpstore.Project) -> None:
    @cached(name="recursive", version=1, ignore=("depth",))
    def recursive(number: int, depth: int = 0) -> int:
        calls.append((number, depth))
        return number if depth else sum(recursive.map([(number, 1), (number + 1, 1)]))

    assert recursive(3) == 3 + 4 and calls == [(3, 0), (3, 1), (4, 1)]
    assert recursive.recompute(3) == 7 and calls[3:] == [(3, 0), (3, 1)]
    assert recursive.map([3, 4]) == [7, 4] and len(calls) == 5


def test_methods_take_their_object(project: xpstore.Project) -> None:
    assert Model(3).predict.map([1, 2]) == [3, 6] and Model(4).predict.map([1]) == [4]
    assert Model(3).predict(2) == 6 and calls == [1, 2, 1]


def test_async_function(project: xpstore.Project) -> None:
    async def run() -> list[Any]:
        await later(2)
        return [await later.map(number for number in (1, 2, 3, 1)), await later.map([(3,), 2])]

    assert asyncio.run(run()) == [[[1], [2], [3], [1]], [[3], [2]]]
    assert calls == [2, 1, 3]


def test_async_map_can_be_cancelled(project: xpstore.Project) -> None:
    @cached(name="endless", version=1)
    async def endless(number: int) -> int:
        calls.append(number)
        await asyncio.sleep(60 if number == 2 else 0)
        return number

    async def run() -> int:
        task = asyncio.create_task(endless.map([1, 2, 3]))
        while calls != [1, 2]:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await endless(1)

    assert asyncio.run(run()) == 1 and calls == [1, 2]


def test_server_away_costs_no_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caching, "REACH_SECONDS", 0.3)
    with Server(sqlite_url(tmp_path / "xpstore.db"), (tmp_path / "blobs").as_uri(), tmp_path) as mortal:
        client = xpstore.Client(mortal.api_key, mortal.address, timeout_seconds=1)
        lonely = client.project("lonely").open()
        function = cached(name="double", version=1, project=lonely)(double.__wrapped__)
        assert function.map([1, 2]) == [[2], [4]]
        mortal.kill()
        assert function.map([1, 2, 3, 3]) == [[2], [4], [6], [6]]
        assert (counted(lonely).computed, counted(lonely).uncached) == (2, 4)
        client.close()


def test_offline_client_computes() -> None:
    client = xpstore.Client("key", "localhost:1", offline=True)
    assert cached(name="double", version=1, project=client.project("p"))(double.__wrapped__).map([3, 4]) == [[6], [8]]
    client.close()


def test_processes_that_map_the_same_calls_compute_each_once(server: Server, project: xpstore.Project) -> None:
    context = multiprocessing.get_context("forkserver")
    arguments = [(rank, server.api_key, server.address, project.id, KEYS) for rank in range(PROCESSES)]
    with context.Pool(PROCESSES) as pool:
        computed = pool.starmap(storm_of_maps, arguments, chunksize=1)
    assert sum(computed) == KEYS
    assert sum(count > 0 for count in computed) > 1, "nobody shared the work"
