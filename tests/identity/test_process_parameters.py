"""What may be cached, and how the arguments of a call become parameters."""

import functools
import multiprocessing
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from xpstore._identity.process import bind_parameters, check_cacheable
from xpstore._identity.values import PartKind
from xpstore.errors import InvalidArgument


def values() -> Iterator[int]:
    yield 1


async def async_values() -> Any:
    yield 1


def takes(a: int, b: int = 2, /, c: int = 3, *rest: int, d: int = 4, **others: int) -> None: ...


@pytest.mark.parametrize("function", [values, async_values, functools.partial(values)])
def test_generators_are_refused(function: Callable[..., Any]) -> None:
    with pytest.raises(InvalidArgument, match="is a generator, whose values cannot be kept"):
        check_cacheable(function)


def test_ignored_names_must_be_parameters() -> None:
    check_cacheable(takes, ignore=["a", "anything"])  # one of **others
    with pytest.raises(
        InvalidArgument, match=r"ignore = 'verbose': .*async_values|has no such parameter; it has: values"
    ):
        check_cacheable(identity, ignore=["verbose"])
    with pytest.raises(InvalidArgument, match="must be a list or tuple of names"):
        check_cacheable(takes, ignore="a")
    with pytest.raises(InvalidArgument, match="must be a function"):
        check_cacheable(3)  # type: ignore[arg-type]


def identity(values: Any) -> Any:
    return values


SAME_CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((1,), {}),
    ((1, 2), {}),
    ((1, 2, 3), {"d": 4}),
    ((1,), {"c": 3, "d": 4}),
]


def test_equal_calls_bind_to_equal_parameters() -> None:
    expected = bind_parameters(takes, (1,), {})
    assert [(part.kind, part.name, part.text) for part in expected] == [
        (PartKind.PARAMETER, "a", "1"),
        (PartKind.PARAMETER, "b", "2"),
        (PartKind.PARAMETER, "c", "3"),
        (PartKind.PARAMETER, "d", "4"),
    ]
    for args, kwargs in SAME_CALLS:
        assert bind_parameters(takes, args, kwargs) == expected


def test_members_of_star_arguments_are_parameters() -> None:
    parts = bind_parameters(takes, (1, 2, 3, 5, 6), {"a": 7, "z": 8})
    assert {part.name: part.text for part in parts} == {
        "a": "1", "b": "2", "c": "3", "d": "4", "rest[0]": "5", "rest[1]": "6", "others.a": "7", "others.z": "8"
    }  # fmt: skip
    assert len({part.name for part in parts}) == 8


def test_ignored_parameters_do_not_count() -> None:
    parts = bind_parameters(takes, (1,), {"z": 8, "bar": lambda: 0}, ignore=["c", "d", "bar"])
    assert [part.name for part in parts] == ["a", "b", "others.z"]
    assert [part.name for part in bind_parameters(takes, (1,), {"z": 8}, ignore=["others", "b"])] == ["a", "c", "d"]


def test_an_argument_without_a_fingerprint_is_named() -> None:
    with pytest.raises(InvalidArgument, match=r"^values\['lock'\]: "):
        bind_parameters(identity, ({"lock": multiprocessing.Lock()},), {})
    with pytest.raises(TypeError, match="missing a required argument"):
        bind_parameters(identity, (), {})


def test_a_changed_default_changes_the_call() -> None:
    def late(x: int, y: Any = 2) -> int:
        return x

    before = bind_parameters(late, (1,), {})
    late.__defaults__ = (3,)
    assert bind_parameters(late, (1,), {}) != before
