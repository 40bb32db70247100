"""Search: how models are ordered and paged."""

import base64
import json
import random
from collections import Counter

import pytest

from support.search.searching import hashes, page_of
from xpstore import errors
from xpstore.client import Client
from xpstore.experiment import Experiment
from xpstore.project import Project


def test_models_without_a_value_come_last_in_either_direction(
    experiment: Experiment, parent: Experiment | Project
) -> None:
    for number, value in enumerate((2, None, 1, 2, "a", True, None, "b", False)):
        model = experiment.model(str(number), None if value is None else str(value), config={"value": value})
        if isinstance(value, int) and not isinstance(value, bool):
            model.metrics.log("loss", value)
    assert hashes(parent, order_by="metrics.loss.last") == list("203145678")
    assert hashes(parent, order_by="metrics.loss.last desc, step ASC") == list("032145678")
    assert hashes(parent, order_by="config.value") == list("203478516")
    assert hashes(parent, order_by="config.value desc") == list("032745816")


def test_pages_neither_skip_nor_repeat_while_models_come_and_go(
    client: Client, experiment: Experiment, parent: Experiment | Project
) -> None:
    chance = random.Random(7)
    values = [chance.choice((None, 1, 2, 3, "a", "b", True)) for _ in range(40)]
    made = [experiment.model(str(number), config={"value": value}) for number, value in enumerate(values)]
    for order in ("config.value", "config.value desc, hash desc", "hash", ""):
        expected = [hash_ for hash_ in hashes(parent, order_by=order) if hash_.isdigit()]
        found: list[str] = []
        token = ""
        for number in range(100):
            page = page_of(client, parent, order_by=order, page_size=3, page_token=token)
            found += [model.hash for model in page.models]
            token = page.next_page_token
            if not token:
                break
            assert len(page.models) == 3
            experiment.model(f"new {order} {number}", config={"value": chance.choice((None, 0, 2, "aa", False))})
        assert [hash_ for hash_ in found if hash_.isdigit()] == expected
        assert max(Counter(found).values()) == 1
        experiment.models.delete(made.pop().id)


def test_token_of_another_search_is_refused(
    client: Client, experiment: Experiment, parent: Experiment | Project
) -> None:
    for number in range(3):
        experiment.model(number, config={"value": number})
    fields = {"filter": "config.value >= 0", "order_by": "config.value", "page_size": 1}
    token = page_of(client, parent, **fields).next_page_token
    assert page_of(client, parent, **fields, page_token=token).models[0].hash == "1"
    for other in ({"filter": "config.value > 0"}, {"order_by": "config.value desc"}, {"page_token": token + "AAAA"}):
        with pytest.raises(errors.InvalidArgument) as caught:
            page_of(client, parent, **{**fields, "page_token": token, **other})
        assert caught.value.metadata["field"] == "page_token"


def test_forged_key_is_refused(client: Client, experiment: Experiment, parent: Experiment | Project) -> None:
    for number in range(3):
        experiment.model(number, config={"value": number})
    token = page_of(client, parent, order_by="config.value", page_size=1).next_page_token
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[:9] + json.dumps([0, "1", 5, "x"]).encode()
    with pytest.raises(errors.InvalidArgument) as caught:
        page_of(client, parent, order_by="config.value", page_token=base64.urlsafe_b64encode(raw).decode())
    assert caught.value.metadata["field"] == "page_token"


def test_pages_of_heavy_models_stay_within_a_message(experiment: Experiment, parent: Experiment | Project) -> None:
    text = "ü" * 450_000
    made = [experiment.models.create(number, config={"text": text, "n": -number}) for number in range(6)]
    assert list(parent.models.search("config.text like 'ü%'", order_by="config.n desc")) == made


def test_long_keys_make_tokens_that_come_back(
    client: Client, experiment: Experiment, parent: Experiment | Project
) -> None:
    long = [f"{'☃' * 1_020}{number}" for number in range(3)]
    for hash_ in reversed(long):
        experiment.model(hash_, hash_[-256:], config={"text": hash_})
    order = ", ".join(["hash", "config.text", "name"] + ["hash desc"] * 5)
    assert hashes(parent, order_by=order) == long
    token = page_of(client, parent, order_by=order, page_size=1).next_page_token
    assert [model.hash for model in page_of(client, parent, order_by=order, page_token=token).models] == long[1:]
