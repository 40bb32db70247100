"""Fixtures of the tests of handles."""

import pytest

from xpstore.experiment import Experiment
from xpstore.project import Project


@pytest.fixture(params=["experiment", "project"])
def parent(request: pytest.FixtureRequest, project: Project, experiment: Experiment) -> Experiment | Project:
    """What is searched. Models of a small experiment are looked at one by one, those of a project through indexes."""
    return experiment if request.param == "experiment" else project
