"""Fixtures of the tests of what notebooks show."""

import pytest

from xpstore.experiment import Experiment
from xpstore.model import Model
from xpstore.project import Project


@pytest.fixture
def experiment(project: Project) -> Experiment:
    return project.experiment("e")


@pytest.fixture
def model(experiment: Experiment) -> Model:
    return experiment.model("h")
