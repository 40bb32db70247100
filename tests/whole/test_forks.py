"""Forks while calls are under way: child and parent go on, and what was promised is there."""

import os
import secrets
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import xpstore
from support.homes import without_settings
from support.services import Server
from xpstore._files.ranges import read_range
from xpstore._service.gate import LONGEST_FORK_SECONDS, BrokenByFork
from xpstore._service.paging import iterate
from xpstore._service.retry import Attempts
from xpstore.artifact import Artifact, DirectoryArtifact
from xpstore.v1 import artifact_pb2 as pb

pytestmark = pytest.mark.client

HANG_SECONDS = 60

PROGRAM = """
import multiprocessing, os, random, signal, subprocess, sys, threading, time
from concurrent.futures import ProcessPoolExecutor
import xpstore
from xpstore.artifact import Artifact, DirectoryArtifact
xpstore.init()
project = xpstore.Project(os.environ["FORKS_PROJECT"]).open()
xpstore.set_project(project)
model = project.experiment("e").model("h")
def save(name, kib):
    DirectoryArtifact.save(os.urandom(kib << 10), name, wait=False)
def child(n):
    save(f"child {n}", 50)
    model.metrics.log("child", 1.0)
    return "there" in {version.name for version in Artifact.load_all(project=project)}
fork = multiprocessing.get_context("fork")
def by_os(n):
    if not os.fork(): sys.exit(0 if child(n) else 1)
    return os.wait()[1] == 0
def by_process(n):
    process = fork.Process(target=child, args=(n,))
    process.start(); process.join()
    return process.exitcode == 0
def by_pool(n):
    with ProcessPoolExecutor(2, fork) as pool: return pool.submit(child, n).result()
def by_subprocess(n):
    before = [None, lambda: None][n % 2]
    done = subprocess.run([sys.executable, "-c", ""], preexec_fn=before)
    # With preexec_fn Python runs gRPC's handlers in the child, and then closes its descriptors. Once in some hundred
    # times a thread that gRPC (1.85) began in between sees that, and ends the child before it becomes another program.
    assert done.returncode == 0 or before and done.returncode == -signal.SIGABRT, done
    return True
there = DirectoryArtifact.save(os.urandom(20 << 20), "there")
over = threading.Event()
def download(folder=os.environ["XPSTORE_CACHE"] + "/forks"):
    while not over.is_set():
        there.download(folder); os.unlink(folder + "/data")
def log():
    while not over.wait(0.001): model.metrics.log("parent", 1.0)
others = [threading.Thread(target=download), threading.Thread(target=log)]
for other in others: other.start()
try:
    for n in range(int(sys.argv[2])):
        save(f"parent {n}", random.choice((1, 900, 12_000)))
        time.sleep(random.random() / 20)
        assert globals()[sys.argv[1]](n), n
finally:
    over.set()
    for other in others: other.join()
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("how", ["by_os", "by_process", "by_pool", "by_subprocess"])
def test_children_of_any_kind_work_beside_saves_downloads_and_points(
    how: str, server: Server, project: xpstore.Project
) -> None:
    count = int(os.environ.get("XPSTORE_TEST_FORKS") or 5)
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address, "FORKS_PROJECT": project.id}
    environment = {**without_settings(), **access, "PYTHONPATH": os.pathsep.join(sys.path), "GRPC_VERBOSITY": "info"}
    command = [sys.executable, "-c", PROGRAM, how, str(count)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-1_000:]
    assert not [word for word in ("skipping fork() handlers", "not saved", "stays in the spool") if word in done.stderr]
    who = ["parent"] if how == "by_subprocess" else ["parent", "child"]
    expected = {f"{one} {n}" for one in who for n in range(count)}
    assert {version.name for version in Artifact.load_all(project=project)} == {"there", *expected}
    assert len(project.experiment("e").model("h").metrics.list("child")) == (count if len(who) == 2 else 0)


def in_child(job: Callable[[], object]) -> str:
    """What a job returns in a forked child, or its error."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        answer = ""
        try:
            answer = str(job())
        except BaseException as error:
            answer = repr(error)
        finally:
            os.write(write, answer.encode())
            os._exit(0)
    os.close(write)
    with open(read) as pipe:
        if not select.select([pipe], [], [], HANG_SECONDS)[0]:
            os.kill(child, signal.SIGKILL)
        answer = pipe.read() or "it hangs"
    os.waitpid(child, 0)
    return answer


def saved(project: xpstore.Project) -> str:
    version = DirectoryArtifact.save(os.urandom(300_000), secrets.token_hex(4), project=project, wait=False).result()
    return f"version {version.version}"


def test_stream_that_is_not_read_to_its_end_goes_on_in_both(project: xpstore.Project, client: xpstore.Client) -> None:
    content = os.urandom(20 << 20)
    version = DirectoryArtifact.save(content, "large")
    pieces = read_range(client, str(version.id), version.files()[0].path)
    first = next(pieces)

    def is_rest_right() -> bool:
        return first + b"".join(pieces) == content

    assert in_child(is_rest_right) == "True"
    assert is_rest_right()


def test_pages_that_were_begun_go_on_in_both(project: xpstore.Project, client: xpstore.Client) -> None:
    for number in range(3):
        DirectoryArtifact.save(b"x", f"page {number}")
    method, request = client.stubs.artifacts.ListArtifacts, pb.ListArtifactsRequest(project_uid=project.uid)
    names = (artifact.name for artifact in iterate(client, method, request, "artifacts", page_size=1))
    assert {next(names)} < {"page 0", "page 1", "page 2"}
    assert in_child(lambda: len(list(names))) == "2"
    assert len(list(names)) == 2


def test_call_that_takes_long_is_broken_off_and_made_again(project: xpstore.Project) -> None:
    computed, begun, go_on = list[int](), threading.Event(), threading.Event()

    def compute() -> int:
        computed.append(1)
        begun.set()
        go_on.wait(HANG_SECONDS)
        return 7

    def slow() -> int:
        value: int = project.cache.get_or_compute("slow", {}, compute).load()
        return value

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(slow)
        assert begun.wait(HANG_SECONDS)
        second = pool.submit(slow)
        time.sleep(0.5)  # it waits for the server's word by now
        began = time.monotonic()
        assert in_child(lambda: saved(project)) == "version 1"
        assert time.monotonic() - began < 10
        go_on.set()
        assert (first.result(HANG_SECONDS), second.result(HANG_SECONDS)) == (7, 7)
    assert computed == [1]


def test_fork_does_not_wait_for_a_server_that_is_stopped(server: Server, project: xpstore.Project) -> None:
    promise = DirectoryArtifact.save(os.urandom(12 << 20), "stopped", wait=False)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        time.sleep(0.5)
        for _ in range(3):
            began = time.monotonic()
            assert in_child(lambda: "a child") == "a child"
            assert time.monotonic() - began < LONGEST_FORK_SECONDS + 2
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert in_child(lambda: saved(project)) == "version 1"
    assert promise.result(HANG_SECONDS).name == "stopped"


def test_broken_off_call_has_all_the_time_again() -> None:
    class Nobody:
        def revive(self, timeout_seconds: float) -> None:
            raise AssertionError("a fork is no reason")

    broken = 0
    for attempt in Attempts(Nobody(), 0.2):
        with attempt:
            time.sleep(0.1)
            broken += 1
            if broken < 5:
                raise BrokenByFork
    assert broken == 5


def test_child_does_not_wait_for_what_only_its_parent_learns(server: Server, project: xpstore.Project) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        promise = DirectoryArtifact.save(os.urandom(1 << 20), "parent's", wait=False)
        for wait in (promise.result, promise.exception):
            assert "Conflict" in in_child(wait) and f"process {os.getpid()}" in in_child(wait)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    name = promise.result(HANG_SECONDS).name
    assert name == "parent's" and in_child(lambda: promise.result().name) == name


def test_child_imports_what_another_thread_was_importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"slowly_{secrets.token_hex(4)}"
    (tmp_path / f"{name}.py").write_text("import time\ntime.sleep(0.5)\nready = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    thread = threading.Thread(target=__import__, args=(name,))
    thread.start()
    time.sleep(0.1)
    assert in_child(lambda: __import__(name).ready) == "True"
    thread.join()


def test_ctrl_c_during_a_fork_spoils_no_import_of_the_child_and_comes_after_it(tmp_path: Path) -> None:
    """Python prints and forgets what is raised while it prepares a fork, and forks half prepared."""
    (tmp_path / "slowly.py").write_text("import time\ntime.sleep(0.5)\nready = True\n")
    program = """
import os, signal, sys, threading, time
import xpstore._service.gate
thread = threading.Thread(target=__import__, args=("slowly",))
thread.start()
time.sleep(0.1)
threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    if not os.fork():
        print(__import__("slowly").ready, flush=True)
        os._exit(0)
    os.wait()
    time.sleep(10)
except KeyboardInterrupt:
    print("interrupted", signal.getsignal(signal.SIGINT) is signal.default_int_handler, flush=True)
"""
    environment = {**without_settings(), "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG_SECONDS)
    assert (sorted(done.stdout.splitlines()), done.stderr) == (["True", "interrupted True"], "")
