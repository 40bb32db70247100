"""XGBoost trains for real: what is logged is what it says, and what it returns is what it returns without us."""

import multiprocessing
from typing import Any

import numpy
import pytest

from integrations.trainers import needs, numbers, train_as_rank
from support.services import Server
from xpstore.model import Model

needs("xgboost")

import xgboost  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402

from xpstore.integrations.xgboost import XGBoostCallback  # noqa: E402

pytestmark = pytest.mark.client

PARAMS = {"objective": "binary:logistic", "eval_metric": ["logloss", "error@0.7"], "nthread": 1, "seed": 1}


@pytest.fixture
def data() -> "xgboost.DMatrix":
    return xgboost.DMatrix(*numbers())


def test_points_are_what_is_evaluated(model: Model, data: "xgboost.DMatrix") -> None:
    seen: dict[str, Any] = {}
    trained = xgboost.train(
        PARAMS, data, 3, evals=[(data, "train")], evals_result=seen, callbacks=[XGBoostCallback(model)]
    )
    xgboost.train(PARAMS, data, 2, evals=[(data, "train")], xgb_model=trained, callbacks=[XGBoostCallback(model)])
    points = model.metrics.read("logloss", "train")
    assert list(points.values[:3]) == seen["train"]["logloss"] and list(points.steps) == [0, 1, 2, 0, 1]
    assert list(model.metrics.read("error@0.7", "train").values[:3]) == seen["train"]["error@0.7"]
    assert model.metrics.names() == ["error@0.7", "logloss"]


@pytest.mark.parametrize("is_first", [True, False])
def test_best_iteration_is_there_whoever_comes_first(
    is_first: bool, model: Model, data: "xgboost.DMatrix", caplog: pytest.LogCaptureFixture
) -> None:
    x, y = numbers()
    other = xgboost.DMatrix(x, 1 - y)  # it gets worse at once
    callbacks: list[Any] = [xgboost.callback.EarlyStopping(rounds=2), XGBoostCallback(model)]
    booster = xgboost.train(
        PARAMS, data, 50, evals=[(other, "test")], callbacks=callbacks[:: -1 if is_first else 1], verbose_eval=False
    )
    best, score = model.metrics.last("best_iteration"), model.metrics.last("best_score")
    assert best is not None and score is not None
    assert (best.value, score.value) == (booster.best_iteration, booster.best_score)
    assert not caplog.messages


def test_cross_validation_has_mean_and_deviation(
    model: Model, data: "xgboost.DMatrix", caplog: pytest.LogCaptureFixture
) -> None:
    options: Any = {"num_boost_round": 4, "nfold": 3, "early_stopping_rounds": 2, "seed": 1}
    without = xgboost.cv(PARAMS, data, **options)
    found = xgboost.cv(PARAMS, data, **options, callbacks=[XGBoostCallback(model)])
    assert found.equals(without)
    count = len(found)
    assert list(model.metrics.read("logloss", "test").values[:count]) == list(found["test-logloss-mean"])
    assert list(model.metrics.read("logloss std", "test").values[:count]) == list(found["test-logloss-std"])
    best = model.metrics.last("best_iteration")
    assert best is not None and best.value == count - 1
    assert not caplog.messages


def test_estimators_are_cloned_with_it_and_sent_to_processes(model: Model) -> None:
    x, y = numbers()

    def scores(callbacks: list[Any]) -> Any:
        estimator = xgboost.XGBClassifier(n_estimators=3, n_jobs=1, random_state=1, callbacks=callbacks)
        return cross_val_score(estimator, x, y, cv=2, n_jobs=4)

    assert numpy.array_equal(scores([XGBoostCallback(model)]), scores([]))


def test_interrupt_goes_through(model: Model, data: "xgboost.DMatrix", monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(model.metrics, "log", interrupt)
    with pytest.raises(KeyboardInterrupt):
        xgboost.train(PARAMS, data, 2, evals=[(data, "train")], callbacks=[XGBoostCallback(model)])


def test_ranks_that_train_one_booster_log_it_once(
    model: Model, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XPSTORE_API_KEY", server.api_key)
    tracker = xgboost.tracker.RabitTracker(host_ip="127.0.0.1", n_workers=2)
    tracker.start()
    spawn = multiprocessing.get_context("spawn")
    found: Any = spawn.Queue()
    ranks = [
        spawn.Process(target=train_as_rank, args=(rank, tracker.worker_args(), found, PARAMS, model))
        for rank in range(2)
    ]
    for one in ranks:
        one.start()
    assert [found.get(timeout=100) for _ in ranks] == [True, True]
    for one in ranks:
        one.join(60)
    tracker.wait_for(60)
    assert [one.exitcode for one in ranks] == [0, 0]
    assert list(model.metrics.read("logloss", "train").steps) == [0, 1, 2]
