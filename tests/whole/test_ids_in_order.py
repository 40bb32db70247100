"""Ids of what comes in numbers follow the time, so that rows made together stand together; any UUID is taken."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from xpstore._values.ids import ordered_id
from xpstore.experiment import Experiment
from xpstore.model import Model

pytestmark = pytest.mark.client


def test_ids_of_what_is_logged_are_in_the_order_of_time(experiment: Experiment) -> None:
    models = [experiment.model() for _ in range(5)]
    models += experiment.models.create_many({"config": {"n": number}} for number in range(20))
    modules = [models[0].modules.log("net") for _ in range(5)]
    iterations = [models[0].iterations.create(step) for step in range(3)]
    for made in (models, modules, iterations):
        ids = [one.id for one in made]
        assert ids == sorted(set(ids)) and {one.version for one in ids} == {7}
    assert [one.id for one in models[0].modules.list()] == [one.id for one in modules]
    assert len({model.display_name for model in models}) > 20  # of the random end


def test_id_says_when_it_was_made_and_nobody_else_makes_it() -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: uuid.UUID(ordered_id()), range(2_000)))
    later = uuid.UUID(ordered_id())
    assert len(set(made)) == 2_000 and max(made) < later
    assert {(one.version, one.variant) for one in made} == {(7, uuid.RFC_4122)}
    at_ms = [one.int >> 80 for one in made]
    assert max(at_ms) - min(at_ms) < 60_000 and min(at_ms) > 1_700_000_000_000
    assert len({one.int & (1 << 62) - 1 for one in made}) == 2_000


def test_model_of_a_random_id_is_among_the_others(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    """As clients in other languages make them, and older ones of this."""
    first = experiment.model("first")
    with monkeypatch.context() as patched:
        patched.setattr("xpstore.model.ordered_id", lambda: "ffc5d0de-2f0b-4d2b-8f09-6c2c6e0ab1f4")
        other = experiment.model("other")
    last = experiment.model("last")
    for model in (first, other, last):
        model.metrics.log("loss", 0.5)
        model.modules.log("net", {"units": 1})
    assert experiment.models.list() == [first, other, last]
    assert Model.get_by_id(other.id).hash == "other"
    assert list(
        experiment.models.search("modules.net.units = 1 and metrics.loss.last = 0.5", order_by="created_at")
    ) == [
        first,
        other,
        last,
    ]
