"""Regular expressions in filters: those of RE2, in bounded time, over a bounded number of values."""

import time
from collections.abc import Iterator

import pytest

import xpstore
from support.backends import sqlite_url
from support.search.asking import aggregate
from support.search.searching import hashes
from support.services import Server
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.experiment import Experiment
from xpstore.project import Project

MOST = 30


@pytest.fixture
def experiment(project: Project) -> Experiment:
    experiment = project.experiment("e")
    for number, text in enumerate(["resnet-50", "ResNet-18", "vit\nlarge", "", "ü☃", "a.b"]):
        name = text if text.isprintable() and text else None
        experiment.models.create(number, name=name, description=text, config={"t": text}, tags=[name or "x", "all"])
    experiment.models.create("none", config={"t": 5})
    return experiment


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ("config.t ~ 'resnet'", ["0"]),
        ("config.t ~ '(?i)resnet-(18|50)$'", ["0", "1"]),
        ("config.t ~ '^vit.large'", []),
        ("config.t ~ '(?s)^vit.large'", ["2"]),
        (r"config.t ~ '\\d{2}'", ["0", "1"]),
        ("config.t ~ '^$'", ["3"]),
        ("config.t ~ '^.☃'", ["4"]),
        (r"config.t ~ '^a\\.b$'", ["5"]),
        ("config.t !~ 'e'", ["3", "4", "5", "none"]),
        ("not config.t ~ 'e'", ["3", "4", "5", "none"]),
        ("name ~ 'net' or name ~ 'b'", ["0", "5"]),
        ("name !~ '[a-z]'", ["4"]),
        ("description ~ ''", ["0", "1", "2", "3", "4", "5"]),
        ("tags ~ '^a' and tags ~ '50'", ["0"]),
        ("hash ~ '^[0-2]$' and created_by ~ '.'", ["0", "1", "2"]),
        ("host ~ '.'", []),
        ("config.no ~ '.'", []),
        ("config.t ~ 'it''s'", []),
    ],
)
def test_expressions_are_those_of_re2(
    experiment: Experiment, project: Project, filter: str, expected: list[str]
) -> None:
    filter = filter.replace("\\\\", "\\")
    assert hashes(experiment, filter) == hashes(project, filter) == expected
    assert hashes(experiment, filter, order_by="config.t, name") == sorted(
        expected, key=hashes(experiment, "", "config.t, name").index
    )


def test_expression_of_a_stranger_takes_no_longer(experiment: Experiment) -> None:
    experiment.models.create("long", config={"t": "a" * 900 + "!"})
    began = time.process_time()
    assert hashes(experiment, "config.t ~ '^(a+)+$'") == []
    assert hashes(experiment, "config.t ~ '(a|aa)+$' and config.t ~ '(.*)(.*)(.*)(.*)b'") == []
    assert time.process_time() - began < 60


def test_many_values_may_match(project: Project) -> None:
    """More than a statement may have parameters of its own."""
    for number in range(300):
        project.experiment("e").models.create(number, config={"t": f"value {number}"})
    assert len(hashes(project, "config.t ~ 'value' and hash ~ '.' and not config.t ~ '7'")) == 300 - 57


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[xpstore.Client]:
    folder = tmp_path_factory.mktemp("small")
    constants = {"core.limits.PATTERN_VALUES": MOST, "core.limits.AGGREGATED_MODELS": MOST}
    url = sqlite_url(folder / "xpstore.db")
    with Server(url, (folder / "blobs").as_uri(), folder, constants=constants) as server:
        client = xpstore.Client(server.api_key, server.address)
        yield client
        client.close()


@pytest.mark.client
def test_too_many_different_values_are_refused_and_not_left_out(small: xpstore.Client) -> None:
    experiment = small.project(new_id()).experiment("e")
    for number in range(MOST):
        experiment.models.create(number, config={"t": str(number), "same": "x"})
    assert len(hashes(experiment, "config.t ~ '.' and config.t ~ '1'")) == 12, "one field is looked at once"
    with pytest.raises(errors.InvalidArgument) as caught:
        hashes(experiment, "config.t ~ '.' and config.same ~ 'x'")
    assert (caught.value.metadata["limit"], caught.value.metadata["expected"]) == ("max_pattern_values", str(MOST))
    experiment.models.create(MOST, config={"t": "more"})
    with pytest.raises(errors.InvalidArgument, match="like"):
        hashes(experiment, "config.t ~ '1'")
    assert len(hashes(experiment, "config.same ~ 'x'")) == MOST


@pytest.mark.client
def test_groups_of_too_many_models_are_refused(small: xpstore.Client) -> None:
    experiment = small.project(new_id()).experiment("e")
    for number in range(MOST + 1):
        experiment.models.create(number)
    with pytest.raises(errors.ResourceExhausted) as caught:
        aggregate(experiment)
    assert (caught.value.metadata["limit"], caught.value.metadata["expected"]) == ("max_aggregated_models", str(MOST))
    assert aggregate(experiment, filter="hash != '0'").model_count == MOST
