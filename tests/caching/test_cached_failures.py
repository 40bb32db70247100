"""Cached functions that raise, that ask for themselves, whose results have no safe format, and that are values."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import xpstore
from support.computed import calls
from xpstore import cached, errors
from xpstore._identity.process import fingerprint
from xpstore._identity.values import PartKind
from xpstore._results import results

pytestmark = pytest.mark.client


@cached(version=1)
def fails(text: str) -> None:
    calls.append(text)
    raise ValueError(text)


def test_exception_is_the_callers_and_nothing_is_kept(project: xpstore.Project) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="no rows"):
            fails("no rows")
    assert calls == ["no rows"] * 2 and project.cache.list() == []


def test_function_that_asks_for_its_own_result_computes_it(project: xpstore.Project) -> None:
    @cached(name="loops", version=1, ignore=("depth",))
    def loops(key: str, depth: int = 2) -> int:
        calls.append(depth)
        return loops(key, depth - 1) + 1 if depth else 0

    assert loops("a") == 2 and calls == [2, 1, 0]
    assert loops("a") == 2 and calls == [2, 1, 0]

    @cached(name="own", version=1)
    def own() -> str:
        own.artifact()
        return ""

    with pytest.raises(errors.Conflict, match="asks for its own result"):
        own()


def test_result_whose_reader_fails_is_computed_and_replaced(
    project: xpstore.Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    @cached(name="kept", version=1)
    def kept(number: int) -> str:
        calls.append(number)
        return f"result {number}"

    assert kept(1) == "result 1" and calls == [1]
    before, load = kept.artifact(1), results.load

    def fails_once(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(results, "load", load)
        raise ZeroDivisionError("of a library")

    monkeypatch.setattr(results, "load", fails_once)
    assert kept(1) == "result 1" and calls == [1, 1]
    (told,) = [record.message for record in caplog.records if "cannot be read" in record.message]
    assert "'kept' cannot be read and is replaced: ZeroDivisionError: of a library" in told
    assert kept(1) == "result 1" and calls == [1, 1] and kept.artifact(1).hash_ == before.hash_


def test_result_without_a_safe_format_is_returned_and_told_once(
    project: xpstore.Project, caplog: pytest.LogCaptureFixture
) -> None:
    @cached(name="opaque", version=1)
    def opaque(number: int) -> Any:
        calls.append(number)
        return [threading.Event]

    assert [opaque(1), opaque(1)] == [[threading.Event]] * 2 and calls == [1, 1]
    (told,) = [record.message for record in caplog.records if "not cached" in record.message]
    assert "'opaque'" in told and "builtins.type" in told and "numpy arrays" in told
    with pytest.raises(errors.InvalidArgument, match="no safe format"):
        opaque.artifact(1)


@cached(version=1)
def scaled(number: int) -> int:
    return 3 * number


def total(numbers: list[int]) -> int:
    return sum(scaled(number) for number in numbers)


def test_cached_function_counts_where_another_refers_to_it() -> None:
    parts = {(part.kind, part.text) for part in cached(total).process.parts}
    assert (PartKind.VERSION, "1") in parts
    assert {kind for kind, _ in parts} == {PartKind.CODE, PartKind.VERSION}


def test_cached_function_may_be_an_argument() -> None:
    def other(number: int) -> int:
        return 3 * number

    assert fingerprint(scaled) == fingerprint(scaled)
    assert len({fingerprint(one) for one in (scaled, cached(version=2)(scaled.__wrapped__), cached(other), other)}) >= 3


def test_generators_are_refused() -> None:
    def numbers() -> Iterator[int]:
        yield 1

    with pytest.raises(errors.InvalidArgument, match="generator"):
        cached(numbers)
