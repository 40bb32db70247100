"""`@cached`: a function that is computed once for the same code and the same arguments, on any machine."""

import functools
import inspect
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, overload

from xpstore._caching.computation import MAX_WAIT_SECONDS, Computation, Terms
from xpstore._caching.threads import Bridge
from xpstore._identity.process import Process, bind_parameters, check_cacheable, identify
from xpstore._session.current import get_client, get_project
from xpstore._values.checks import to_name
from xpstore.artifact import CachedArtifact
from xpstore.cache import Cache, Duration, Explanation, artifacts_in, to_terms
from xpstore.errors import DeadlineExceeded, Unavailable
from xpstore.project import Project

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Declared:
    """What the decorator was told."""

    name: str | None
    version: str | int | None
    ignore: Collection[str]
    depends: Sequence[str]
    project: Project | None
    terms: Terms


class _Cached(Generic[P]):
    """What functions and async functions have in common."""

    __wrapped__: Callable[..., Any]
    __name__: str
    __qualname__: str

    def __init__(self, function: Callable[..., Any], declared: _Declared, bound: tuple[Any, ...] = ()) -> None:
        functools.update_wrapper(cast(Callable[..., Any], self), function)
        self._function = function
        self._declared = declared
        self._bound = bound

    @property
    def process(self) -> Process:
        """Which computation this is, as it is now, without its arguments.

        Raises:
            InvalidArgument: something that the result may depend on cannot be seen; the message names it.
        """
        told = self._declared
        return identify(self._function, name=told.name, version=told.version, depends=told.depends, ignore=told.ignore)

    @property
    def declared_version(self) -> str | None:
        """What stands for its code, also where another cached function calls it; None if its code counts."""
        version = self._declared.version
        return None if version is None else str(version)

    def __repr__(self) -> str:
        return f"<cached {self._function!r}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickled by name, as functions are."""
        if self._bound:
            return getattr, (self._bound[0], self.__name__)
        return self.__qualname__

    def _project(self) -> Project:
        return self._declared.project or get_project()

    def _full_process(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Process:
        process = self.process
        parameters = bind_parameters(self._function, args, kwargs, self._declared.ignore)
        return replace(process, parts=(*process.parts, *parameters))

    def _computation(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], compute: Callable[[], Any], *, force: bool = False
    ) -> Computation:
        project, process = self._project(), self._full_process(args, kwargs)
        if process.is_of_main:
            project._client.caching.warn(
                f"main {process.name}",
                f"{process.name!r} is a function of __main__: nothing but its code tells it from others of this name. "
                "Say @cached(name=...) to give it one of its own.",
            )
        terms = replace(self._declared.terms, force=True) if force else self._declared.terms
        return Computation(
            project=project, process=process, compute=compute, terms=terms, used=artifacts_in([args, kwargs])
        )

    def _value(
        self,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        compute: Callable[[], Any],
        *,
        force: bool,
        is_abandoned: Callable[[], bool] = lambda: False,
    ) -> Any:
        try:
            computation = self._computation(args, kwargs, compute, force=force)
        except (Unavailable, DeadlineExceeded) as error:  # the project that XPSTORE_PROJECT names cannot be opened
            get_client().caching.away(error)
            return compute()
        computation.is_abandoned = is_abandoned
        return computation.value()

    def _artifact(self, args: tuple[Any, ...], kwargs: dict[str, Any], compute: Callable[[], Any]) -> CachedArtifact:
        computation = self._computation(args, kwargs, compute)
        project = computation.project
        return CachedArtifact._from_wire(computation.version(), project._client, project)

    def _explain(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Explanation:
        terms = self._declared.terms
        return Cache(self._project())._explain(self._full_process(args, kwargs), terms.max_age_us)


class CachedFunction(_Cached[P], Generic[P, R]):
    """A cached function: call it as the function itself."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Returns the result, computed now if nobody has."""
        return self._call(args, kwargs, force=False)

    def recompute(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function whatever is cached, and replaces that."""
        return self._call(args, kwargs, force=True)

    def artifact(self, *args: P.args, **kwargs: P.kwargs) -> CachedArtifact:
        """Returns the artifact of the result, the same one each time, computing it if nobody has.

        Raises:
            Unavailable: the server is away.
            InvalidArgument: the result is of a type that has no safe format.
        """
        arguments = (*self._bound, *args)
        return self._artifact(arguments, kwargs, lambda: self._function(*arguments, **kwargs))

    def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """Says why a call with these arguments would hit or miss. Nothing is computed."""
        return self._explain((*self._bound, *args), kwargs)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, force: bool) -> R:
        arguments = (*self._bound, *args)
        value: R = self._value(arguments, kwargs, lambda: self._function(*arguments, **kwargs), force=force)
        return value

    @overload
    def __get__(self, instance: None, owner: type) -> "CachedFunction[P, R]": ...
    @overload
    def __get__(
        self: "CachedFunction[Concatenate[Any, Q], R]", instance: object, owner: type | None = None
    ) -> "CachedFunction[Q, R]": ...
    def __get__(self, instance: object, owner: type | None = None) -> "CachedFunction[..., R]":
        return self if instance is None else CachedFunction(self._function, self._declared, (instance,))


class AsyncCachedFunction(_Cached[P], Generic[P, R]):
    """A cached async function: call it as the function itself."""

    async def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Returns the result, computed now if nobody has."""
        return await self._call(args, kwargs, force=False)

    async def recompute(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function whatever is cached, and replaces that."""
        return await self._call(args, kwargs, force=True)

    async def artifact(self, *args: P.args, **kwargs: P.kwargs) -> CachedArtifact:
        """Returns the artifact of the result; raises as that of `CachedFunction`."""
        arguments, bridge = (*self._bound, *args), Bridge()
        return await bridge.run(lambda: self._artifact(arguments, kwargs, self._compute(bridge, arguments, kwargs)))

    async def explain(self, *args: P.args, **kwargs: P.kwargs) -> Explanation:
        """Says why a call with these arguments would hit or miss. Nothing is computed."""
        return await Bridge().run(lambda: self._explain((*self._bound, *args), kwargs))

    async def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any], *, force: bool) -> R:
        arguments, bridge = (*self._bound, *args), Bridge()
        compute = self._compute(bridge, arguments, kwargs)
        return await bridge.run(
            lambda: self._value(arguments, kwargs, compute, force=force, is_abandoned=lambda: bridge.is_cancelled)
        )

    def _compute(self, bridge: Bridge, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[[], Any]:
        return lambda: bridge.wait_for(lambda: self._function(*args, **kwargs))

    @overload
    def __get__(self, instance: None, owner: type) -> "AsyncCachedFunction[P, R]": ...
    @overload
    def __get__(
        self: "AsyncCachedFunction[Concatenate[Any, Q], R]", instance: object, owner: type | None = None
    ) -> "AsyncCachedFunction[Q, R]": ...
    def __get__(self, instance: object, owner: type | None = None) -> "AsyncCachedFunction[..., R]":
        return self if instance is None else AsyncCachedFunction(self._function, self._declared, (instance,))


class Decorator(Protocol):
    """What `cached(...)` returns: give it the function."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # the first that fits counts
        self, function: Callable[P, Coroutine[Any, Any, R]], /
    ) -> AsyncCachedFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> CachedFunction[P, R]: ...


@overload
def cached(  # type: ignore[overload-overlap]  # the first that fits counts
    function: Callable[P, Coroutine[Any, Any, R]], /
) -> AsyncCachedFunction[P, R]: ...
@overload
def cached(function: Callable[P, R], /) -> CachedFunction[P, R]: ...
@overload
def cached(
    name: str | None = None,
    *,
    version: str | int | None = None,
    ignore: Collection[str] = (),
    ttl: Duration | None = None,
    depends: Sequence[str] = (),
    max_age: Duration | None = None,
    force: bool = False,
    format: str | None = None,
    trusted: Sequence[str] = (),
    max_wait: Duration = MAX_WAIT_SECONDS,
    project: Project | None = None,
) -> Decorator: ...
def cached(
    name: Any = None,
    *,
    version: str | int | None = None,
    ignore: Collection[str] = (),
    ttl: Duration | None = None,
    depends: Sequence[str] = (),
    max_age: Duration | None = None,
    force: bool = False,
    format: str | None = None,
    trusted: Sequence[str] = (),
    max_wait: Duration = MAX_WAIT_SECONDS,
    project: Project | None = None,
) -> Any:
    """Computes a function once for the same code and arguments: for all processes, machines and users of a project.

    The result of a call is stored as an artifact of the current project, under the fingerprint of the function and its
    arguments (docs/cache.md). While somebody computes it, others wait for him. With the server away the function is
    called as if it were not cached.

    Args:
        name: its name instead of that of its module and itself. A function of `__main__` without one is keyed by its
            code alone.
        version: stands for the code, which is not looked at then.
        ignore: parameters that do not count, such as a progress bar or a device.
        ttl: how long what is computed is a hit, as a timedelta or seconds; default the project's `cache_ttl`.
        depends: distributions or packages whose installed versions count.
        max_age: how old a hit may be; the project may be stricter.
        force: compute at every call, and replace what is cached; for one call use `.recompute(...)`.
        format: "pickle" to pickle results that have no safe format, and to load such ones, which may run any code.
        trusted: types of scikit-learn models to allow beside skops' defaults.
        max_wait: how long to wait for somebody else who computes the same; then it is computed here too.
        project: where results are; default the current project at each call.

    Returns:
        The function, with `.artifact(...)`, `.explain(...)` and `.recompute(...)`, which take the same arguments. Those
        of an async function are async too.

    Raises:
        InvalidArgument: it is a generator or no function, or an option is malformed. At a call: an argument or
            something that the code refers to has no fingerprint.
        NotInitialized, NoProject: at a call: `init()` was not called, there is no current project.
        ComputationFailed: at a call: somebody else computed it meanwhile, and it raised an exception.

    Example:
        ```python
        @cached(ignore=("progress",), ttl=timedelta(days=30))
        def tokenize(path: Path, size: int, progress: bool = True) -> numpy.ndarray: ...

        tokens = tokenize(Path("corpus.txt"), 8)  # a hit from the second time on, wherever it is called
        tokenize.artifact(Path("corpus.txt"), 8).version
        print(tokenize.explain(Path("corpus.txt"), 9))
        ```
    """
    if callable(name):
        return cached()(name)
    declared = _Declared(
        name=None if name is None else to_name("name", name),
        version=version,
        ignore=ignore,
        depends=depends,
        project=project,
        terms=to_terms(ttl=ttl, max_age=max_age, force=force, format=format, trusted=trusted, max_wait=max_wait),
    )

    def decorate(function: Callable[..., Any]) -> Any:
        check_cacheable(function, ignore)
        kind = AsyncCachedFunction if inspect.iscoroutinefunction(function) else CachedFunction
        return kind(function, declared)

    return decorate
