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
        *("id", "hash", "name", "step", "status", "created_at", "tags"),
        *("config.lr", "config.net.width", "config.net.layers"),
        *("modules.optimizer.lr", "modules.optimizer.name"),
        *("metrics.note", "metrics.loss[train]", "metrics.val/acc"),
    ]
    assert list(table["hash"]) == ["b", "a"]
    row = table.iloc[1]
    assert (row["id"], row["name"], row["step"], row["status"], row["tags"]) == (first.id, "first", 3, None, ["t"])
    assert row["created_at"].to_pydatetime() == first.created_at
    assert (row["config.net.width"], row["config.net.layers"]) == (8, [1, 2])
    assert (row["modules.optimizer.lr"], row["modules.optimizer.name"]) == (2, "adam")
    assert (row["metrics.loss[train]"], row["metrics.val/acc"]) == (0.5, 7)
    assert table.iloc[0]["metrics.note"] == {"any": "JSON"}
    assert table.isna().iloc[0]["metrics.val/acc"]


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
