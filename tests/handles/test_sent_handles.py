"""Handles are pickled by server and id, never with the key: elsewhere they join the session there, or say why not."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

import xpstore
from support.homes import without_settings
from support.services import Server
from xpstore import errors
from xpstore.artifact import DatasetArtifact, DirectoryArtifact

pytestmark = pytest.mark.client

READER = """
import pickle, sys
import xpstore

handles = pickle.load(open(sys.argv[1], "rb"))
if len(sys.argv) > 2:
    xpstore.init(*sys.argv[2:])  # after what was sent came
project, model, run = handles["project"], handles["model"], handles["run"]
model.metrics.log("loss", 2.0)
handles["metrics"].log("loss", 3.0)
handles["tags"].add("there")
print([point.value for point in model.metrics.list()], model.tags.list(), run.status)
print(project.experiment("e").models.read("m") == model, handles["experiment"].models.list() == [model])
print([found.hash for found in handles["found"].search("")], handles["iteration"].step)
print(handles["artifact"].open().read(), handles["dataset"].load().tolist(), handles["artifacts"].list()[0].name)
handles["modules"].log("layer", {"size": 1})
print([module.name for module in handles["iteration"].modules.list()], handles["point"].value)
print(len({id(vars(one)) for one in (project._client, model._client, run._client)}))
print(handles["client"].api_url == model._client.api_url, handles["cache"].statistics().entries)
print(handles["series"].values.tolist(), handles["buckets"].counts.tolist(), list(handles["frame"].value))
print(handles["cached artifact"].load(), handles["entry"].artifact.load(), handles["explanation"].state)
opened, files = handles["opened by fsspec"], handles["files"]
print(handles["opened"].read(), opened.read(), files.cat(opened.path))
"""


@xpstore.cached(name="of a number")
def of_result(number: int) -> int:
    return number * 2


def made(project: xpstore.Project) -> dict[str, Any]:
    """One of each kind."""
    experiment = project.experiment("e")
    model = experiment.model("m", config={"lr": 0.1})
    model.metrics.log("loss", 1.0)
    with model.run() as run:
        pass
    iteration = model.iterations.create(3)
    artifact = DirectoryArtifact.save(b"bytes", "files", model=model)
    result = of_result.artifact(2)
    opened, files = artifact.open(), fsspec.filesystem("xpstore")
    opened_by_fsspec = files.open(f"{project.id}/files@1/data")
    assert opened.read(1) + opened_by_fsspec.read(2) == b"bby"
    return {
        "project": project,
        "experiment": experiment,
        "experiments": project.experiments,
        "model": model,
        "models": experiment.models,
        "found": project.models,
        "run": run,
        "metrics": model.metrics,
        "point": model.metrics.last("loss"),
        "tags": model.tags,
        "iteration": iteration,
        "iterations": model.iterations,
        "modules": iteration.modules,
        "artifact": artifact,
        "dataset": DatasetArtifact.save(np.arange(3), "numbers"),
        "artifacts": model.artifacts,
        "cache": project.cache,
        "client": project._client,
        "series": model.metrics.read("loss"),
        "buckets": model.metrics.read("loss", buckets=1),
        "frame": model.metrics.read("loss").to_pandas(),
        "cached artifact": result,
        "entry": project.cache.list()[0],
        "explanation": of_result.explain(3),
        "opened": opened,
        "opened by fsspec": opened_by_fsspec,
        "files": files,
    }


def sent(handles: dict[str, Any], folder: Path) -> Path:
    data = pickle.dumps(handles)
    assert handles["client"].api_key.encode() not in data
    (folder / "handles").write_bytes(data)
    return folder / "handles"


def run(code: str, *arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**without_settings(), **settings, "PYTHONPATH": ":".join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("is_said", [False, True])
def test_handles_go_on_in_another_process(
    is_said: bool, project: xpstore.Project, server: Server, tmp_path: Path
) -> None:
    """By the key of the environment, or by an `init()` that comes after they were unpickled."""
    file = sent(made(project), tmp_path)
    if is_said:
        done = run(READER, file, server.api_key, server.address)
    else:
        done = run(READER, file, XPSTORE_API_KEY=server.api_key)
    assert done.stdout.splitlines() == [
        "[1.0, 2.0, 3.0] ['there'] finished",
        "True True",
        "['m'] 3",
        "b'bytes' [0, 1, 2] files",
        "['layer'] 1.0",
        "1",
        "True 1",
        "[1.0] [1] [1.0]",
        "4 4 absent",
        "b'ytes' b'tes' b'bytes'",
    ], done.stderr


def test_without_a_key_they_are_unpickled_and_say_what_lacks(
    project: xpstore.Project, server: Server, tmp_path: Path
) -> None:
    file = sent(made(project), tmp_path)
    code = """
import pickle, sys
handles = pickle.load(open(sys.argv[1], "rb"))
print(handles["model"].hash, handles["project"].id == pickle.loads(pickle.dumps(handles["project"])).id)
for use in (handles["project"].open().experiments.list, handles["run"]._read, lambda: handles["metrics"].log("x", 1.0)):
    try:
        use()
        print("done")
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
"""
    first, *refused = run(code, file).stdout.splitlines()
    assert first == "m True"
    assert (
        refused[0].startswith("NotInitialized: This worker process has work of ")
        and "set XPSTORE_API_KEY" in refused[0]
    )
    assert refused == [refused[0]] * 3


POOL = """
import multiprocessing, sys
import xpstore

def log(model, value):
    model.metrics.log("loss", value)
    return value

def main(key, address, name):
    xpstore.init(key, address)
    model = xpstore.Project(name).experiment("e").model("m")
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            try:
                print(pool.apply(log, (model, 1.0)))
            except xpstore.Error as error:
                print(type(error).__name__)
            pool.close()
            pool.join()
    print(len(model.metrics.list()))

if __name__ == "__main__":
    main(*sys.argv[1:])
"""


@pytest.mark.parametrize(("is_in_environment", "found"), [(True, "1.0"), (False, "NotInitialized")])
def test_handles_are_arguments_of_workers(
    is_in_environment: bool, found: str, project: xpstore.Project, server: Server, tmp_path: Path
) -> None:
    """A worker that lacks the key hands the error back: one that could not unpickle would leave its caller waiting."""
    (tmp_path / "program.py").write_text(POOL)
    environment = {**without_settings(), "PYTHONPATH": ":".join(filter(None, sys.path))}
    if is_in_environment:
        environment["XPSTORE_API_KEY"] = server.api_key
    command = [sys.executable, str(tmp_path / "program.py"), server.api_key, server.address, project.id]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    count = 3 if is_in_environment else 1
    assert done.stdout.splitlines() == ["1.0", found, found, str(count)], done.stderr


def test_here_they_are_copied_with_the_client_that_they_have(project: xpstore.Project, server: Server) -> None:
    other = xpstore.Client(server.api_key, server.address)
    model = other.project(project.id).experiment("e").model("m")
    for again in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert again == model and again._client is other
        again.metrics.log("loss", 1.0)
    assert len(model.metrics.list()) == 3
    other.close()
    late = pickle.loads(pickle.dumps(model))  # its client is gone: the session's has the same server
    assert len(late.metrics.list()) == 3 and late._client.timeout_seconds == project._client.timeout_seconds
    assert pickle.loads(pickle.dumps(xpstore.Project("not made")))._client is project._client


def test_what_cannot_be_sent_says_why_in_a_line(
    project: xpstore.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with project.experiment("e").model("m").run(), pytest.raises(TypeError, match="ends with its block"):
        pickle.dumps(project.experiment("e").model("m").run())
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path))
    monkeypatch.delenv("XPSTORE_API_URL", raising=False)
    offline = xpstore.Client(offline=True)
    for one in (offline, offline.project("p").experiment("e").model("m")):
        with pytest.raises(TypeError, match="only this process knows it: pass names and hashes"):
            pickle.dumps(one)
    offline.close()


@xpstore.cached(name="of a handle")
def of_handle(handle: Any) -> int:
    return 1


def test_a_handle_is_no_key_of_the_cache(project: xpstore.Project, recwarn: pytest.WarningsRecorder) -> None:
    """What is read through it changes."""
    for handle in (project, project.experiment("e"), project._client, pickle.loads(pickle.dumps(project))):
        assert of_handle(handle) == 1
    assert project.cache.statistics().entries == 0
    with pytest.raises(errors.InvalidArgument, match="pass what is read through it"):
        of_handle.artifact(project)


@pytest.mark.parametrize("kind", [errors.Error, *errors.Error.__subclasses__()], ids=lambda kind: kind.__name__)
def test_errors_come_back_from_workers_as_they_are(kind: type[errors.Error]) -> None:
    error = kind("a 'ü'\nb", reason="WHY", metadata={"field": "f"}, request_id="id")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (kind, str(error), vars(error))


def test_handles_show_what_they_are_and_never_the_key(project: xpstore.Project) -> None:
    handles = made(project)
    for name in handles.keys() - {"frame", "opened", "files"}:  # of others
        assert " object at 0x" not in repr(handles[name]), name
    assert not [name for name, handle in handles.items() if project._client.api_key in f"{handle!r} {handle}"]
    opened = copy.copy(handles["opened"])
    assert (opened.tell(), opened.read(), handles["opened"].tell()) == (1, b"ytes", 1)
