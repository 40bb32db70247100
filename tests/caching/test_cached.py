"""Cached functions: what hits, what misses, what is stored, and what callers see when something is in the way."""

import asyncio
import concurrent.futures
import inspect
import multiprocessing
import os
import pickle
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

import xpstore
from support.computed import calls
from support.services import Server
from xpstore import cached, errors
from xpstore._identity.values import PartKind
from xpstore.artifact import Artifact, CachedArtifact, DatasetArtifact

pytestmark = pytest.mark.client


@cached(version=1)
def double(number: int, *, is_loud: bool = False) -> dict[str, Any]:
    """Doubles a number."""
    calls.append(number)
    return {"number": number * 2, "pair": (number, number), "array": np.arange(number)}


@cached(name="shout", version=1, ignore=("volume",))
async def shout(word: str, volume: int = 1) -> str:
    calls.append(word)
    await asyncio.sleep(0.05)
    return word.upper()


@dataclass(frozen=True)
class Model:
    """Fingerprinted by its fields."""

    weight: int

    @cached(version=1)
    def predict(self, number: int) -> int:
        calls.append(number)
        return self.weight * number

    @cached(version=1)
    async def predict_later(self, number: int) -> int:
        calls.append(number)
        return self.weight * number


# Hits and misses.


def test_same_call_is_computed_once_and_comes_back_as_it_was(project: xpstore.Project) -> None:
    first, second = double(3), double(number=3, is_loud=False)
    assert calls == [3]
    assert (first["array"] == second["array"]).all() and first.pop("array") is not second.pop("array")
    assert first == second == {"number": 6, "pair": (3, 3)}
    assert double(4)["number"] == 8 and double(3, is_loud=True)["number"] == 6
    assert calls == [3, 4, 3]


def test_every_hit_is_an_own_copy(project: xpstore.Project) -> None:
    double(3)
    double(3)["array"][:] = 7
    double(3)["number"] = 7
    value = double(3)
    assert value["number"] == 6 and value["array"].tolist() == [0, 1, 2]


def test_function_keeps_its_signature_and_its_name() -> None:
    assert (double.__name__, double.__doc__) == ("double", "Doubles a number.")
    assert list(inspect.signature(double).parameters) == ["number", "is_loud"]
    assert pickle.loads(pickle.dumps(double)) is double
    assert "double" in repr(double)


def test_results_are_shared_by_other_clients(project: xpstore.Project, server: Server) -> None:
    double(3)
    other = xpstore.Client(server.api_key, server.address)
    again = cached(version=1, project=other.project(project.id))(double.__wrapped__)
    assert again(3)["number"] == 6 and calls == [3]
    other.close()


def test_artifact_is_the_same_one_each_time(project: xpstore.Project) -> None:
    artifact = double.artifact(3)
    double(3)
    assert double.artifact(3) == artifact == CachedArtifact.get_by_id(artifact.id)
    assert isinstance(artifact, CachedArtifact) and artifact.name == f"{__name__}.double"
    assert artifact.load()["pair"] == (3, 3) and calls == [3]
    assert artifact.hash_ == double.explain(3).fingerprint
    process = artifact.process
    assert process is not None and process.name == artifact.name
    parts = {(part.kind, part.name): part.text for part in process.parts}
    assert parts[PartKind.PARAMETER, "number"] == "3" and parts[PartKind.VERSION, "version"] == "1"


def test_recompute_and_force_replace_what_is_cached(project: xpstore.Project) -> None:
    double(3)
    assert double.recompute(3)["number"] == 6 and calls == [3, 3]
    always = cached(version=1, force=True)(double.__wrapped__)
    always(3)
    assert calls == [3, 3, 3]
    double(3)
    assert calls == [3, 3, 3] and len(project.cache.list()) == 1


def test_methods_are_keyed_by_their_object_too(project: xpstore.Project) -> None:
    assert [Model(2).predict(3), Model(2).predict(number=3), Model(5).predict(3)] == [6, 6, 15]
    assert calls == [3, 3]
    assert Model(2).predict.artifact(3).load() == 6
    assert asyncio.run(Model(2).predict_later(3)) == asyncio.run(Model(2).predict_later(3)) == 6
    assert calls == [3, 3, 3]


def test_async_function_is_computed_once_for_all_that_wait(project: xpstore.Project) -> None:
    async def main() -> list[str]:
        words = await asyncio.gather(*(shout("hey", volume) for volume in range(20)))
        assert (await shout.artifact("hey")).load() == "HEY"
        assert (await shout.explain("hey")).is_hit
        assert await shout.recompute("hey") == "HEY"
        return words

    assert asyncio.run(main()) == ["HEY"] * 20
    assert calls == ["hey", "hey"]


def test_cancelled_async_call_gives_its_place_to_the_next(project: xpstore.Project) -> None:
    began = asyncio.Event()

    @cached(name="sleeps", version=1)
    async def sleeps(seconds_are: dict[str, float]) -> str:
        began.set()
        await asyncio.sleep(delays.pop())
        return "slept"

    delays = [0.0, 600.0]

    async def main() -> str:
        task = asyncio.create_task(sleeps({"a": 1}))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await asyncio.wait_for(sleeps({"a": 1}), 30)

    assert asyncio.run(main()) == "slept"


def test_threads_share_one_computation(project: xpstore.Project) -> None:
    @cached(name="slow", version=1)
    def slow(number: int) -> int:
        calls.append(number)
        time.sleep(0.3)
        return number

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert list(pool.map(slow, [1, 2] * 8)) == [1, 2] * 8
    assert sorted(calls) == [1, 2]


def test_get_or_compute_takes_what_is_no_function(project: xpstore.Project) -> None:
    parameters = {"path": "corpus.txt", "size": 8}
    artifact = project.cache.get_or_compute("tokenize", parameters, lambda: ["a", "b"])
    again = project.cache.get_or_compute("tokenize", parameters, lambda: pytest.fail("computed"))
    assert again == artifact and artifact.load() == ["a", "b"] and artifact.name == "tokenize"
    other = project.cache.get_or_compute("tokenize", parameters, lambda: ["c"], version=2)
    assert other != artifact
    forced = project.cache.get_or_compute("tokenize", parameters, lambda: ["d"], force=True)
    assert project.cache.get_or_compute("tokenize", parameters, list).load() == ["d"] == forced.load()


def test_equal_results_of_different_calls_have_artifacts_of_their_own(project: xpstore.Project) -> None:
    first = project.cache.get_or_compute("p", {"n": 1}, lambda: "same")
    second = project.cache.get_or_compute("p", {"n": 2}, lambda: "same")
    assert (first.id, first.hash_) != (second.id, second.hash_) and first.digest == second.digest


def test_artifacts_in_and_out_are_lineage(project: xpstore.Project) -> None:
    source = DatasetArtifact.save(b"rows", "rows")

    @cached(name="derive", version=1)
    def derive(inputs: list[Artifact]) -> dict[str, Artifact]:
        calls.append(1)
        return {"made": DatasetArtifact.save(b"made", "made")}

    made = derive([source])["made"]
    hit = derive([source])["made"]
    assert hit == made and isinstance(hit, DatasetArtifact) and calls == [1]
    assert {one.name for one in derive.artifact([source]).used} == {"rows", "made"}
    made.delete(all_versions=True)
    assert derive([source])["made"].id != made.id and calls == [1, 1]


def test_deleted_artifact_is_a_miss(project: xpstore.Project) -> None:
    double.artifact(3).delete()
    assert double.explain(3).state == "deleted"
    assert double(3)["number"] == 6 and calls == [3, 3]


# How long it is kept.


def test_time_to_live_and_greatest_age(project: xpstore.Project) -> None:
    brief = cached(name="brief", version=1, ttl=timedelta(seconds=2))(double.__wrapped__)
    brief(3)
    brief(3)
    assert calls == [3]
    time.sleep(2.1)
    assert brief.explain(3).state == "expired"
    brief(3)
    assert calls == [3, 3]
    fresh = cached(version=1, max_age=0.0)(double.__wrapped__)
    double(5), fresh(5), fresh(5)
    assert calls == [3, 3, 5, 5, 5]


def test_settings_of_the_project_count_for_all(project: xpstore.Project, server: Server) -> None:
    project.cache_ttl, project.cache_max_age = 60, timedelta(hours=2)
    same = xpstore.Project.get_by_id(project.id)
    assert (same.cache_ttl, same.cache_max_age) == (timedelta(minutes=1), timedelta(hours=2))
    double(3)
    (entry,) = project.cache.list()
    assert entry.expires_at is not None and entry.expires_at - entry.completed_at == timedelta(minutes=1)
    project.cache_max_age = 0.001
    time.sleep(0.01)
    double(3)
    assert calls == [3, 3]
    project.cache_ttl = project.cache_max_age = None
    assert xpstore.Project.get_by_id(project.id).cache_ttl is None
    with pytest.raises(errors.InvalidArgument, match="cache_ttl = 0: must be positive"):
        project.cache_ttl = 0


# What is in the cache.


def test_list_statistics_and_invalidate(project: xpstore.Project) -> None:
    double(3), double(3), double(4)
    project.cache.get_or_compute("other", {}, lambda: None)
    entries = project.cache.list(double)
    assert [entry.process for entry in entries] == [f"{__name__}.double"] * 2
    assert entries[0].artifact == double.artifact(3) and entries[0].duration_seconds >= 0
    statistics = project.cache.statistics()
    assert (statistics.entries, statistics.here.computed, statistics.here.hits) == (3, 3, 2)
    assert statistics.size_bytes > 0

    assert project.cache.invalidate(fingerprint=entries[0].fingerprint) == 1
    double(3)
    assert calls == [3, 4, 3]
    assert project.cache.invalidate(double, delete_artifacts=True) == 2
    assert {entry.process for entry in project.cache.list()} == {"other"}
    assert [artifact.name for artifact in project.artifacts.list()].count(f"{__name__}.double") <= 1
    assert project.cache.invalidate() == 1 and project.cache.list() == []
    with pytest.raises(errors.InvalidArgument, match="one selects entries: more are given"):
        project.cache.invalidate("a", fingerprint="0" * 64)


def test_explanation_names_what_differs(project: xpstore.Project) -> None:
    assert str(double.explain(3)).endswith("it was never computed with these parts")
    double(3)
    hit = double.explain(3)
    assert hit.is_hit and hit.entry is not None and "a hit" in str(hit)
    miss = double.explain(4)
    assert miss.state == "absent" and not miss.is_hit and miss.nearest == project.cache.list()[0]
    assert [str(one) for one in miss.differences] == ["parameter number: 4, was 3"]
    assert "parameter number: 4, was 3" in str(miss)
    newer = cached(name=f"{__name__}.double", version=2)(double.__wrapped__)
    assert [str(one) for one in newer.explain(3).differences] == ["version version: 2, was 1"]
    assert project.cache.explain("tokenize", {"a": 1}).state == "absent"
    assert calls == [3]


def test_pickle_is_written_and_read_only_by_name(project: xpstore.Project, caplog: pytest.LogCaptureFixture) -> None:
    def opaque() -> Any:
        calls.append(1)
        return Model

    pickled = cached(name="opaque", version=1, format="pickle")(opaque)
    plain = cached(name="opaque", version=1)(opaque)
    assert pickled() is pickled() is Model and calls == [1]
    artifact = pickled.artifact()
    assert artifact.load(format="pickle") is Model
    for load in (artifact.load, lambda: artifact.load("value.pickle")):
        with pytest.raises(errors.InvalidArgument, match=r"pickle|safe format"):
            load()
    assert plain() is Model and calls == [1, 1]
    assert [record.message for record in caplog.records if 'format="pickle"' in record.message]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ttl": 0}, "ttl = 0: must be positive"),
        ({"max_age": -1}, "max_age = -1: must not be negative"),
        ({"ttl": "1 day"}, "ttl = '1 day': must be a timedelta"),
        ({"format": "json"}, "format = 'json': must be one of pickle"),
        ({"name": ""}, "name = '': must not be empty"),
        ({"ignore": ("nothing",)}, "no such parameter"),
    ],
)
def test_options_that_make_no_sense_are_refused_where_they_are_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=message):
        cached(**options)(double.__wrapped__)


def test_without_session_or_project_the_call_says_so(server: Server) -> None:
    with pytest.raises(errors.NotInitialized):
        double(3)


def test_forked_child_computes_on_its_own_and_leaves_the_parents_lease(project: xpstore.Project) -> None:
    @cached(name="forks", version=1)
    def forks() -> int:
        pid = os.fork()
        if not pid:
            try:
                os._exit(0 if double(3)["number"] == 6 else 1)
            finally:
                os._exit(2)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert forks() == 0
    assert {entry.process for entry in project.cache.list()} == {"forks", f"{__name__}.double"}


# Other processes.


def work(api_key: str, address: str, project_id: str, number: int) -> int:
    xpstore.init(api_key, address)
    with xpstore.Project(project_id):
        return int(double(number)["number"])


def test_function_works_in_spawned_processes(project: xpstore.Project, server: Server) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        arguments = [(server.api_key, server.address, project.id, number) for number in (1, 2, 1, 2)]
        assert pool.starmap(work, arguments) == [2, 4, 2, 4]
    assert double(1)["number"] == 2 and calls == []


@cached(name="odd names", version=1)
def of_odd_names(
    self: int, args: int = 1, kwargs: int = 2, function: int = 3, job: int = 4, call: int = 5
) -> list[int]:
    calls.append(self)
    return [self, args, kwargs, function, job, call]


def test_parameters_may_have_any_names(project: xpstore.Project) -> None:
    """Also those of the methods of a cached function."""
    calls.clear()
    given = {"self": 9, "args": 8, "kwargs": 7, "function": 6, "job": 5, "call": 4}
    assert of_odd_names(**given) == of_odd_names(*given.values()) == [9, 8, 7, 6, 5, 4]
    assert of_odd_names(self=9) == of_odd_names(9) == of_odd_names.recompute(self=9) == [9, 1, 2, 3, 4, 5]
    assert of_odd_names.artifact(**given).load() == [9, 8, 7, 6, 5, 4]
    assert (of_odd_names.explain(**given).state, of_odd_names.explain(self=1).state) == ("hit", "absent")
    assert calls == [9, 9, 9]
