"""`@cached`: a function that is computed once for the same code and the same arguments, on any machine."""

import contextlib
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, Unpack, cast, overload

from xpstore._caching.calls import Call, arguments_of, call_of
from xpstore._caching.computation import Computation
from xpstore._caching.function_options import FunctionDeclared, FunctionOptions, to_declared
from xpstore._caching.many import Planned, values
from xpstore._caching.state import CacheState
from xpstore._caching.terms import Terms
from xpstore._caching.verification import verification
from xpstore._identity.forms import Form, proven_of, take_proven
from xpstore._identity.ownership import is_importable
from xpstore._identity.process import Doubt, Identity, Process, check_cacheable
from xpstore._identity.signatures import NotBound
from xpstore._machine.settings import setting
from xpstore._session import current
from xpstore._session.origin import Origin
from xpstore._session.project import ProjectBase, get_project
from xpstore.artifact import CachedArtifact
from xpstore.cache import Cache, Explanation, artifacts_in
from xpstore.errors import DeadlineExceeded, Unavailable

if TYPE_CHECKING:
    from xpstore._caching.threads import InThread

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
# What a call, `map`, `artifact` and `explain` return: of an async function what must be awaited.
Result = TypeVar("Result")
Results = TypeVar("Results")
Found = TypeVar("Found")
Explained = TypeVar("Explained")


class _Cached(Generic[P, Result, Results, Found, Explained]):
    """What functions and async functions have in common: all but who waits for the answer."""

    __wrapped__: Callable[..., Any]
    __name__: str
    __qualname__: str

    def __init__(
        self,
        function: Callable[..., Any],
        declared: FunctionDeclared,
        bound: tuple[Any, ...] = (),
        origin: Origin | None = None,
    ) -> None:
        functools.update_wrapper(cast(Callable[..., Any], self), function)
        self._function = function
        self._declared = declared
        self._bound = bound
        self._identity = Identity(function, declared.process)
        self._origin = origin  # of a function that another process sent

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        """Returns the result, computed now if nobody has."""
        result: Result = self._run(self._value, args, kwargs)
        return result

    def recompute(self, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        """Calls the function whatever is cached, and replaces that."""
        result: Result = self._run(self._fresh_value, args, kwargs)
        return result

    def map(self, calls: Iterable[Any]) -> Results:
        """Returns the results of many calls, in their order, with one look-up for each thousand of them.

        What is missing is computed one after the other, and each result is stored at once; equal calls are computed
        once. The first exception that the function raises ends it.

        Args:
            calls: the positional arguments of each as a tuple; what is no tuple is the only argument.

        Raises:
            see `cached`.

        Example:
            ```python
            rows = load.map(paths)
            scores = score.map((model, seed) for seed in range(1_000))
            ```
        """
        results: Results = self._map(calls)
        return results

    def artifact(self, /, *args: P.args, **kwargs: P.kwargs) -> Found:
        """Returns the artifact of the result, the same one each time, computing it if nobody has.

        Raises:
            Unavailable: the server is away.
            InvalidArgument: the result is of a type that has no safe format, or something that it may depend on cannot
                be seen.
        """
        artifact: Found = self._run(self._artifact, args, kwargs)
        return artifact

    def explain(self, /, *args: P.args, **kwargs: P.kwargs) -> Explained:
        """Says why a call with these arguments would hit or miss. Nothing is computed."""
        explanation: Explained = self._run(self._explanation, args, kwargs)
        return explanation

    def _run(self, job: Callable[[Call], Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Has a job done for a call."""
        raise NotImplementedError

    def _map(self, calls: Iterable[Any]) -> Any:
        raise NotImplementedError

    @property
    def process(self) -> Process:
        """Which computation this is, as it is now, without its arguments.

        Raises:
            InvalidArgument: something that the result may depend on cannot be seen; the message names it.
        """
        return self._identity.of_function()

    @property
    def project(self) -> ProjectBase | None:
        """The project that it was told; None if it takes the current one at each call."""
        told = self._declared.project
        return cast(ProjectBase, current.project_of(told)) if isinstance(told, Origin) else told

    @property
    def declared_version(self) -> str | None:
        """What stands for its code, also where another cached function calls it; None if its code counts."""
        return self._declared.process.version

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(
        self: "_Cached[Concatenate[Any, Q], Result, Results, Found, Explained]",
        instance: object,
        owner: type | None = None,
    ) -> "_Cached[Q, Result, Results, Found, Explained]": ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else self._with((instance,), self._origin)

    def _with(self, bound: tuple[Any, ...], origin: Origin | None) -> Self:
        """The same function for an object, or of another session, with what is known of it."""
        cached = type(self)(self._function, self._declared, bound, origin)
        cached._identity = self._identity
        return cached

    def __repr__(self) -> str:
        return f"<cached {self._function!r}>"

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickled by name, as functions are; for a worker process with the session that it is sent from.

        By value where cloudpickle, as of joblib, does so with functions.
        """
        pickler = str(sys._getframe(1).f_globals.get("__name__"))
        is_by_value = "cloudpickle" in pickler
        origin = current.here() if is_by_value or pickler == "multiprocessing.reduction" else None
        if self._bound:
            return _sent_method, (self._bound[0], self.__name__, origin)
        is_named = is_importable(self)
        if is_by_value and not (is_named and self.__module__ != "__main__"):
            return self._by_value(origin)
        if origin is None or not is_named:
            return self.__qualname__
        return _sent, (self.__module__, self.__qualname__, origin)

    def _by_value(self, origin: Origin | None) -> tuple[Any, ...]:
        with contextlib.suppress(Doubt):
            _ = self.process  # the texts of its code are proven here, as the other process has none
        declared, project = self._declared, self._declared.project
        if isinstance(project, ProjectBase):
            declared = replace(declared, project=Origin.of(project._client, project))
        return _rebuilt, (type(self), self._function, declared, origin, proven_of(self.__module__))

    def _project(self) -> ProjectBase:
        return self.project or get_project()

    def _computation(self, call: Call, terms: Terms, project: ProjectBase | None = None) -> Computation:
        project, process = project or self._project(), self._identified(call)
        if process.caution:
            project._client.kept(CacheState).warn(f"name {process.name}", process.caution)
        return Computation(
            project=project,
            process=process,
            compute=call.compute,
            terms=terms,
            used=artifacts_in([call.args, call.kwargs]),
            is_abandoned=call.is_abandoned,
            is_current=lambda: self._identity.is_current(process),
            check=verification(self._declared.verify, self._function, lambda: self._identified(call)),
        )

    def _identified(self, call: Call) -> Process:
        return self._identity.of_call(call.args, call.kwargs)

    def _value(self, call: Call, terms: Terms | None = None) -> Any:
        planned = self._planned(call, terms or self._declared.terms)
        return planned.value() if isinstance(planned, Computation) else planned()

    def _planned(self, call: Call, terms: Terms, project: ProjectBase | None = None) -> Planned:
        """A call with its key, or what computes one that has none."""
        try:
            return self._computation(call, terms, project)
        except NotBound:  # its own error comes
            return call.compute
        except Doubt as error:
            if self._is_strict:
                raise
            return functools.partial(self._uncached, call, error)
        except (Unavailable, DeadlineExceeded) as error:  # the project that XPSTORE_PROJECT names cannot be opened
            current.get_client().kept(CacheState).away(error)
            return call.compute

    def _values(self, calls: Iterable[Call]) -> list[Any]:
        with current.working_for(self._origin):
            try:
                project = self._project()
            except (Unavailable, DeadlineExceeded):  # each says so
                project = None
            return values(self._planned(call, self._declared.terms, project) for call in calls)

    @property
    def _is_strict(self) -> bool:
        strict = self._declared.strict
        return bool(setting("XPSTORE_CACHE_STRICT", 0)) if strict is None else strict

    def _uncached(self, call: Call, doubt: Doubt) -> Any:
        """Computes what no key can be made of."""
        state = self._project()._client.kept(CacheState)
        state.warn(f"doubt {self.__qualname__} {doubt}", f"{self.__qualname__} is computed and not cached: {doubt}")
        state.count(uncached=1)
        return call.compute()

    def _fresh_value(self, call: Call) -> Any:
        return self._value(call, replace(self._declared.terms, force=True))

    def _artifact(self, call: Call) -> CachedArtifact:
        computation = self._computation(call, self._declared.terms)
        project = computation.project
        return CachedArtifact._from_wire(computation.version(), project._client, project)

    def _explanation(self, call: Call) -> Explanation:
        return Cache(self._project())._explain(self._identified(call), self._declared.terms.max_age_us)


def _rebuilt(
    kind: type[Any],
    function: Callable[..., Any],
    declared: FunctionDeclared,
    origin: Origin | None,
    proven: dict[str, tuple[str, Form]],
) -> Any:
    """A cached function that was pickled by value."""
    take_proven(proven)
    return kind(function, declared, origin=origin)


def _sent(module: str, name: str, origin: Origin) -> Any:
    """A cached function that was pickled by name for a worker process: a copy, as another session may send it next."""
    found: Any = functools.reduce(getattr, name.split("."), importlib.import_module(module))
    return found._with(found._bound, origin) if isinstance(found, _Cached) else found


def _sent_method(instance: Any, name: str, origin: Origin | None) -> Any:
    """A cached method that was pickled with its object."""
    found: Any = getattr(instance, name)
    return found._with(found._bound, origin) if isinstance(found, _Cached) else found


class CachedFunction(_Cached[P, R, list[R], CachedArtifact, Explanation], Generic[P, R]):
    """A cached function: call it as the function itself."""

    def _map(self, calls: Iterable[Any]) -> list[R]:
        return self._values(call_of(self._function, (*self._bound, *arguments_of(one)), {}) for one in calls)

    def _run(self, job: Callable[[Call], Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with current.working_for(self._origin):
            return job(call_of(self._function, (*self._bound, *args), kwargs))


class AsyncCachedFunction(
    _Cached[
        P,
        Coroutine[Any, Any, R],
        Coroutine[Any, Any, list[R]],
        Coroutine[Any, Any, CachedArtifact],
        Coroutine[Any, Any, Explanation],
    ],
    Generic[P, R],
):
    """A cached async function: call it as the function itself; its other methods are async too."""

    async def _map(self, calls: Iterable[Any]) -> list[R]:
        thread = self._thread()
        given = [(*self._bound, *arguments_of(one)) for one in calls]  # here: they may be made of what the loop has
        results: list[R] = await thread.run(
            lambda: self._values(thread.call_of(self._function, args, {}) for args in given)
        )
        return results

    async def _run(self, job: Callable[[Call], Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        thread = self._thread()

        def work() -> Any:
            with current.working_for(self._origin):
                return job(thread.call_of(self._function, (*self._bound, *args), kwargs))

        return await thread.run(work)

    def _thread(self) -> "InThread":
        from xpstore._caching.threads import InThread  # here, as it brings asyncio, which few functions need

        return InThread()


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
def cached(name: str | None = None, **options: Unpack[FunctionOptions]) -> Decorator: ...
def cached(name: Any = None, **options: Unpack[FunctionOptions]) -> Any:
    """Computes a function once for the same code and arguments: for all processes, machines and users of a project.

    The result of a call is stored as an artifact of the current project, under the fingerprint of the function and its
    arguments (docs/cache.md). While somebody computes it, others wait for him. With the server away the function is
    called as if it were not cached.

    Args:
        name: its name instead of that of its module and itself. A function of `__main__` without one is keyed by its
            code alone.
        options: see `FunctionOptions` and `VerifyOptions`, and `CacheOptions` for those that `project.cache` takes too.

    Returns:
        The function, with `.artifact(...)`, `.explain(...)` and `.recompute(...)`, which take the same arguments, and
        `.map(calls)`, which takes many. Those of an async function are async too.

    Raises:
        InvalidArgument: it is a generator or no function, or an option is malformed. At a call: a setting is malformed;
            if `strict`: an argument or something that the code refers to has no fingerprint.
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
    declared = to_declared(name, options)

    def decorate(function: Callable[..., Any]) -> Any:
        check_cacheable(function, declared.process.ignore)
        kind = AsyncCachedFunction if inspect.iscoroutinefunction(function) else CachedFunction
        return kind(function, declared)

    return decorate
