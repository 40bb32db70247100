"""Logging from programs that end, workers of every start method, forked children and threads."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xpstore
from support.logged import left_in, run, values
from support.services import Server
from xpstore import Client
from xpstore.model import Model
from xpstore.project import Project

pytestmark = pytest.mark.client

LOG_AND_END = """
import os, random, sys, xpstore
random.seed(0)
client = xpstore.init(*sys.argv[1:3]) if len(sys.argv) > 2 else xpstore.init()
metrics = client.project(os.environ["PROJECT"]).experiment("e").model("h").metrics
for number in range(100):
    metrics.log(os.environ["NAME"], number)
"""


def settings_of(server: Server, project: Project, name: str) -> dict[str, str]:
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    return {**access, "PROJECT": project.id, "NAME": name}


def test_program_that_ends_has_sent_everything(server: Server, project: Project, model: Model, spool: Path) -> None:
    run(LOG_AND_END, **settings_of(server, project, "loss"))
    assert left_in(spool) == []
    assert values(model) == list(range(100))


def test_programs_with_one_seed_are_different_writers(server: Server, project: Project, model: Model) -> None:
    for name in ("a", "b"):
        run(LOG_AND_END, **settings_of(server, project, name))
    assert values(model, "a") == values(model, "b") == list(range(100))


def _log_in_worker(model_of: Callable[[], Model], name: str) -> None:
    metrics = model_of().metrics
    for number in range(50):
        metrics.log(name, number)
    if name.endswith("os._exit"):
        os._exit(0)
    if name.endswith("killed"):
        os.kill(os.getpid(), signal.SIGKILL)


class _Opener:
    """Opens the model in a process that did not inherit it."""

    def __init__(self, server: Server, project: Project) -> None:
        self._words = (server.api_key, server.address, project.id)
        self._spool = os.environ["XPSTORE_SPOOL"]

    def __call__(self) -> Model:
        os.environ["XPSTORE_SPOOL"] = self._spool  # the fork server was started by another test
        key, address, project = self._words
        return xpstore.init(key, address).project(project).experiment("e").model("h")


@pytest.mark.parametrize("ending", ["returns", "os._exit", "killed"])
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_every_start_method_lose_nothing(
    method: str, ending: str, server: Server, project: Project, model: Model, client: Client
) -> None:
    model.metrics.log("parent", 0)
    context: Any = multiprocessing.get_context(method)
    open_model = (lambda: model) if method == "fork" else _Opener(server, project)
    names = [f"{number} {ending}" for number in range(3)]
    workers = [context.Process(target=_log_in_worker, args=(open_model, name)) for name in names]
    for worker in workers:
        worker.start()
    model.metrics.log("parent", 1)
    for worker in workers:
        worker.join(60)
    client.flush()
    for name in names:
        assert values(model, name) == list(range(50))
    assert values(model, "parent") == [0, 1]


def test_parent_that_never_logged_reads_what_its_child_left(model: Model) -> None:
    if (child := os.fork()) == 0:
        try:
            model.metrics.log("loss", 1)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert values(model) == [1]


def test_forked_child_and_parent_log_on_at_the_same_time(model: Model, client: Client) -> None:
    for number in range(100):
        model.metrics.log("parent", number)
    if (child := os.fork()) == 0:
        try:
            for number in range(1_000):
                model.metrics.log("child", number)
            client.close()
        finally:
            os._exit(0)
    for number in range(100, 1_000):
        model.metrics.log("parent", number)
    os.waitpid(child, 0)
    assert values(model, "parent") == values(model, "child") == list(range(1_000))


def test_threads_log_in_their_orders(model: Model) -> None:
    def write(number: int) -> None:
        for step in range(500):
            model.metrics.log(f"loss {number}", step, step)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(16):
        assert values(model, f"loss {number}") == list(range(500))
