"""Hits that are computed again: what is told apart, what is replaced, what is said and counted."""

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpstore
from support.backends import sqlite_url
from support.computed import calls, outcomes, seen, told, world
from support.services import Server
from xpstore import cached, errors
from xpstore._caching import state as caching
from xpstore._caching.state import CacheState
from xpstore._identity.libraries import libraries_of
from xpstore.v1 import cache_pb2 as pb

pytestmark = pytest.mark.client


def counted(project: xpstore.Project) -> tuple[int, int]:
    here = project.cache.statistics().here
    return here.verified, here.different


# What is told apart.


def test_a_hit_that_comes_out_the_same_is_said_nothing_of(
    project: xpstore.Project, caplog: pytest.LogCaptureFixture
) -> None:
    world["k"] = {"pair": (1, 2), "array": np.arange(3), "nan": float("nan")}
    first, entry = seen("k"), seen.artifact("k")
    assert calls == ["k"] and outcomes(project) == {}  # neither what is computed nor an artifact
    again = seen("k")
    assert again["pair"] == first["pair"] and again["array"] is not first["array"] and calls == ["k"] * 2
    assert outcomes(project) == {"same": 1} and counted(project) == (1, 0)
    assert seen.artifact("k") == entry and told(caplog) == []


@pytest.mark.parametrize(
    ("cached_value", "fresh"),
    [
        ({"a": 1, "b": [2]}, {"b": [2], "a": 1}),
        (np.array([0.0, np.nan]), np.array([-0.0, np.nan])),
        ([{"frame": pd.DataFrame({"x": [1, 2]})}], [{"frame": pd.DataFrame({"x": [1, 2]}, index=pd.Index([0, 1]))}]),
    ],
)
def test_unequal_bytes_of_equal_values_are_no_difference(
    project: xpstore.Project, caplog: pytest.LogCaptureFixture, cached_value: Any, fresh: Any
) -> None:
    world["k"] = cached_value
    seen("k")
    entry, world["k"] = seen.artifact("k"), fresh
    assert type(seen("k")) is type(cached_value)
    assert outcomes(project) == {"equal": 1} and counted(project) == (1, 0)
    assert seen.artifact("k") == entry and calls == ["k"] * 2 and told(caplog) == []


def test_close_enough_is_what_the_caller_says(project: xpstore.Project) -> None:
    world["k"] = np.array([1.0, 2.0])
    close = cached(name="seen", version=1, verify=1, same=np.allclose)(seen.__wrapped__)
    close("k")
    world["k"] = world["k"] + 1e-12
    assert close("k").tolist() == [1.0, 2.0] and outcomes(project) == {"equal": 1}
    world["k"] = world["k"] + 1
    assert close("k").tolist() == [2.0 + 1e-12, 3.0 + 1e-12]
    assert outcomes(project) == {"equal": 1, "different": 1}


def test_a_wrong_hit_is_replaced_for_all(
    project: xpstore.Project, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    world["k"] = "old"
    seen("k")
    old, world["k"] = seen.artifact("k"), "new"
    assert seen("k") == "new" and calls == ["k"] * 3  # computed twice, as it might be of chance
    new = seen.artifact("k")
    assert (new.load(), old.load()) == ("new", "old") and new.hash_ == old.hash_
    (warning,) = told(caplog)
    assert warning.startswith("The cached result of 'seen' was wrong: ") and old.id in warning and new.id in warning
    assert f"made {old.created_at:%Y-%m-%d %H:%M:%S} UTC by {old.created_by}" in warning
    assert "does not count: code behind version=1, a file that it opens by itself" in warning
    assert outcomes(project) == {"different": 1} and counted(project) == (1, 1)

    other = xpstore.Client(server.api_key, server.address)
    there = cached(name="seen", version=1, project=other.project(project.id))(lambda key: pytest.fail("computed"))
    assert there("k") == "new"
    other.close()

    world["k"] = "newer"
    assert seen("k") == "newer" and len(told(caplog)) == 2


def test_a_value_of_another_type_is_another_value(project: xpstore.Project) -> None:
    world["k"] = 1
    seen("k")
    world["k"] = True
    assert seen("k") is True and outcomes(project) == {"different": 1}


def test_a_file_that_no_argument_names_is_found_out(project: xpstore.Project, tmp_path: Path) -> None:
    @cached(name="first_line", verify=1)
    def first_line(name: str) -> str:
        return (tmp_path / name).read_text()

    (tmp_path / "corpus.txt").write_text("before")
    first_line("corpus.txt")
    (tmp_path / "corpus.txt").write_text("after")
    assert first_line("corpus.txt") == "after" == first_line.artifact("corpus.txt").load()


def test_versions_that_do_not_count_are_named(
    project: xpstore.Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @cached(name="total", verify=1)
    def total(file: str) -> float:
        return float(np.sum(pd.read_csv(file)["x"]))

    file = tmp_path / "x.csv"
    file.write_text("x\n1")
    assert total(str(file)) == 1
    file.write_text("x\n2")
    assert total(str(file)) == 2
    (warning,) = told(caplog)
    assert f"libraries, here numpy {np.__version__} and pandas {pd.__version__} (depends= makes" in warning
    assert libraries_of(total.__wrapped__, ("numpy",)) == [f"pandas {pd.__version__}"]


def test_files_and_pickles_are_compared_as_a_hit_reads_them(project: xpstore.Project, tmp_path: Path) -> None:
    def written() -> Path:
        (tmp_path / "made.txt").write_text(world["k"])
        return tmp_path / "made.txt"

    def pickled() -> complex:
        return complex(len(world["k"]))

    path = cached(name="written", version=1, verify=1)(written)
    number = cached(name="pickled", version=1, verify=1, format="pickle")(pickled)
    world["k"] = "old"
    for _ in range(2):
        assert path().read_text() == "old" and number() == 3
    assert outcomes(project) == {"same": 2}
    world["k"] = "newer"
    for _ in range(2):
        assert path().read_text() == "newer" and number() == 5
    assert outcomes(project) == {"same": 4, "different": 2}


def test_what_is_not_deterministic_stays_as_it_is(project: xpstore.Project, caplog: pytest.LogCaptureFixture) -> None:
    numbers = itertools.count()
    world["k"] = lambda: next(numbers)
    assert [seen("k") for _ in range(3)] == [0, 0, 0] and calls == ["k"] * 5
    (warning,) = told(caplog)
    assert "'seen' is not deterministic" in warning and "same=" in warning
    assert outcomes(project) == {"unstable": 2} and counted(project) == (2, 0)


# What is in the way.


def test_a_check_that_fails_is_not_the_callers_trouble(
    project: xpstore.Project, caplog: pytest.LogCaptureFixture
) -> None:
    world["k"] = 1
    seen("k")
    del world["k"]
    assert [seen("k"), seen("k")] == [1, 1]
    (warning,) = told(caplog)
    assert warning == "A hit of 'seen' could not be checked, and is returned as it is: KeyError: 'k'"
    assert outcomes(project) == {"failed": 2} and counted(project) == (0, 0)


def test_a_value_that_cannot_be_kept_or_compared_is_a_failed_check(project: xpstore.Project) -> None:
    world["k"] = 1
    seen("k")
    world["k"] = lambda: object
    assert seen("k") == 1 and outcomes(project) == {"failed": 1}
    world["k"] = 2
    picky = cached(name="seen", version=1, verify=1, same=lambda one, other: 1 / 0)(seen.__wrapped__)
    assert picky("k") == 1 and outcomes(project) == {"failed": 2}


def test_a_function_that_changes_its_arguments_is_not_asked_twice(
    project: xpstore.Project, caplog: pytest.LogCaptureFixture
) -> None:
    @cached(name="appends", version=1, verify=1)
    def appends(numbers: list[int]) -> int:
        numbers.append(len(numbers))
        return len(numbers) + int(world["k"])

    world["k"] = 0
    assert appends([]) == 1
    world["k"] = 10
    assert appends([]) == 1 and outcomes(project) == {"failed": 1}
    (warning,) = told(caplog)
    assert "it changes its arguments" in warning


def helper() -> int:
    return 1


@cached(name="reloads", ignore=("meanwhile",), verify=1)
def reloads(file: str, meanwhile: Callable[[], object] = int) -> int:
    meanwhile()
    return helper() + int(open(file).read())


def test_code_that_changes_meanwhile_proves_nothing(
    project: xpstore.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "number"
    file.write_text("1")
    assert reloads(str(file)) == 2
    file.write_text("2")
    assert reloads(str(file), lambda: monkeypatch.setitem(globals(), "helper", lambda: 5)) == 2
    (warning,) = told(caplog)
    assert "its code changed while it ran" in warning and outcomes(project) == {"failed": 1}


def test_the_server_that_goes_away_takes_no_result_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(caching, "REACH_SECONDS", 0.3)
    with Server(sqlite_url(tmp_path / "xpstore.db"), (tmp_path / "blobs").as_uri(), tmp_path) as mortal:
        client = xpstore.Client(mortal.api_key, mortal.address, timeout_seconds=1)
        function = cached(name="seen", version=1, verify=1, project=client.project("p"))(seen.__wrapped__)
        world.update(a=1, b=1)
        assert [function("a"), function("b")] == [1, 1]

        def dies() -> int:
            mortal.kill()
            return 2

        world["a"] = dies
        assert function("a") == 2 and client.kept(CacheState).counts.different == 1
        assert "it could not be removed" in caplog.text
        assert function("b") == 1  # computed, as nothing is known
        assert len([one for one in caplog.records if "cannot be reached" in one.getMessage()]) == 1
        mortal.start()
        client.close()


def test_a_report_whose_answer_is_lost_counts_once(project: xpstore.Project, monkeypatch: pytest.MonkeyPatch) -> None:
    client, lost = project._client, list[str]()
    once = type(client).once

    def loses_one(self: Any, method: Any, request: Any, timeout_seconds: float) -> Any:
        answer = once(self, method, request, timeout_seconds)
        if isinstance(request, pb.ReportCacheVerificationRequest) and not lost:
            lost.append(request.id)
            raise errors.Unavailable("the connection broke")
        return answer

    monkeypatch.setattr(type(client), "once", loses_one)
    world["k"] = 1
    assert [seen("k"), seen("k")] == [1, 1]
    assert lost and outcomes(project) == {"same": 1}


# Which hits.


def test_hits_inside_a_computation_are_not_checked_while_others_wait(project: xpstore.Project) -> None:
    @cached(name="outer", version=1, verify=1)
    def outer(number: int) -> Any:
        return [number, seen("k")]

    world["k"] = "old"
    seen("k")
    world["k"] = "new"
    assert outer(1) == [1, "old"] and outcomes(project) == {}
    # Inside a check they are: what they correct, corrects what was made of them.
    assert outer(1) == [1, "new"] and outcomes(project) == {"different": 2}
    assert seen.artifact("k").load() == "new" and outer.artifact(1).load() == [1, "new"]


def test_a_recursive_function_is_checked_in_as_many_steps_as_it_has_calls(project: xpstore.Project) -> None:
    @cached(name="fibonacci", version=1, verify=1)
    def fibonacci(number: int) -> int:
        calls.append(number)
        return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)

    fibonacci(12)
    calls.clear()
    assert fibonacci(12) == 144 and sorted(calls) == list(range(13))
    assert outcomes(project) == {"same": 13}


def test_a_function_that_asks_for_its_own_result_is_computed_as_it_was(project: xpstore.Project) -> None:
    @cached(name="loops", version=1, ignore=("depth",), verify=1)
    def loops(key: str, depth: int = 2) -> int:
        return loops(key, depth - 1) + 1 if depth else 0

    assert [loops("a"), loops("a")] == [2, 2] and outcomes(project) == {"same": 1}


def test_async_functions_and_methods_are_checked_too(project: xpstore.Project) -> None:
    class Reader:
        def __fingerprint__(self) -> str:
            return "reader"

        @cached(name="Reader.read", version=1, verify=1)
        async def read(self, key: str) -> Any:
            await asyncio.sleep(0)
            return world[key]

    async def main() -> list[Any]:
        world["k"] = 1
        found = [await Reader().read("k"), await Reader().read("k")]
        world["k"] = 2
        return [*found, await Reader().read("k"), (await Reader().read.artifact("k")).load()]

    assert asyncio.run(main()) == [1, 1, 2, 2]
    assert outcomes(project) == {"same": 1, "different": 1}


def test_an_async_check_that_is_cancelled_is_cancelled(
    project: xpstore.Project, caplog: pytest.LogCaptureFixture
) -> None:
    @cached(name="sleeps", version=1, verify=1)
    async def sleeps() -> int:
        began.set()
        await asyncio.sleep(world["seconds"])
        return 1

    began = asyncio.Event()

    async def main() -> None:
        world["seconds"] = 0
        assert await sleeps() == 1
        began.clear()
        world["seconds"] = 600
        task = asyncio.create_task(sleeps())
        await asyncio.wait_for(began.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert outcomes(project) == {} and told(caplog) == []


def test_hits_of_many_calls_are_checked_one_by_one(project: xpstore.Project) -> None:
    world.update(a=1, b=2, c=3)
    assert seen.map(["a", "b", "c"]) == [1, 2, 3] and outcomes(project) == {}
    world["b"] = 20
    assert seen.map(["a", "b", "c", "b"]) == [1, 20, 3, 20]
    assert outcomes(project) == {"same": 2, "different": 2}
