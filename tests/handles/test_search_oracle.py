"""Search: random filters and orders over random models, and what they mean in Python."""

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from support.search.oracle import EPOCH, Known, Writer
from support.search.searching import FILTERS, hashes
from support.services import Server
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.model import Model
from xpstore.project import Project


@pytest.fixture(scope="module")
def population(server: Server) -> Iterator[tuple[Project, list[Known]]]:
    """Many models with whatever a model may hold, and what was said about each."""
    client = Client(server.api_key, server.address)
    project = client.project(new_id())
    experiment = project.experiment("e")
    chance = random.Random(20_261_122)
    for number in range(60):
        experiment.models.create(f"{chance.choice('abÄ☃')}-{number}", **own(chance))
    made = [(model, say(chance, model)) for model in experiment.models.list()]
    yield project, [known(Model.get_by_id(model.id, client=client), *said) for model, said in made]
    client.close()


TEXTS = ("a", "b", "B", "aa", "it's", '"', "100%", "a_b", "x\\y", "ü", "☃ 🎉", "", "[a-z]*?", "a\nb", "true", "1")
SCALARS = (*TEXTS, None, True, False, 0, 1, 1.0, -1, 0.5, 1e300, 2**53, 2**53 + 1, 10**30, -0.0)


def own(chance: random.Random) -> dict[str, Any]:
    config: dict[str, Any] = {
        "lr": chance.choice((0.1, 0.01, 0.001, 1)),
        "mixed": chance.choice(SCALARS),
        "net": chance.choice(({"width": chance.choice((8, 16, "wide")), "layers": [1, chance.choice(SCALARS)]}, 5, [])),
        "a.b": chance.choice(SCALARS),
        "a": {"b": chance.choice(SCALARS)},
    }
    names = [text for text in TEXTS if text and text.isprintable()]
    return {
        "name": chance.choice((None, *names)),
        "description": chance.choice((None, *TEXTS)),
        "tags": chance.sample(names, chance.choice((0, 0, 1, 2))),
        "config": {key: value for key, value in config.items() if chance.random() < 0.7},
    }


def say(chance: random.Random, model: Model) -> tuple[dict[str, Any], list[Any]]:
    """Logs modules, points and runs; returns the newest modules and all points."""
    modules: dict[str, Any] = {}
    for _ in range(chance.choice((0, 1, 3))):
        name = chance.choice(("optimizer", "data set"))
        modules[name] = {"lr": chance.choice(SCALARS), "name": chance.choice(TEXTS), "it's": chance.choice(SCALARS)}
        model.modules.log(name, modules[name])
    points: list[Any] = []
    for _ in range(chance.choice((0, 2, 6))):
        name, phase = chance.choice(("loss", "val/acc", "note")), chance.choice((None, "train", "test"))
        value = chance.choice((0, 1, 0.5, -2.5, 7, float("nan"), float("inf"), True, "text"))
        model.metrics.log(name, value, phase=phase)
        points.append((name, phase, value))
    if chance.random() < 0.5:
        model.step = chance.randint(0, 5)
    for fails in chance.choice(((), (), (True,), (False,), (True, False))):
        try:
            with model.run():
                1 / (0 if fails else 1)
        except ZeroDivisionError:
            pass
    return modules, points


def known(model: Model, modules: dict[str, Any], points: list[Any]) -> Known:
    wire = model._wire
    created, updated = (EPOCH + timedelta(microseconds=us) for us in (wire.created_at_us, wire.updated_at_us))
    return Known(
        **{name: getattr(model, name) for name in ("hash", "name", "description", "step", "status", "config")},
        created_at=created,
        updated_at=updated,
        tags=model.tags.list(),
        modules=modules,
        points=points,
    )


def test_random_filters_and_orders_agree_with_python(population: tuple[Project, list[Known]]) -> None:
    """Those that find some but not all models are most.

    XPSTORE_TEST_FILTERS says how many: 150 by default, 3,000 in `make chaos`.
    """
    project, models = population
    parents = (project, project.experiment("e"))
    telling = 0
    for seed in range(FILTERS):
        writer = Writer(seed, models)
        (filter, holds), (order_by, ordered) = writer.filter(), writer.order()
        expected = [known.hash for known in ordered([known for known in models if holds(known)])]
        found = hashes(parents[seed % 2], filter, order_by)
        assert found == expected, f"seed {seed}: {filter!r}, {order_by!r}"
        telling += 0 < len(expected) < len(models)
    assert telling > FILTERS / 2
