"""What cannot be known of a call: it is computed, not stored, and said once."""

from dataclasses import dataclass
from typing import Any

import pytest

import xpstore
from support.computed import calls
from xpstore import cached, errors
from xpstore._caching.state import CacheState

pytestmark = pytest.mark.client


@cached(name="consumed", version=1)
def consumed(lines: Any) -> Any:
    calls.append(lines)
    return lines


def helper(number: int) -> int:
    return number


@dataclass(frozen=True)
class Point:
    x: int


collected: list[Point] = []


def test_what_has_no_fingerprint_is_computed_and_not_cached(
    project: xpstore.Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one warning that says where it is and what to do; `strict`, of one function or of all, raises instead."""
    lines = iter("abc")
    for _ in range(2):
        assert consumed(lines) is lines
    (warning,) = (record.getMessage() for record in caplog.records if "not cached" in record.getMessage())
    assert warning.startswith("consumed is computed and not cached: lines: ") and "pass a list" in warning
    assert calls == [lines, lines] and project._client.kept(CacheState).counts.uncached == 2
    for ask in (consumed.artifact, consumed.explain, cached("consumed", version=1, strict=True)(consumed.__wrapped__)):
        with pytest.raises(errors.InvalidArgument, match=r"lines: .*pass a list"):
            ask(lines)
    monkeypatch.setenv("XPSTORE_CACHE_STRICT", "1")
    with pytest.raises(errors.InvalidArgument, match=r"lines: .*pass a list"):
        consumed(lines)
    assert calls == [lines, lines]


def test_a_call_that_the_function_does_not_take_raises_its_own_error(project: xpstore.Project) -> None:
    with pytest.raises(TypeError, match=r"consumed\(\) missing 1 required positional argument: 'lines'"):
        consumed()


def test_objects_that_a_function_puts_into_a_global_are_no_change_of_code(project: xpstore.Project) -> None:
    @cached(name="collecting")
    def collecting(number: int) -> int:
        collected.append(Point(number))
        return number

    assert collecting(1) == 1
    assert project._client.kept(CacheState).counts.computed == 1
    collected.clear()
    assert collecting(1) == 1 and collected == []


def test_code_that_changes_while_it_runs_poisons_nothing(
    project: xpstore.Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "helper", lambda number: number + 1)

    @cached
    def reloading(number: int) -> int:
        result: int = helper(number)
        globals()["helper"] = calls.append
        return result

    assert reloading(1) == 2
    assert "changed while it ran" in caplog.text and project._client.kept(CacheState).counts.uncached == 1
    monkeypatch.setitem(globals(), "helper", lambda number: number + 1)
    assert reloading(1) == 2 and project._client.kept(CacheState).counts.hits == 0
