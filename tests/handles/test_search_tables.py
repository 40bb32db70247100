"""Search: tables to compare models by."""

import sys
from collections.abc import Callable
from typing import Any

import pytest

from xpstore.client import Client
from xpstore.experiment import Experiment


def test_table_has_a_row_for_each_model_and_a_column_for_all_that_they_hold(experiment: Experiment) -> None:
    first = experiment.model("a", "first", config={"lr": 0.1, "net": {"width": 8, "layers": [1, 2]}}, tags=["t"])
    first.modules.log("optimizer", {"lr": 1})
    first.modules.log("optimizer", {"lr": 2, "name": "adam"})
    for value in (1.0, 0.5):
        first.metrics.log("loss", value, phase="train")
    first.metrics.log("val/acc", 7)
    first.step = 3
    second = experiment.model("b", config={"lr": 0.2})
    second.metrics.log("note", {"any": "JSON"})
    table = experiment.models.to_pandas("config.lr > 0", order_by="config.lr desc")
    assert list(table.columns) == [
        *("id", "hash", "name", "step", "last_step", "status", "created_at", "tags"),
        *("config.lr", "config.net.width", "config.net.layers"),
        *("modules.optimizer.lr", "modules.optimizer.name"),
        *("metrics.note", "metrics.loss[train]", "metrics.loss[train].min", "metrics.loss[train].max"),
        *('metrics."val/acc"', 'metrics."val/acc".min', 'metrics."val/acc".max'),
    ]
    assert list(table["hash"]) == ["b", "a"]
    row = table.iloc[1]
    assert (row["id"], row["name"], row["step"], row["status"], row["tags"]) == (first.id, "first", 3, None, ["t"])
    assert row["created_at"].to_pydatetime() == first.created_at
    assert (row["config.net.width"], row["config.net.layers"]) == (8, [1, 2])
    assert (row["modules.optimizer.lr"], row["modules.optimizer.name"]) == (2, "adam")
    assert (row["metrics.loss[train]"], row['metrics."val/acc"']) == (0.5, 7)
    assert table.iloc[0]["metrics.note"] == {"any": "JSON"}
    assert table.isna().iloc[0]['metrics."val/acc"']


def test_columns_of_names_with_dots_stay_apart(experiment: Experiment) -> None:
    config = {"a.b": 1, "a": {"b": 2, "empty": {}}, 'q"': 3, "": 4, "ü": 5}
    model = experiment.model("h", config=config)
    model.modules.log("net.layer", {"size": 1})
    model.modules.log("net", {"layer": {"size": 2}, "layer.size": 3})
    model.metrics.log("loss[test]", 1.0)
    model.metrics.log("loss", 2.0, phase="test")
    model.metrics.log("loss", 3.0, phase="test.max")
    model.metrics.log("loss.max", 4.0)
    table = experiment.models.to_pandas()
    row = dict(table.iloc[0])
    assert {name: row[name] for name in row if name.startswith("config")} == {
        'config."a.b"': 1,
        "config.a.b": 2,
        "config.a.empty": {},
        'config."q"""': 3,
        'config.""': 4,
        "config.ü": 5,
    }
    assert {name: row[name] for name in row if name.startswith("modules")} == {
        'modules."net.layer".size': 1,
        "modules.net.layer.size": 2,
        'modules.net."layer.size"': 3,
    }
    assert {name: row[name] for name in row if name.startswith("metrics") and not name.endswith((".min", ".max"))} == {
        'metrics."loss[test]"': 1.0,
        "metrics.loss[test]": 2.0,
        'metrics.loss["test.max"]': 3.0,
        'metrics."loss.max"': 4.0,
    }
    assert len(set(table.columns)) == len(table.columns)


@pytest.mark.parametrize("column", ['config."a.b"', "config.a.b", 'modules."x y"."z/"', 'metrics."val/acc"[test].max'])
def test_name_of_a_column_is_a_field_to_search_by(experiment: Experiment, column: str) -> None:
    model = experiment.model("h", config={"a.b": 1, "a": {"b": 2}})
    model.modules.log("x y", {"z/": 3})
    model.metrics.log("val/acc", 4.0, phase="test")
    (value,) = experiment.models.to_pandas()[column]
    assert list(experiment.models.search(f"{column} = {value}")) == [model]
    assert list(experiment.models.search(f"{column} != {value}")) == []


def test_table_shows_what_it_is_ordered_by(experiment: Experiment) -> None:
    for hash_, values in (("a", [0.9, 0.7]), ("b", [0.95, 0.6]), ("c", [])):
        model = experiment.model(hash_)
        for step, value in enumerate(values):
            model.metrics.log("acc", value, step, "train" if step else "test")
            model.metrics.log("one", value)
    ordered = experiment.models.to_pandas(order_by="metrics.acc.max desc")
    assert list(ordered["hash"]) == ["b", "a", "c"]
    assert list(ordered["metrics.acc.max"])[:2] == [0.95, 0.9]
    assert list(ordered["metrics.acc[train]"])[:2] == [0.6, 0.7]
    assert list(ordered["metrics.one.max"])[:2] == [0.95, 0.9]
    assert list(ordered["metrics.one.min"])[:2] == [0.6, 0.7]
    by_last = experiment.models.to_pandas(order_by="metrics.'acc' . last")
    assert list(by_last["metrics.acc.last"])[:2] == [0.6, 0.7]
    assert "metrics.acc.max" not in by_last


def test_numbers_of_a_table_are_exact(experiment: Experiment) -> None:
    for hash_, config in (("a", {"seed": 2**63 - 1, "n": 1}), ("b", {"n": 2}), ("c", {"seed": 0.5, "big": 2**70})):
        experiment.model(hash_, config=config)
    table = experiment.models.to_pandas()
    assert table["config.seed"][0] == 2**63 - 1 and isinstance(table["config.seed"][0], int)
    assert table["config.big"][2] == 2**70
    assert table["config.seed"].isna().tolist() == [False, True, False]


def test_last_step_is_that_of_the_newest_points(experiment: Experiment) -> None:
    first, second = experiment.model("a"), experiment.model("b")
    assert [first.last_step] == [None]
    for step in range(10):
        first.metrics.log("loss", 1.0, step)
    first.metrics.log("note", "x")
    first.metrics.log("loss", 1.0, 4, "test")
    assert [first.last_step, first.step] == [9, 0]
    table = experiment.models.to_pandas()
    assert list(table["last_step"].isna()) == [False, True] and table["last_step"][0] == 9
    assert table["last_step"].dtype == "Int64"
    first.rewind(3)
    assert [first.last_step, second.last_step] == [3, None]


def test_table_of_no_models_has_its_columns(experiment: Experiment) -> None:
    table = experiment.models.to_pandas()
    assert len(table) == 0 and list(table.columns)[:2] == ["id", "hash"]


def test_table_asks_for_many_models_at_once(
    client: Client, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(120):
        experiment.model(number, config={"n": number})
    calls: list[Any] = []
    call: Callable[..., Any] = client.call

    def counted(method: Any, request: Any, **options: Any) -> Any:
        calls.append(request)
        return call(method, request, **options)

    monkeypatch.setattr(client, "call", counted)
    assert len(experiment.models.to_pandas(limit=110)) == 110
    assert len(calls) <= 10


def test_table_without_pandas_says_what_is_missing(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        experiment.models.to_pandas()
