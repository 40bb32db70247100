"""Workers without `init()`: they find service and project of who sent them work, and nothing lands anywhere else."""

import asyncio
import secrets
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

import xpstore
from support.backends import sqlite_url
from support.homes import Home, without_settings
from support.services import Server
from xpstore import cached, errors

pytestmark = pytest.mark.client

WORK = """
import os
import xpstore

@xpstore.cached
def square(number: int) -> int:
    return number * number


@xpstore.cached
def apply(function, number: int) -> int:
    return function(number)


@xpstore.cached
async def later(number: int) -> int:
    return number + 1


class Model:
    factor = 3

    @xpstore.cached
    def fit(self, number: int) -> int:
        return square(number) * self.factor


def plain(number: int) -> int:
    return square(number)


def where(_: int) -> str:
    return xpstore.get_project().id


def settle_in() -> None:
    xpstore.init()
    xpstore.set_project(xpstore.Project("of the worker"))


def told(_: int) -> str:
    import multiprocessing

    return repr((dict(os.environ), multiprocessing.current_process()._config))
"""

HEAD = """
import asyncio, contextlib, multiprocessing, os, signal, subprocess, sys
from concurrent.futures import ProcessPoolExecutor
import xpstore, work

def entries(*names):
    return [xpstore.Project(name).cache.statistics().entries for name in names]

"""
TAIL = """

if __name__ == "__main__":
    main(*sys.argv[1:])
"""

FOLLOWS = (
    HEAD
    + """
def main(method):
    context = multiprocessing.get_context(method)
    early = ProcessPoolExecutor(1, mp_context=context)
    early.submit(abs, 1).result()  # a worker that began before there was a session
    xpstore.init()
    with xpstore.Project("one"), context.Pool(1) as pool:
        print(early.submit(work.square, 1).result(), pool.map(work.square, [1, 2]), entries("one"))
        print(pool.map(work.Model().fit, [1, 2]), pool.map(work.plain, [2, 3]), pool.map(work.where, [0]))
        print(pool.starmap(work.apply, [(work.square, 2)]), work.apply(work.square, 2), entries("one"))
        print(work.square(3), work.Model().fit(2), entries("one"))  # hits here
        with xpstore.Project("other"):
            print(pool.map(work.square, [1]), early.submit(work.Model().fit, 1).result(), entries("one", "other"))
        print(pool.map(work.square, [4]), entries("one", "other"))
    early.shutdown()
"""
    + TAIL
)
FOLLOWED = [
    "1 [1, 4] [2]",
    "[3, 12] [4, 9] ['one']",
    "[4] 4 [6]",
    "9 12 [6]",
    "[1] 3 [6, 2]",
    "[16] [7, 2]",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home(tmp_path_factory.mktemp("home")) as home:
        yield home


def run(folder: Path, script: str, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "work.py").write_text(WORK)
    (folder / "script.py").write_text(script)
    environment = {**environment, "PYTHONPATH": ":".join(filter(None, sys.path))}
    command = [sys.executable, "script.py", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_workers_work_for_the_project_that_sent_the_task(method: str, tmp_path: Path) -> None:
    """By name, methods, cached functions as arguments; in workers that began before the project, or in another one."""
    with Home(tmp_path / "home") as home:
        done = run(tmp_path, FOLLOWS, home.environment, method)
    assert (done.returncode, done.stdout.splitlines()) == (0, FOLLOWED), done.stderr


def test_lokys_workers_follow_from_project_to_project(home: Home, tmp_path: Path) -> None:
    """They are kept from one call of joblib to the next. Functions go there by name, or by value from a script."""
    pytest.importorskip("joblib")
    script = """
from joblib import Parallel, delayed

@xpstore.cached(name="own")
def own(number):
    return work.square(number) + 1

def main():
    xpstore.init()
    for name in ("of loky", "of loky too"):
        with xpstore.Project(name):
            for function in (work.square, own, work.Model().fit):
                print(Parallel(n_jobs=2)(delayed(function)(number) for number in (6, 7)), end=" ")
            print(own(6), entries("of loky", "of loky too"))
    with xpstore.Project("of loky"), multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(own, [6, 7]), entries("of loky"))
"""
    done = run(tmp_path, HEAD + script + TAIL, home.environment)
    values = "[36, 49] [37, 50] [108, 147] 37"
    assert done.stdout.splitlines() == [f"{values} [6, 0]", f"{values} [6, 6]", "[37, 50] [6]"], done.stderr


def test_a_worker_that_chose_a_project_itself_keeps_it(home: Home, tmp_path: Path) -> None:
    script = """
def main():
    xpstore.init()
    context = multiprocessing.get_context("spawn")
    with xpstore.Project("of the parent"), ProcessPoolExecutor(1, context, initializer=work.settle_in) as pool:
        print(pool.submit(work.square, 5).result(), pool.submit(work.where, 5).result())
        print(entries("of the parent", "of the worker"))
    with xpstore.Project("of the parent"), ProcessPoolExecutor(1, context, initializer=xpstore.init) as pool:
        print(pool.submit(work.square, 5).result(), entries("of the parent", "of the worker"))
"""
    done = run(tmp_path, HEAD + script + TAIL, home.environment)
    assert done.stdout.splitlines() == ["25 of the worker", "[0, 1]", "25 [1, 1]"], done.stderr


def test_programs_that_a_program_starts_do_not_find_its_session(home: Home, tmp_path: Path) -> None:
    """Nor do those that a worker starts: only who is sent work belongs to who sent it."""
    script = """
def program(_):
    done = subprocess.run([sys.executable, "-c", "import work; work.square(1)"], capture_output=True, text=True)
    return done.stderr.splitlines()[-1]

def main():
    xpstore.init()
    with xpstore.Project("mine"), multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.map(work.plain, [1])
        print(program(0), *pool.map(program, [0]), sep="\\n")
"""
    done = run(tmp_path, HEAD + script + TAIL, home.environment)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    assert all(line.startswith("xpstore.errors.NotInitialized: Call xpstore.init() first") for line in lines)


PLAIN = """
def main(key, address):
    xpstore.init(key, address)
    with xpstore.Project("served"), multiprocessing.get_context("spawn").Pool(1) as pool:
        for function in (work.told, work.plain, work.square):
            try:
                print(pool.map(function, [7]))
            except Exception as error:
                print(f"{type(error).__name__}: {error}")
"""


def test_a_key_that_was_passed_is_not_told_to_workers(server: Server, tmp_path: Path) -> None:
    done = run(tmp_path, HEAD + PLAIN + TAIL, without_settings(), server.api_key, server.address)
    environment, plain, by_name = done.stdout.splitlines()
    assert server.api_key not in environment and server.address in environment
    assert plain == by_name and plain.startswith("NotInitialized: This worker process has work of ")
    assert plain.endswith("or give its pool initializer=xpstore.init, initargs=(api_key, api_url).")


def test_a_key_of_the_environment_joins_workers_to_the_server_of_their_parent(server: Server, tmp_path: Path) -> None:
    environment = without_settings() | {"XPSTORE_API_KEY": server.api_key}
    done = run(tmp_path, HEAD + PLAIN + TAIL, environment, server.api_key, server.address)
    assert done.stdout.splitlines()[1:] == ["[49]", "[49]"], done.stderr


def test_workers_compute_where_the_server_went_away(tmp_path: Path) -> None:
    script = """
def main(key, address, pid):
    xpstore.init(key, address)
    with xpstore.Project("away"), multiprocessing.get_context("spawn").Pool(1) as pool:
        os.kill(int(pid), signal.SIGKILL)
        print(pool.map(work.square, [2, 3]), pool.map(work.plain, [2]))
"""
    with Server(sqlite_url(tmp_path / "xpstore.db"), (tmp_path / "blobs").as_uri(), tmp_path) as server:
        assert server.process is not None
        environment = without_settings() | {"XPSTORE_API_KEY": server.api_key}
        arguments = server.api_key, server.address, str(server.process.pid)
        done = run(tmp_path, HEAD + script + TAIL, environment, *arguments)
    assert done.stdout.splitlines() == ["[4, 9] [4]"], done.stderr
    assert done.stderr.count("The cache cannot be reached") == 1


@cached(name="where")
def where(_: int) -> str:
    return str(xpstore.get_project().id)


@cached(name="where later")
async def where_later(_: int) -> str:
    await asyncio.sleep(0)
    return str(xpstore.get_project().id)


def test_tasks_threads_and_executors_work_for_the_project_of_their_context(client: xpstore.Client) -> None:
    """Two tasks in a block each, entered and left in turn: each has its own, and afterwards there is none."""

    async def work(name: str, turn: asyncio.Barrier) -> list[str]:
        with xpstore.Project(name):
            await turn.wait()
            found = [await where_later(1), await asyncio.to_thread(where, 1), where(2)]
            await turn.wait()
            return found

    async def main(names: list[str]) -> list[list[str]]:
        turn = asyncio.Barrier(len(names))
        return await asyncio.gather(*(work(name, turn) for name in names))

    names = [f"{number} {secrets.token_hex(6)}" for number in range(3)]
    assert asyncio.run(main(names)) == [[name] * 3 for name in names]
    assert [client.project(name).cache.statistics().entries for name in names] == [3] * 3
    with pytest.raises(errors.NoProject):
        where(3)


def test_threads_without_a_context_work_for_the_project_that_was_entered_last(client: xpstore.Client) -> None:
    first, second = (f"{number} {secrets.token_hex(6)}" for number in range(2))
    with ThreadPoolExecutor(1) as pool, ExitStack() as outer, ExitStack() as inner:
        outer.enter_context(xpstore.Project(first))
        assert pool.submit(where, 1).result() == first
        inner.enter_context(xpstore.Project(second))
        assert pool.submit(where, 2).result() == second
        outer.close()  # the first is left, the second is not
        assert pool.submit(where, 3).result() == second
