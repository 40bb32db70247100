"""Groups of models: counts, smallest, largest, mean and spread, as Python's own statistics has them."""

import math
import random
import statistics
from collections import defaultdict
from fractions import Fraction
from typing import Any

import pytest

from support.search.asking import aggregate, value_of
from xpstore import errors
from xpstore.client import Client
from xpstore.experiment import Experiment
from xpstore.project import Project
from xpstore_server.core import limits


@pytest.fixture
def experiment(project: Project) -> Experiment:
    return project.experiment("e")


def told(answer: Any) -> list[tuple[Any, ...]]:
    return [
        (
            *(value_of(key) for key in group.keys),
            group.model_count,
            *((one.count, one.min, one.max, one.mean, one.deviation) for one in group.aggregates),
        )
        for group in answer.groups
    ]


def test_groups_are_of_equal_values(experiment: Experiment) -> None:
    configs: list[dict[str, Any]] = [
        {"a": 1, "x": 2},
        {"a": 1.0, "x": 4},
        {"a": "1", "x": 9},
        {"a": True},
        {},
        {"a": 1},
    ]
    for number, config in enumerate(configs):
        experiment.models.create(number, config=config, tags=["t"] * (number % 2))
    answer = aggregate(experiment, group_by=["config.a"], fields=["config.x"])
    none = (0, 0.0, 0.0, 0.0, 0.0)
    assert told(answer) == [
        (1.0, 3, (2, 2.0, 4.0, 3.0, 1.0)),
        ("1", 1, (1, 9.0, 9.0, 9.0, 0.0)),
        (True, 1, none),
        (None, 1, none),
    ]
    assert (answer.group_count, answer.model_count) == (4, 6)
    assert told(aggregate(experiment, group_by=["tags"])) == [(["t"], 3), (None, 3)]
    assert told(aggregate(experiment, filter="config.x > 3", fields=["config.x"])) == [(2, (2, 4.0, 9.0, 6.5, 2.5))]
    assert told(aggregate(experiment)) == [(6,)]
    empty = aggregate(experiment, filter="hash = 'none'", group_by=["hash"])
    assert (told(empty), empty.group_count, empty.model_count) == ([], 0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_statistics(seed: int, experiment: Experiment, client: Client) -> None:
    draw = random.Random(seed)
    expected = defaultdict[tuple[Any, ...], list[tuple[float | None, float]]](list)
    for number in range(120):
        # Large and near each other: sums of squares would lose all that differs.
        x = None if draw.random() < 0.2 else 1e9 + draw.random() if seed else draw.choice([1.7e308, -1.7e308, 1e-300])
        key = (draw.choice(["a", "b", "c"]), draw.choice([1.0, 2.0]))
        config = {"k": key[0], "n": key[1], **({} if x is None else {"x": x})}
        model = experiment.models.create(number, config=config)
        model.metrics.log("m", float(number))
        expected[key].append((x, float(number)))
    client.flush(60)
    found = aggregate(experiment, group_by=["config.k", "config.n"], fields=["config.x", "metrics.m.last"])
    assert {tuple(map(value_of, group.keys)) for group in found.groups} == expected.keys()
    assert [group.model_count for group in found.groups] == sorted(map(len, expected.values()), reverse=True)
    for group in found.groups:
        rows = expected[tuple(map(value_of, group.keys))]
        for one, numbers in zip(group.aggregates, zip(*rows, strict=True), strict=True):
            there = [number for number in numbers if number is not None]
            assert (one.count, one.min, one.max) == (len(there), min(there), max(there))
            scale, exact = max(map(abs, there)), [Fraction(number) for number in there]
            assert math.isclose(one.mean / scale, float(statistics.mean(exact) / Fraction(scale)), abs_tol=1e-15)
            spread = float(statistics.pstdev(exact))
            assert math.isclose(one.deviation, spread, rel_tol=1e-6, abs_tol=1e-9), (one.deviation, spread)


def test_largest_groups_come_and_the_others_are_counted(experiment: Experiment, project: Project) -> None:
    for number in range(1_100):
        experiment.models.create(number, config={"x": max(number, 90)})
    answer = aggregate(project, group_by=["config.x"])
    assert (len(answer.groups), answer.group_count, answer.model_count) == (limits.GROUPS, 1_010, 1_100)
    assert told(answer)[:3] == [(90.0, 91), (91.0, 1), (92.0, 1)]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"group_by": ["nme"]}, "group_by[0]"),
        ({"fields": ["config.a", "config"]}, "fields[1]"),
        ({"group_by": ["hash"] * 9}, "group_by"),
        ({"fields": ["step"] * 9}, "fields"),
        ({"filter": "hash ="}, "filter"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, Any], field: str, experiment: Experiment) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        aggregate(experiment, **asked)
    assert caught.value.metadata["field"] == field


def test_groups_of_heavy_values_come_as_far_as_a_message_takes_them(experiment: Experiment) -> None:
    for number in range(400):
        experiment.models.create(number, config={f"k{place}": f"{number:03}" + "x" * 990 for place in range(8)})
    answer = aggregate(experiment, group_by=[f"config.k{place}" for place in range(8)])
    assert answer.ByteSize() < 2 << 20 and 200 < len(answer.groups) < 400 == answer.group_count
