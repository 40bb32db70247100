"""What may be cached, and how the arguments of a call become parameters."""

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy
import pytest

from xpstore._identity.process import Doubt, Identity, check_cacheable, declare
from xpstore._identity.signatures import NotBound
from xpstore._identity.values import Part, PartKind
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
        declare(ignore="a")
    with pytest.raises(InvalidArgument, match="must be a function"):
        check_cacheable(3)  # type: ignore[arg-type]


def parameters(
    function: Callable[..., Any], args: tuple[Any, ...] = (), kwargs: Any = None, ignore: Sequence[str] = ()
) -> list[Part]:
    process = Identity(function, declare(ignore=ignore)).of_call(args, kwargs or {})
    return [part for part in process.parts if part.kind is PartKind.PARAMETER]


def identity(values: Any) -> Any:
    return values


SAME_CALLS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((1,), {}),
    ((1, 2), {}),
    ((1, 2, 3), {"d": 4}),
    ((1,), {"c": 3, "d": 4}),
]


def test_equal_calls_bind_to_equal_parameters() -> None:
    expected = parameters(takes, (1,), {})
    assert [(part.kind, part.name, part.text) for part in expected] == [
        (PartKind.PARAMETER, "a", "1"),
        (PartKind.PARAMETER, "b", "2"),
        (PartKind.PARAMETER, "c", "3"),
        (PartKind.PARAMETER, "d", "4"),
    ]
    for args, kwargs in SAME_CALLS:
        assert parameters(takes, args, kwargs) == expected


def test_members_of_star_arguments_are_parameters() -> None:
    parts = parameters(takes, (1, 2, 3, 5, 6), {"a": 7, "z": 8})
    assert {part.name: part.text for part in parts} == {
        "a": "1", "b": "2", "c": "3", "d": "4", "rest[0]": "5", "rest[1]": "6", "others.a": "7", "others.z": "8"
    }  # fmt: skip
    assert len({part.name for part in parts}) == 8


def test_ignored_parameters_do_not_count() -> None:
    parts = parameters(takes, (1,), {"z": 8, "bar": lambda: 0}, ignore=["c", "d", "bar"])
    assert [part.name for part in parts] == ["a", "b", "others.z"]
    assert [part.name for part in parameters(takes, (1,), {"z": 8}, ignore=["others", "b"])] == ["a", "c", "d"]


def test_an_argument_without_a_fingerprint_is_named() -> None:
    with pytest.raises(Doubt, match=r"^values\['all'\]: .*reading it would use it up"):
        parameters(identity, ({"all": values()},))
    with pytest.raises(NotBound, match="missing a required argument"):
        parameters(identity)


def test_a_changed_default_changes_the_call() -> None:
    def late(x: int, y: Any = 2) -> int:
        return x

    before = parameters(late, (1,), {})
    late.__defaults__ = (3,)
    assert parameters(late, (1,), {}) != before


def outer(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(x: int, mode: str = "new") -> Any:
        return function(x, mode)

    return wrapper


def injecting(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function("database", *args)

    return wrapper


def old(x: int, mode: str = "old") -> tuple[int, str]:
    return x, mode


def stored(database: str, x: int = 5, y: int = 6) -> Any:
    return database, x, y


WEIGHTS = numpy.arange(3)


class Signed:
    """A callable that lies about its parameters."""

    __signature__ = inspect.signature(lambda anything: None)

    def __call__(self, x: int, y: int = 3) -> int:
        return x + y

    def __fingerprint__(self) -> int:
        return 1


def texts(parts: list[Part]) -> dict[str, str]:
    return {part.name: part.text for part in parts}


def test_what_the_caller_passes_is_what_is_bound() -> None:
    assert texts(parameters(outer(old), (1,))) == {"x": "1", "mode": "'new'"}
    assert texts(parameters(outer(old), (1, "old"))) == {"x": "1", "mode": "'old'"}
    assert texts(parameters(injecting(stored), (1,))) == {"args[0]": "1"}
    assert texts(parameters(injecting(stored), (1, 5))) == {"args[0]": "1", "args[1]": "5"}
    assert texts(parameters(injecting(stored))) == {}
    assert texts(parameters(Signed(), (1,))) == {"x": "1", "y": "3"}
    assert texts(parameters(functools.partial(outer(old), mode="third"), (1,))) == {"x": "1", "mode": "'third'"}
    assert texts(parameters(functools.lru_cache(outer(old)), (1,))) == {"x": "1", "mode": "'new'"}


def test_two_functions_that_are_wrapped_alike_are_two() -> None:
    declared = declare()
    assert (
        Identity(injecting(stored), declared).of_call((1,), {}).parts
        != Identity(injecting(old), declared).of_call((1,), {}).parts
    )


def test_a_default_that_cannot_be_compared_is_no_obstacle() -> None:
    def weighed(x: int, *, weights: Any = WEIGHTS) -> None: ...

    assert [part.name for part in parameters(weighed, (1,))] == ["x", "weights"]
    assert parameters(weighed, (1,)) == parameters(weighed, (1,))
