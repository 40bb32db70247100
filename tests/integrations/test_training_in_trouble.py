"""Whatever happens, training ends as it would without us: a server that is away, a full disk, odd names, two ranks."""

import functools
import json
import os
import secrets
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import xpstore
from integrations.trainers import ROUNDS, TRAINERS, Numbers, needs
from support.backends import sqlite_url
from support.homes import without_settings
from support.services import Server
from xpstore._session import current
from xpstore.experiment import Experiment

# Each takes seconds: scikit-learn too, and the writer, are tried where all the others are.
needs("xgboost", "lightgbm", "keras", "jax", "optuna")
pytestmark = pytest.mark.client

# A series that each training logs: its model, name, phase, and how many points.
KNOWN = {
    "xgboost": ("xgboost", "logloss", "train", ROUNDS),
    "lightgbm": ("lightgbm", "binary_logloss", "te st/µ", ROUNDS),
    "keras": ("keras", "loss", "validation", ROUNDS),
    "optuna": ("0", "intermediate", None, 3),
    "tensorboard": ("by hand", "loss", "train", ROUNDS),
}
EXPERIMENTS = {"optuna": "a/study µ", "tensorboard": "runs"}


@pytest.fixture(params=TRAINERS)
def framework(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@functools.cache
def undisturbed(framework: str) -> Numbers:
    """What is predicted after a training without us."""
    return TRAINERS[framework](None)


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("own")
    with Server(sqlite_url(folder / "x.db"), (folder / "blobs").as_uri(), folder) as server:
        yield server


@pytest.fixture
def own_experiment(own_server: Server) -> Iterator[Experiment]:
    """One whose server may be taken away; calls give it up soon."""
    client = xpstore.init(own_server.api_key, own_server.address, timeout_seconds=1)
    with xpstore.Project(secrets.token_hex(6)) as project:
        yield project.experiment("e")
    current.set_client(None)
    client.close()


def logged(framework: str, project: xpstore.Project) -> int:
    """How many points the server has of the known series."""
    hash_, name, phase, _ = KNOWN[framework]
    model = project.experiment(EXPERIMENTS.get(framework, "e")).model(hash_)
    return len(model.metrics.read(name, phase))


def test_all_is_logged_and_the_model_is_the_same(
    framework: str, project: xpstore.Project, caplog: pytest.LogCaptureFixture
) -> None:
    assert TRAINERS[framework](project.experiment("e")) == undisturbed(framework)
    if framework in KNOWN:
        wait_for(lambda: logged(framework, project) == KNOWN[framework][3])
    refused = [line for line in caplog.messages if "could not record something" in line]
    # Of names that are too long, one; those of parameters and of scikit-learn have no bound.
    assert len(refused) == (0 if framework in ("sklearn", "optuna") else 1), caplog.text
    assert all("at most 256 characters" in line for line in refused)


@pytest.mark.parametrize("when", ["start", "middle"])
def test_server_goes_away(when: str, framework: str, own_experiment: Experiment, own_server: Server) -> None:
    project = xpstore.get_project()

    def leave(point: str) -> None:
        if point == when:
            own_server.kill()

    assert TRAINERS[framework](own_experiment, leave) == undisturbed(framework)
    own_server.start()
    own_experiment._client.timeout_seconds = 30
    if framework in KNOWN:
        wait_for(lambda: logged(framework, project) == KNOWN[framework][3])


def wait_for(condition: Callable[[], bool]) -> None:
    """What is recorded in the background comes when it comes."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def program(framework: str, *access: str, folder: Path, before: str = "") -> "subprocess.Popen[str]":
    environment = {**without_settings(), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = shlex.join([sys.executable, "-m", "integrations.trainers", framework, *access])
    pipe = subprocess.PIPE
    command = ["sh", "-ec", f"{before}\nexec {words}"]
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def result_of(process: "subprocess.Popen[str]") -> tuple[Numbers, str]:
    output, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    found: Numbers = json.loads(output.splitlines()[-1])
    return found, error


def test_disk_takes_no_byte(framework: str, client: xpstore.Client, server: Server, tmp_path: Path) -> None:
    access = server.api_key, server.address, f"full {secrets.token_hex(6)}"
    found, error = result_of(program(framework, *access, folder=tmp_path, before="ulimit -f 0"))
    assert found == undisturbed(framework)
    assert "The spool " in error


def test_two_ranks_log_to_one_model(framework: str, client: xpstore.Client, server: Server, tmp_path: Path) -> None:
    project_id = f"ranks {secrets.token_hex(6)}"
    ranks = [program(framework, server.api_key, server.address, project_id, folder=tmp_path) for _ in range(2)]
    assert [result_of(rank)[0] for rank in ranks] == [undisturbed(framework)] * 2
    with xpstore.Project(project_id) as project:
        if framework == "optuna":  # whoever came second found the trial there, or both began at once
            assert logged(framework, project) in (3, 6)
        elif framework in KNOWN:
            assert logged(framework, project) == 2 * KNOWN[framework][3]
