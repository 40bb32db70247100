"""LightGBM trains for real: what is logged is what it says, and what it returns is what it returns without us."""

from typing import Any, NamedTuple

import numpy
import pytest

from integrations.trainers import needs, numbers
from xpstore.model import Model

needs("lightgbm")

import lightgbm  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402

from xpstore.integrations.lightgbm import LightGBMCallback  # noqa: E402

pytestmark = pytest.mark.client

PARAMS = {"objective": "binary", "metric": ["binary_logloss", "auc"], "verbose": -1, "num_threads": 1, "seed": 1}


def dataset() -> "lightgbm.Dataset":
    return lightgbm.Dataset(*numbers(), free_raw_data=False)


def test_points_are_what_is_evaluated(model: Model) -> None:
    seen: dict[str, Any] = {}
    data = dataset()
    watch = [LightGBMCallback(model), lightgbm.record_evaluation(seen)]
    trained = lightgbm.train(PARAMS, data, 3, valid_sets=[data], valid_names=["test"], callbacks=watch)
    lightgbm.train(
        PARAMS, dataset(), 2, valid_sets=[data], valid_names=["test"], init_model=trained, callbacks=watch[:1]
    )
    points = model.metrics.read("binary_logloss", "test")
    assert list(points.values[:3]) == seen["test"]["binary_logloss"] and list(points.steps) == [0, 1, 2, 3, 4]
    assert model.metrics.names() == ["auc", "binary_logloss"]


def test_last_iteration_is_logged_where_training_stops_early(model: Model) -> None:
    x, y = numbers()
    data = dataset()
    other = lightgbm.Dataset(x, 1 - y, reference=data)  # it gets worse at once
    stop = lightgbm.early_stopping(2, verbose=False)
    booster = lightgbm.train(PARAMS, data, 50, valid_sets=[other], callbacks=[stop, LightGBMCallback(model)])
    assert list(model.metrics.read("auc", "valid_0").steps) == list(range(booster.best_iteration + 2))


def test_cross_validation_has_mean_and_deviation(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    options: Any = {"num_boost_round": 3, "nfold": 3, "seed": 1, "eval_train_metric": True}
    without = lightgbm.cv(PARAMS, dataset(), **options)
    found = lightgbm.cv(PARAMS, dataset(), **options, callbacks=[LightGBMCallback(model)])
    assert found == without
    for phase in ("train", "valid"):
        assert list(model.metrics.read("auc", phase).values) == found[f"{phase} auc-mean"]
        assert list(model.metrics.read("auc std", phase).values) == found[f"{phase} auc-stdv"]
    assert not caplog.messages


class Environment(NamedTuple):
    iteration: int
    evaluation_result_list: Any


def test_results_of_other_versions_are_read_too(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    """Tuples of four, of five, and none at all; nothing else is read of the environment."""
    log = LightGBMCallback(model)
    log(Environment(0, [("valid", "auc", 0.5, True)]))
    log(Environment(1, [("valid", "auc", 0.75, True, 0.125)]))
    log(Environment(2, None))
    log(Environment(3, [("valid", "auc")]))
    assert list(model.metrics.read("auc", "valid").values) == [0.5, 0.75]
    assert list(model.metrics.read("auc std", "valid").values) == [0.125]
    assert len(caplog.messages) == 1 and "ValueError" in caplog.messages[0]


def test_estimators_take_it_in_four_jobs(model: Model) -> None:
    x, y = numbers()

    def scores(callbacks: list[Any]) -> Any:
        estimator = lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, random_state=1, verbose=-1)
        fit = {"eval_set": [(x, y)], "callbacks": callbacks}
        return cross_val_score(estimator, x, y, cv=2, n_jobs=4, params=fit)

    assert numpy.array_equal(scores([LightGBMCallback(model)]), scores([]))


def test_interrupt_goes_through(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(model.metrics, "log", interrupt)
    data = dataset()
    with pytest.raises(KeyboardInterrupt):
        lightgbm.train(PARAMS, data, 2, valid_sets=[data], callbacks=[LightGBMCallback(model)])
