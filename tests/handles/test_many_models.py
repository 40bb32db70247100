"""`create_many`: dictionaries become models, a hundred in a call; what is too much is logged after it."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpstore
from xpstore import errors
from xpstore._offline.sync import sync as send
from xpstore.experiment import Experiment
from xpstore.model import config_hash

pytestmark = pytest.mark.client


def test_dictionaries_become_models_in_their_order(experiment: Experiment) -> None:
    at = datetime(2020, 1, 2, tzinfo=UTC)
    models = experiment.models.create_many(
        {
            "config": {"lr": number},
            "name": f"m{number}",
            "tags": ["sweep"],
            "created_at": at,
            "modules": {"optimizer": {"kind": "sgd", "momentum": 0.9}, "net": None},
            "metrics": [("loss", iter([0, 1]), (value for value in (0.5, 0.25)), "train"), ("n", None, np.arange(2))],
        }
        for number in range(230)
    )
    assert [model.config for model in models] == [{"lr": number} for number in range(230)]
    model = models[205]
    assert (model.hash, model.name, model.created_at) == (config_hash({"lr": 205}), "m205", at)
    assert [(one.name, one.attributes) for one in model.modules.list()] == [
        ("optimizer", {"kind": "sgd", "momentum": 0.9}),
        ("net", {}),
    ]
    assert [(one.name, one.value, one.step, one.phase) for one in model.metrics.list()] == [
        ("loss", 0.5, 0, "train"),
        ("loss", 0.25, 1, "train"),
        ("n", 0, None, None),
        ("n", 1, None, None),
    ]
    assert list(experiment.models.search('config.lr = 205 and modules.optimizer.kind = "sgd"')) == [model]
    assert experiment.models.create_many([]) == []
    assert len({model.hash for model in experiment.models.create_many([{}, {}])}) == 2  # random ones


def test_what_is_too_much_for_a_call_is_logged_after_it(client: xpstore.Client, experiment: Experiment) -> None:
    many = {f"module {number}": {"at": number} for number in range(130)}
    (model,) = experiment.models.create_many(
        [
            {
                "hash": "h",
                "modules": many,
                "metrics": [
                    ("small", None, [1.5]),
                    ("exact", None, [1 << 70, True]),  # no column can say these
                    ("long", range(100_000), np.arange(100_000)),
                    ("last", None, [2.5]),
                ],
            }
        ]
    )
    assert {one.name: one.attributes for one in model.modules.list()} == many
    assert [one.value for one in model.metrics.list("exact")] == [1 << 70, True]
    assert (model.metrics.read("long").values == np.arange(100_000)).all()
    assert model.metrics.last("last").value == 2.5  # type: ignore[union-attr]
    assert client.dropped_count == 0


@pytest.mark.parametrize(
    "bad, said",
    [
        ({"config": {"lr": float("nan")}}, "models[101].config"),
        ({"tags": [""]}, "models[101].tags"),
        ({"hash": ""}, "models[101].hash"),
        ({"colour": "red"}, "models[101].colour"),
        ({"modules": [1]}, "models[101].modules"),
        ({"modules": {"": {}}}, "models[101].modules"),
        ({"metrics": {"loss": 1}}, "models[101].metrics"),
        ({"metrics": [("loss", [1, 2])]}, "models[101].metrics[0]"),
        ({"metrics": [("loss", [1], [0.5, 0.25])]}, "models[101].metrics[0].steps"),
        ({"metrics": [("loss", None, ["a"])]}, "models[101].metrics[0].values[0]"),
        ("no dictionary", "models[101]"),
    ],
)
def test_malformed_dictionary_is_named_by_its_position_and_nothing_is_sent(
    experiment: Experiment, bad: Any, said: str
) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        experiment.models.create_many([*({"hash": number} for number in range(101)), bad])
    assert str(caught.value).startswith(said) and caught.value.metadata["field"] == said
    assert experiment.models.list() == []


def test_taken_hash_is_named_by_its_position_among_all(experiment: Experiment) -> None:
    experiment.models.create("taken")
    wanted = [{"hash": f"h{number}"} for number in range(150)]
    wanted[120] = {"hash": "taken"}
    with pytest.raises(errors.AlreadyExists, match=r"models\[120\]: .*'taken'") as caught:
        experiment.models.create_many(wanted)
    assert caught.value.metadata["field"] == "models[120].hash"
    assert len(experiment.models.list()) == 101  # the first call's, as is said


def test_what_is_there_stays_as_it_is(experiment: Experiment, caplog: pytest.LogCaptureFixture) -> None:
    there = experiment.model("h1", config={"lr": 1})
    with caplog.at_level(logging.WARNING, logger="xpstore"):
        models = experiment.models.create_many(
            [
                {"hash": "h0", "metrics": [("loss", None, [1])]},
                {"hash": "h1", "config": {"lr": 2}, "metrics": [("loss", None, [1 << 70])], "modules": {"m": {}}},
            ],
            allow_existing=True,
        )
        experiment.models.create_many([{"hash": "h1"}], allow_existing=True)  # says nothing of a config
    assert models[1] == there and there.config == {"lr": 1}
    assert (there.metrics.list(), there.modules.list()) == ([], [])
    assert [record.getMessage() for record in caplog.records] == [
        "Model 'h1' keeps the config it was made with: lr is 1, given 2."
    ]


def test_offline_all_waits_in_the_spool_and_is_sent_later(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path))
    offline = xpstore.Client(server.api_key, server.address, offline=True)
    models = offline.project("away").experiment("e").models
    made = models.create_many(
        {"hash": number, "config": {"lr": number}, "modules": {"net": {"units": 8}}, "metrics": [("loss", [1], [0.5])]}
        for number in range(3)
    )
    with pytest.raises(errors.AlreadyExists, match=r"models\[1\]: "):
        models.create_many([{"hash": "new"}, {"hash": 2}])
    assert models.create_many([{"hash": 2}], allow_existing=True) == made[2:]
    offline.close()
    online = xpstore.Client(server.api_key, server.address)
    assert send(online).dropped == 0
    sent = online.project("away").experiment("e").models.list()
    assert {model.hash for model in sent} == {"0", "1", "2"}  # nothing was logged of the other
    model = next(model for model in sent if model.hash == "2")
    assert (model.config, [one.attributes for one in model.modules.list()]) == ({"lr": 2}, [{"units": 8}])
    assert [(one.name, one.value, one.step) for one in model.metrics.list()] == [("loss", 0.5, 1)]
    online.close()
