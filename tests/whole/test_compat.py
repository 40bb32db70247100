"""The two compat distributions: the same class objects under the documented names, and never beside the real ones."""

import os
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import xpstore
from support.homes import Home, without_settings

COMPAT = Path(__file__).parents[2] / "client" / "compat"
NAMES = ("xpdeep", "mltracker")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with Home(tmp_path / "home") as home:
        yield home


def run(code: str, *paths: Path, expect: int = 0, **settings: str) -> str:
    search = os.pathsep.join(map(str, (*paths, *(COMPAT / name for name in NAMES))))
    environment = {**without_settings(), "PYTHONPATH": search, **settings}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == expect, result.stderr
    return result.stderr if expect else result.stdout


def test_xpdeep_has_the_same_objects() -> None:
    run("""
import xpdeep, xpdeep.project, xpdeep.explain.explanation_artifact
import xpstore, xpstore.artifact, xpstore.project
assert xpdeep.init is xpstore.init and xpdeep.set_project is xpstore.set_project
assert xpdeep.project.Project is xpstore.project.Project
assert xpdeep.project.get_all_projects is xpstore.project.get_all_projects
assert xpdeep.explain.explanation_artifact.ExplanationArtifact is xpstore.artifact.ExplanationArtifact
for name in ("TrainedModelArtifact", "ExplanationArtifact", "DirectoryArtifact"):
    assert getattr(xpdeep, name) is getattr(xpstore.artifact, name)
assert all(hasattr(xpdeep, name) for name in xpdeep.__all__) and xpdeep.__all__ == sorted(xpdeep.__all__)
""")


def test_mltracker_has_the_same_objects() -> None:
    run("""
import mltracker.ports, mltracker.adapters.experiments, xpstore.experiment, xpstore.model
assert mltracker.ports.Experiments is xpstore.experiment.Experiments
assert mltracker.ports.Models is xpstore.model.Models
assert issubclass(mltracker.adapters.experiments.Experiments, mltracker.ports.Experiments)
""")


def test_ports_of_mltracker_have_the_names_that_its_own_have() -> None:
    run("""
from mltracker.getters import getallExperiments, getExperiment
from mltracker.ports.experiments import Experiment, Experiments, Models as ModelsOfExperiment
from mltracker.ports.iterations import Iteration, Iterations, Modules as ModulesOfIteration
from mltracker.ports.metrics import Metric, Metrics
from mltracker.ports.models import Iterations as IterationsOfModel, Metrics as MetricsOfModel, Model, Models
from mltracker.ports.models import Modules as ModulesOfModel
from mltracker.ports.modules import Module, Modules
import mltracker, mltracker.ports
import xpstore.experiment, xpstore.iteration, xpstore.metric, xpstore.model, xpstore.module
assert mltracker.ports.Experiments is Experiments is xpstore.experiment.Experiments
assert mltracker.ports.Models is Models is ModelsOfExperiment is xpstore.model.Models
assert (Experiment, Model) == (xpstore.experiment.Experiment, xpstore.model.Model)
assert (Metric, Metrics, MetricsOfModel) == (xpstore.metric.Metric, xpstore.metric.Metrics, Metrics)
assert (Module, Modules, ModulesOfModel, ModulesOfIteration) == (xpstore.module.Module, *[xpstore.module.Modules] * 3)
assert (Iteration, Iterations, IterationsOfModel) == (xpstore.iteration.Iteration, *[xpstore.iteration.Iterations] * 2)
assert (mltracker.getExperiment, mltracker.getallExperiments) == (getExperiment, getallExperiments)
""")


LOOP = """
import sys
from mltracker import getExperiment, getallExperiments

experiment = getExperiment("mnist", path=object())
models = experiment.models
model = models.read("h1") or models.create("h1", "classifier")
for step in range(model.step, model.step + 3):
    model.metrics.log("loss", 1 / (step + 1), step, "train")
    model.metrics.add(name="loss", value=2, step=step, phase="test")
    model.step += 1
model.iterations.create(model.step).modules.log("optimizer", {"lr": 10})
model.modules.add(name="layer", attributes={"type": "conv", "layers": 3})
print(model.step, len(model.metrics.list("loss")), [found.name for found in getallExperiments().list()])
"""


def test_mltracker_uses_the_embedded_service_without_init(home: Home) -> None:
    assert run(LOOP, XPSTORE_HOME=str(home.folder)) == "3 6 ['mnist']\n"
    assert run(LOOP, XPSTORE_HOME=str(home.folder)) == "6 12 ['mnist']\n"
    client = xpstore.Client((home.folder / "admin.key").read_text().strip(), home.address)
    (project,) = xpstore.get_all_projects(client=client)
    assert project.id == "mltracker"
    model = project.experiment("mnist").models.read("h1")
    assert model is not None
    assert [iteration.step for iteration in model.iterations.list()] == [3, 6]


def test_all_experiments_of_mltracker_are_a_collection(home: Home) -> None:
    code = """
from mltracker import getallExperiments
from mltracker.ports.experiments import Experiments
experiments = getallExperiments(path="data/db.json")
assert isinstance(experiments, Experiments)
made = experiments.create("first")
assert experiments.read("first").id == made.id and experiments.read("other") is None
experiments.update(made.id, "second")
print([found.name for found in getallExperiments().list()])
experiments.delete(made.id)
print(getallExperiments().list())
"""
    assert run(code, XPSTORE_HOME=str(home.folder)) == "['second']\n[]\n"


def test_mltracker_works_on_the_current_project(home: Home) -> None:
    code = """
import xpstore
from mltracker import getExperiment
from mltracker.adapters.experiments import Experiments
from mltracker.ports import Experiments as Port
xpstore.init()
assert Experiments("anything").list() == []  # before a project is chosen: "mltracker"
with xpstore.Project("mine") as project:
    getExperiment("in mine")
    experiments = Experiments(object())
    assert isinstance(experiments, Port)
    experiments.create("by port")
    print([found.name for found in project.experiments.list()], [found.name for found in experiments.list()])
"""
    expected = ["in mine", "by port"]
    assert run(code, XPSTORE_HOME=str(home.folder)) == f"{expected} {expected}\n"


@pytest.mark.parametrize("name", NAMES)
def test_compat_refuses_to_load_beside_the_real_package(name: str, tmp_path: Path) -> None:
    installed = tmp_path / f"{name}-3.2.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 3.2.1\n")
    error = run(f"import {name}", tmp_path, expect=1)
    assert f"ImportError: The real package {name} 3.2.1 is installed" in error
    assert f"pip uninstall xpstore-{name}" in error


@pytest.mark.parametrize("name", NAMES)
def test_compat_is_never_published(name: str) -> None:
    project = tomllib.loads((COMPAT / name / "pyproject.toml").read_text())["project"]
    assert "Private :: Do Not Upload" in project["classifiers"]
    assert project["name"] == f"xpstore-{name}"


@pytest.mark.parametrize("name", NAMES)
def test_wheel_has_every_module(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(COMPAT / name)]
    subprocess.run(command, check=True, capture_output=True, timeout=200)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {path for path in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in path}
    there = {str(path.relative_to(COMPAT / name)) for path in (COMPAT / name / name).rglob("*") if path.is_file()}
    assert packed == {path for path in there if "__pycache__" not in path}
