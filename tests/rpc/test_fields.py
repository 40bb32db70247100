"""Which fields there are: types, counts, ranges and first values, of a project and of an experiment."""

import math

import pytest

from support.search.asking import cells, fields_of, scope_of, search, value_of
from xpstore import errors
from xpstore.client import Client
from xpstore.project import Project
from xpstore.v1 import search_pb2


def test_fields_of_configs_modules_and_metrics(project: Project, client: Client) -> None:
    one, two = (project.experiment(name) for name in ("one", "two"))
    model = one.models.create("a", config={"lr": 0.1, "opt": "adam", "flag": True, "net": {"depth": 3}})
    one.models.create("b", config={"lr": 0.01, "opt": "sgd", "flag": False, "mixed": 1})
    other = two.models.create("c", config={"lr": 5, "mixed": "x", "only": "here"})
    model.modules.log("optimizer", {"beta": 0.9})
    for value in (3.0, 1.0, math.nan):
        model.metrics.log("loss", value, phase="test")
    model.metrics.log("loss", 2.0)
    other.metrics.log("loss", 7.0)
    other.metrics.log("words", "seven")
    client.flush(60)

    def told(parent: object) -> dict[str, tuple[object, ...]]:
        found = fields_of(parent)  # type: ignore[arg-type]
        assert not any(one.has_more_values for one in found)
        return {
            one.field: (
                *(one.number_count, one.text_count, one.truth_count),
                *(one.min if one.HasField("min") else None, one.max if one.HasField("max") else None),
                [value_of(value) for value in one.values],
            )
            for one in found
        }

    of_one = {
        "config.flag": (0, 0, 2, None, None, [False, True]),
        "config.lr": (2, 0, 0, 0.01, 0.1, [0.01, 0.1]),
        "config.mixed": (1, 0, 0, 1.0, 1.0, [1.0]),
        "config.net.depth": (1, 0, 0, 3.0, 3.0, [3.0]),
        "config.opt": (0, 2, 0, None, None, ["adam", "sgd"]),
        "modules.optimizer.beta": (1, 0, 0, 0.9, 0.9, [0.9]),
        'metrics.loss[""]': (1, 0, 0, 2.0, 2.0, []),
        "metrics.loss[test]": (0, 0, 0, 1.0, 3.0, []),
    }
    assert told(one) == of_one and list(told(one)) == list(of_one)
    of_all = {
        **of_one,
        "config.lr": (3, 0, 0, 0.01, 5.0, [0.01, 0.1, 5.0]),
        "config.mixed": (1, 1, 0, 1.0, 1.0, [1.0, "x"]),
        "config.only": (0, 1, 0, None, None, ["here"]),
        'metrics.loss[""]': (2, 0, 0, 2.0, 7.0, []),
        'metrics.words[""]': (0, 0, 0, None, None, []),
    }
    assert told(project) == of_all
    assert list(told(project)) == sorted(of_all, key=lambda field: ("config modules metrics".index(field[:6]), field))


def test_text_of_a_field_is_what_a_filter_has(project: Project, client: Client) -> None:
    keys = ["a.b", 'quo"te', "back\\slash", "", "é", "x y", "1", "-", "line\nend", "a.b\\.c", "and", "~"]
    model = project.experiment("e").models.create("h", config={key: {key: 1} for key in keys})
    for key in keys[:3]:
        model.metrics.log(key, 1.0, phase=key)
    client.flush(60)
    found = [one.field for one in fields_of(project)]
    assert len(found) == len(keys) + 3
    columns = [field if field.startswith("config") else f"{field}.last" for field in found]
    assert cells(search(project, *columns)) == [[1.0] * len(columns)]
    for column in columns:
        assert search(project, filter=f"{column} = 1", with_total=True).total_count == 1, column


@pytest.mark.parametrize("parent", ["project", "experiment"])
def test_fields_come_in_pages(parent: str, project: Project, client: Client) -> None:
    experiment = project.experiment("e")
    model = experiment.models.create(
        "h", config={f"k{place:04}": [place, str(place)][place % 2] for place in range(999)}
    )
    for place in range(40):
        model.metrics.log(f"m{place:02}", 1.0, phase=["a", "b"][place % 2])
        model.metrics.log(f"m{place:02}", 1.0)
    client.flush(60)
    where = project if parent == "project" else experiment
    everything = fields_of(where, page_size=1_000)
    assert len(everything) == 999 + 80 and fields_of(where, page_size=400) == everything
    assert [one.field for one in fields_of(where, contains="K000")] == [f"config.k000{place}" for place in range(10)]
    assert [one.field for one in fields_of(where, "m07", 1)] == ['metrics.m07[""]', "metrics.m07[b]"]
    assert fields_of(where, "no such") == []


def test_of_many_different_values_the_first_are_told(project: Project) -> None:
    for number in range(20):
        project.experiment("e").models.create(number, config={"n": number % 13, "t": str(number % 12), "x": number})
    for where in (project, project.experiment("e")):
        found = {one.field: one for one in fields_of(where)}
        assert [value_of(value) for value in found["config.n"].values] == [float(number) for number in range(12)]
        assert found["config.n"].has_more_values and found["config.x"].has_more_values
        assert len(found["config.t"].values) == 12 and not found["config.t"].has_more_values


def test_fields_of_what_is_not_there(project: Project, client: Client) -> None:
    experiment = project.experiment("e")
    assert fields_of(project) == [] == fields_of(experiment)
    model = experiment.models.create("h", config={"a": 1})
    experiment.models.delete(model.id)
    assert fields_of(experiment) == []
    project.experiments.delete(experiment.id)
    with pytest.raises(errors.NotFound):
        fields_of(experiment)


def test_page_of_fields_with_heavy_values_is_cut(project: Project) -> None:
    experiment = project.experiment("e")
    for number in range(12):
        experiment.models.create(number, config={f"k{place:03}": f"{number:03}" + "ü" * 490 for place in range(250)})
    for where in (project, experiment):
        request = search_pb2.ListFieldsRequest(**scope_of(where), page_size=1_000)
        first = project._client.call(project._client.stubs.models.ListFields, request)
        assert first.ByteSize() < 4 << 20 and 0 < len(first.fields) < 250 and first.next_page_token
        assert [one.field for one in fields_of(where, page_size=1_000)] == [
            f"config.k{place:03}" for place in range(250)
        ]
