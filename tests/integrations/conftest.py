"""Fixtures of the tests of xpstore.integrations."""

from pathlib import Path

import pytest

from xpstore.experiment import Experiment
from xpstore.model import Model
from xpstore.project import Project


@pytest.fixture(autouse=True)
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spool of its own for each test, also for the programs it starts."""
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path / "spool"))
    return tmp_path / "spool"


@pytest.fixture
def experiment(project: Project) -> Experiment:
    return project.experiment("e")


@pytest.fixture
def model(experiment: Experiment) -> Model:
    return experiment.model("h")
