"""The current project belongs to the context: leaving a block, in whatever order and thread, changes no other's."""

import asyncio
import contextvars
import gc
import os
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

import pytest

import xpstore
from xpstore import Project, errors, get_project, set_project

pytestmark = pytest.mark.client

T = TypeVar("T")


@pytest.fixture(autouse=True)
def session(client: xpstore.Client) -> xpstore.Client:
    return client


@pytest.fixture
def names() -> list[str]:
    return [f"{name} {secrets.token_hex(6)}" for name in "abc"]


def here() -> str | None:
    try:
        return get_project().id
    except errors.NoProject:
        return None


def elsewhere(job: Callable[[], T]) -> T:
    """What a job returns in a thread without any context."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(job).result()


@contextmanager
def entered_elsewhere(name: str) -> Iterator[None]:
    with ExitStack() as stack:
        elsewhere(lambda: stack.enter_context(Project(name)))
        yield


def test_blocks_of_one_context_end_in_any_order(names: list[str]) -> None:
    first, second, third = names
    with ExitStack() as one, ExitStack() as two, Project(first):
        one.enter_context(Project(second))
        two.enter_context(Project(third))
        one.close()
        assert here() == third
        one.enter_context(Project(second))
        two.close()
        assert here() == second
        one.close()
        assert here() == first
    assert here() is None


def test_a_block_that_raises_is_left(names: list[str]) -> None:
    with Project(names[0]):
        with suppress(KeyError), Project(names[1]), Project(names[1]):
            raise KeyError
        assert here() == names[0]
    assert here() is None


def test_a_block_of_another_thread_changes_nothing_here(names: list[str]) -> None:
    """One thread enters while the main one is in its block; a worker that this one starts is not given the other's."""
    mine, other = names[:2]
    entered, leave = threading.Event(), threading.Event()

    def work() -> tuple[str | None, str | None]:
        with Project(other):
            entered.set()
            leave.wait(30)
            found = here()
        return found, here()

    with ThreadPoolExecutor(1) as pool:
        with Project(mine):
            job = pool.submit(work)
            assert entered.wait(30)
            assert here() == mine
            assert contextvars.copy_context().run(here) == mine
            with pytest.raises(errors.NoProject) as caught:
                elsewhere(get_project)
            assert repr(mine) in str(caught.value) and repr(other) in str(caught.value)
            leave.set()
            assert job.result() == (other, mine)  # after its block that of the only one that is open
        assert here() is None


def test_threads_that_overlap_leave_nothing_behind(names: list[str]) -> None:
    barrier = threading.Barrier(2)

    def work(name: str, is_first: bool) -> tuple[str | None, str | None]:
        with ExitStack() as stack:
            stack.enter_context(Project(name))
            barrier.wait(30)
            found = here()
            if not is_first:
                barrier.wait(30)
        if is_first:
            barrier.wait(30)
        barrier.wait(30)
        return found, here()

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(work, name, name == names[0]) for name in names[:2]]
        assert [job.result() for job in jobs] == [(names[0], None), (names[1], None)]


def test_threads_without_a_block_take_what_is_set_else_the_only_open_block(names: list[str]) -> None:
    first, second, third = names
    assert elsewhere(here) is None
    with Project(first), Project(first):
        assert elsewhere(here) == first
        with Project(second):
            assert elsewhere(here) == second  # of blocks in each other the inner one is that of its thread
        with entered_elsewhere(second), pytest.raises(errors.NoProject, match="of the projects"):
            elsewhere(get_project)
        set_project(Project(third))
        assert (here(), elsewhere(here)) == (third, third)
        with Project(second):
            assert (here(), elsewhere(here)) == (second, third)
    assert (here(), elsewhere(here)) == (third, third)


def test_a_thread_sets_the_project_of_all_but_of_no_block(names: list[str]) -> None:
    first, second, third = names
    with Project(first):
        elsewhere(lambda: set_project(Project(second)))
        assert (here(), elsewhere(here)) == (first, second)
    assert here() == second
    set_project(Project(third))
    assert elsewhere(here) == third
    elsewhere(lambda: set_project(Project(first)))
    assert here() == first
    with Project(second):
        set_project(None)
        assert (here(), elsewhere(here)) == (second, second)
    assert here() is None


@pytest.mark.parametrize("wrong", ["a name", 1, Project])
def test_what_is_set_must_be_a_project(wrong: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"project = .*: must be a Project"):
        set_project(wrong)


def test_a_block_may_be_left_in_another_thread_than_entered(names: list[str]) -> None:
    stack = ExitStack()
    stack.enter_context(Project(names[0]))
    kept = contextvars.copy_context()
    elsewhere(stack.close)
    assert (here(), elsewhere(here), kept.run(here)) == (None, None, None)
    elsewhere(lambda: stack.enter_context(Project(names[1])))
    assert here() == names[1]  # the only one that is open
    stack.close()
    assert (here(), elsewhere(here)) == (None, None)


def test_one_object_entered_by_several_threads_is_left_by_each(names: list[str]) -> None:
    project, barrier = Project(names[0]), threading.Barrier(3)

    def work(number: int) -> list[str | None]:
        with Project(names[1]):
            with project:
                for turn in range(3):
                    barrier.wait(30)
                    if turn == number:
                        break
                    assert here() == names[0]
                found = here()
            after = here()
            for _ in range(number + 1, 3):
                barrier.wait(30)
        return [found, after]

    with ThreadPoolExecutor(3) as pool, Project(names[2]):
        assert list(pool.map(work, range(3))) == [[names[0], names[1]]] * 3
        assert here() == names[2]


def test_tasks_keep_the_block_that_they_began_in(names: list[str]) -> None:
    async def late(leave: asyncio.Event) -> str | None:
        await leave.wait()
        return here()

    async def main() -> None:
        leave = asyncio.Event()
        with Project(names[0]):
            task = asyncio.create_task(late(leave))
            await asyncio.sleep(0)
        leave.set()
        with Project(names[1]):
            assert await task == names[0]
            assert await asyncio.to_thread(here) == names[1]
        assert here() is None

    asyncio.run(main())


def values(name: str) -> Generator[str | None, None, None]:
    with Project(name):
        while True:
            yield here()


def test_generators_have_their_own_block(names: list[str]) -> None:
    """Neither each other's, nor does the loop over one have its."""
    first, second, third = names
    one, two = values(first), values(second)
    with Project(third):
        for _ in range(2):
            assert [next(one), here(), next(two), here()] == [first, third, second, third]
        one.close()
        assert [next(two), here()] == [second, third]
        for found in (each for each, _ in zip(values(first), range(2), strict=False)):
            assert (found, here()) == (first, third)
        with pytest.raises(errors.NoProject):
            elsewhere(get_project)
    del two
    gc.collect()
    assert here() is None


def test_generators_that_are_driven_by_a_call_have_their_own_block_too(names: list[str]) -> None:
    def step(generator: Iterator[str | None]) -> str | None:
        return next(generator)

    one, two = values(names[0]), values(names[1])
    assert [step(one), step(two), step(one), step(two)] == [names[0], names[1], names[0], names[1]]


def test_a_context_manager_made_of_a_generator_enters_for_its_caller(names: list[str]) -> None:
    @contextmanager
    def campaign(name: str) -> Iterator[None]:
        with Project(name):
            yield

    def inside() -> Iterator[str | None]:
        with campaign(names[0]):
            yield here()
            with campaign(names[1]):
                yield here()
            yield here()

    with Project(names[2]), campaign(names[0]):
        assert here() == names[0]
        with campaign(names[1]):
            assert here() == names[1]
        assert [(found, here()) for found in inside()] == [(name, names[0]) for name in (*names[:2], names[0])]
    assert here() is None


def test_a_generator_may_be_dropped_in_its_block(names: list[str]) -> None:
    def drop() -> None:
        kept = [values(names[0]), values(names[1])]
        assert [next(each) for each in kept] == names[:2]

    with Project(names[2]):
        drop()
        gc.collect()
        assert elsewhere(here) == names[2]


@xpstore.cached(name="project of a cached call")
async def of_cached_call(_: str) -> str:
    await asyncio.sleep(0)
    return str(get_project().id)


def test_async_generators_have_their_own_block(names: list[str]) -> None:
    async def values_of(name: str) -> AsyncIterator[str | None]:
        with Project(name):
            for _ in range(2):
                assert await of_cached_call(secrets.token_hex(6)) == name
                yield here()

    @asynccontextmanager
    async def campaign(name: str) -> AsyncIterator[None]:
        with Project(name):
            await asyncio.sleep(0)
            yield

    async def main() -> None:
        with Project(names[2]):
            one, two = values_of(names[0]), values_of(names[1])
            assert [await anext(one), await anext(two), here()] == [*names]
            assert [await anext(one), await anext(two), here()] == [*names]
            async with campaign(names[0]):
                assert here() == names[0]
            async for found in values_of(names[1]):
                assert (found, here()) == (names[1], names[2])
                with pytest.raises(errors.NoProject, match="which of them this was started in"):
                    await asyncio.to_thread(get_project)
                break  # the loop closes it later, in a task of its own
        await asyncio.sleep(0.01)
        del one, two
        gc.collect()
        await asyncio.sleep(0.01)
        assert here() is None

    asyncio.run(main())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_has_the_project_of_the_thread_that_forked(names: list[str]) -> None:
    def child() -> int:
        if elsewhere(here) != names[0]:  # not that of a thread that is not there any more
            return 1
        with Project(names[2]):
            return 0 if here() == elsewhere(here) == names[2] else 2

    with Project(names[0]), ThreadPoolExecutor(1) as pool:
        stack = ExitStack()
        pool.submit(stack.enter_context, Project(names[1])).result()
        if (pid := os.fork()) == 0:
            status = 9
            with suppress(BaseException):
                status = child()
            os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        stack.close()
