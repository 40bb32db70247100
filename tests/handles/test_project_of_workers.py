"""The current project in the threads, tasks and pools of libraries: that of who gave them the work, or none."""

import asyncio
import contextvars
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest

import xpstore
from xpstore import Project, errors, get_project, set_project
from xpstore.artifact import DirectoryArtifact

pytestmark = pytest.mark.client


@pytest.fixture(autouse=True)
def session(client: xpstore.Client) -> xpstore.Client:
    return client


@pytest.fixture
def names() -> list[str]:
    return [f"{name} {secrets.token_hex(6)}" for name in "abc"]


def here() -> str | None:
    try:
        return str(get_project().id)
    except errors.NoProject:
        return None


@xpstore.cached(name="work of a worker")
def work(number: int) -> int:
    return number


def entries(*names: str) -> list[int]:
    return [Project(name).cache.statistics().entries for name in names]


def test_work_of_a_worker_lands_in_no_project_of_another_thread(names: list[str]) -> None:
    """The main thread and another one are in blocks; what a worker of the main one computes and saves is refused."""
    mine, other = names[:2]
    entered, leave = threading.Event(), threading.Event()

    def elsewhere() -> None:
        with Project(other):
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=elsewhere)
    with Project(mine), ThreadPoolExecutor(1) as pool:
        assert pool.submit(work, 1).result() == 1
        thread.start()
        entered.wait(60)
        for job in (lambda: work(2), lambda: DirectoryArtifact.save(b"x", "a")):
            with pytest.raises(errors.NoProject):
                pool.submit(job).result()
        context = contextvars.copy_context()
        assert pool.submit(context.run, work, 3).result() == 3
        assert DirectoryArtifact.save(b"x", "a", wait=False).result().project.id == mine
        leave.set()
        thread.join()
        assert pool.submit(work, 4).result() == 4
    assert entries(mine, other) == [3, 0]
    assert [artifact.name for artifact in Project(other).artifacts.list()] == []


def test_pool_serves_blocks_that_follow_each_other(names: list[str]) -> None:
    """Its threads are kept, and keep nothing: neither of the block before nor of one that a job has entered."""

    def enter() -> str | None:
        with suppress(KeyError), Project(names[2]):
            assert here() == names[2]
            raise KeyError
        return here()

    with ThreadPoolExecutor(3) as pool:
        for name in (*names[:2], names[0]):
            with Project(name):
                assert set(pool.map(lambda _: here(), range(9))) == {name}
                assert list(pool.map(lambda _: enter(), range(1))) == [name]
            assert set(pool.map(lambda _: here(), range(9))) == {None}


def test_threads_of_joblib_work_for_the_project_of_their_caller(names: list[str]) -> None:
    """So do the processes of loky: `caching/test_worker_sessions.py`."""
    joblib = pytest.importorskip("joblib")
    for name in names[:2]:
        with Project(name):
            made = joblib.Parallel(n_jobs=2, backend="threading")(joblib.delayed(work)(n) for n in range(4))
            assert made == [0, 1, 2, 3]
    assert entries(*names) == [4, 4, 0]


def test_task_of_a_block_works_for_it_after_it_is_left(names: list[str]) -> None:
    """Also its callbacks, tasks of its own, and a block that it enters meanwhile."""
    first, second, third = names

    async def inner() -> str | None:
        return here()

    async def late(leave: asyncio.Event, found: list[str | None]) -> None:
        await leave.wait()
        found.append(here())
        with Project(third):
            async with asyncio.TaskGroup() as group:
                task = group.create_task(inner())
        found += [await task, here()]
        asyncio.get_running_loop().call_soon(lambda: found.append(here()))
        await asyncio.sleep(0)

    async def main() -> list[str | None]:
        leave, found = asyncio.Event(), list[str | None]()
        with Project(first):
            task = asyncio.create_task(late(leave, found))
            await asyncio.sleep(0)
        with Project(second):
            leave.set()
            await asyncio.wait_for(task, 60)
            found.append(here())
        return [*found, here()]

    assert asyncio.run(main()) == [first, third, first, first, second, None]


def test_same_project_in_each_other_is_left_block_by_block(names: list[str]) -> None:
    project, again = Project(names[0]), Project(names[0])
    with project, again, project:
        set_project(Project(names[1]))  # counts here, until this block is left
        assert here() == names[1]
        with project:
            assert here() == names[0]
        assert here() == names[1]
    assert here() == names[1]
    set_project(None)
    assert here() is None


def test_block_of_another_client_is_of_that_client(names: list[str], client: xpstore.Client) -> None:
    other = xpstore.Client(client.api_key, client.api_url)
    with Project(names[0]), other.project(names[1]) as theirs:
        assert get_project() is theirs and get_project()._client is other
        assert work(7) == 7
        model = get_project().experiment("e").model("m")
        model.metrics.log("loss", 1.0)
        assert model._client is other and len(model.metrics.list()) == 1
    other.close()
    assert entries(*names[:2]) == [0, 1]


def test_block_is_left_though_its_project_was_deleted_and_made_again(names: list[str]) -> None:
    with ExitStack() as stack, Project(names[1]):
        project = stack.enter_context(Project(names[0]))
        project.delete()
        again = Project(names[0]).open()
        assert get_project().uid == project.uid != again.uid
        with pytest.raises(errors.NotFound):
            get_project().experiment("e")
        stack.close()
        assert here() == names[1]
    assert again.experiments.list() == []
