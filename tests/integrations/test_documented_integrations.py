"""The blocks of docs/integrations.md run as they stand, each where its framework is installed."""

import importlib.util
import re
from pathlib import Path

import pytest

from integrations.trainers import numbers
from xpstore.experiment import Experiment
from xpstore.project import Project

pytestmark = pytest.mark.client

PAGE = Path(__file__).parents[2] / "docs" / "integrations.md"
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.S | re.M))
BLOCKS = {name: block for name, text in SECTIONS.items() for block in re.findall(r"```python\n(.*?)```", text, re.S)}
# What is there afterwards: experiment, name of a metric, phase, and how many points of it all models have.
LOGGED = {
    "scikit-learn": ("iris", "split_test_score", None, 6),
    "XGBoost": ("iris", "logloss", "train", 10),
    "LightGBM": ("iris", "binary_logloss", "train", 10),
    "Keras 3": ("iris", "loss", "validation", 3),
    "Optuna": ("parabola", "value", None, 8),
    "TensorBoard": ("runs", "loss", "train", 3),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_documented_block_runs(name: str, project: Project, caplog: pytest.LogCaptureFixture) -> None:
    for package in re.findall(r"^import (\w+)", BLOCKS[name], re.M):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: make integrations")
    experiment, (x, y) = project.experiment("iris"), numbers()
    exec(BLOCKS[name], {"project": project, "experiment": experiment, "X": x, "y": y})
    where, metric, phase, count = LOGGED[name]
    assert logged(project.experiment(where), metric, phase) == count
    assert not caplog.messages


def logged(experiment: Experiment, metric: str, phase: str | None) -> int:
    models = [model for model in experiment.models.list() if metric in model.metrics.names()]
    return sum(len(model.metrics.read(metric, phase)) for model in models)


def test_every_section_of_a_framework_has_its_block() -> None:
    assert BLOCKS.keys() == LOGGED.keys() == SECTIONS.keys() - {"Several processes"}
