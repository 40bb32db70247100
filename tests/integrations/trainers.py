"""Trainings of each framework, with and without us: for tests, and as a program.

    python -m integrations.trainers FRAMEWORK KEY ADDRESS PROJECT
    python -m integrations.trainers FRAMEWORK

It prints what the trained model predicts; the second trains without us.
"""

import importlib.util
import json
import os
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy
import pytest

import xpstore
from xpstore.experiment import Experiment
from xpstore.model import Model

os.environ["KERAS_BACKEND"] = "jax"  # read when Keras is loaded
ROUNDS = 4
# Names that others would trip over; the last is longer than the service takes.
ODD_NAMES = ["a name", "a/b\\c", "µ λ 😀", "__proto__", "'\";--", "[train]", "x" * 300]

Numbers = list[float]
# Told "start" when we are ready to log, and "middle" in the midst of training.
At = Callable[[str], None]


def numbers() -> tuple[numpy.ndarray, numpy.ndarray]:
    chance = numpy.random.default_rng(7)
    x = chance.normal(size=(120, 5)).astype("float32")
    return x, (x[:, 0] + x[:, 1] ** 2 > 0.5).astype("int32")


def nowhere(_: str) -> None:
    pass


def train_xgboost(experiment: Experiment | None, at: At = nowhere) -> Numbers:
    import xgboost  # here: it may be missing

    from xpstore.integrations.xgboost import XGBoostCallback  # here: it needs XGBoost

    class Halfway(xgboost.callback.TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, model: object, epoch: int, evals_log: object) -> bool:
            if epoch == ROUNDS // 2:
                at("middle")
            return False

    x, y = numbers()
    data, test = xgboost.DMatrix(x[:80], y[:80]), xgboost.DMatrix(x[80:], y[80:])
    ours = [XGBoostCallback(experiment.model("xgboost"))] if experiment else []
    at("start")
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, "nthread": 1, "seed": 1},
        data,
        ROUNDS,
        evals=[(data, "train"), (test, "x" * 300), (test, "te/st_µ")],
        # XGBoost reads names back from text: a space or a dash is none of its own.
        custom_metric=lambda predicted, data: [(re.sub("[ -]", "_", name), 0.5) for name in ODD_NAMES],
        callbacks=[*ours, Halfway()],
        verbose_eval=False,
    )
    return [float(value) for value in booster.predict(test)]


def train_as_rank(rank: int, access: dict[str, Any], found: Any, params: dict[str, Any], model: Model) -> None:
    """Trains one booster with other processes, without us and with us. Tells whether both predict the same."""
    import xgboost  # here: it may be missing

    from xpstore.integrations.xgboost import XGBoostCallback  # here: it needs XGBoost

    x, y = numbers()
    with xgboost.collective.CommunicatorContext(**access, dmlc_task_id=str(rank)):
        data = xgboost.DMatrix(x[rank::2], y[rank::2])
        predicted = [
            xgboost.train(params, data, 3, evals=[(data, "train")], callbacks=ours, verbose_eval=False).predict(data)
            for ours in ([], [XGBoostCallback(model)])
        ]
    model._client.flush(60)
    found.put(bool((predicted[0] == predicted[1]).all()))


def train_lightgbm(experiment: Experiment | None, at: At = nowhere) -> Numbers:
    import lightgbm  # here: it may be missing

    from xpstore.integrations.lightgbm import LightGBMCallback

    def watch(env: lightgbm.callback.CallbackEnv) -> None:
        if env.iteration == ROUNDS // 2:
            at("middle")

    x, y = numbers()
    data = lightgbm.Dataset(x[:80], y[:80])
    test = lightgbm.Dataset(x[80:], y[80:], reference=data)
    ours = [LightGBMCallback(experiment.model("lightgbm"))] if experiment else []
    at("start")
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 2, "seed": 1},
        data,
        ROUNDS,
        valid_sets=[data, test],
        valid_names=["train", "te st/µ"],
        feval=[lambda _, data, name=name: (name, 0.5, True) for name in ODD_NAMES],
        callbacks=[*ours, watch],
    )
    return [float(value) for value in booster.predict(x[80:], num_threads=1)]


def train_keras(experiment: Experiment | None, at: At = nowhere) -> Numbers:
    import keras  # here: it may be missing

    from xpstore.integrations.keras import KerasCallback  # here: it needs Keras

    class Named(keras.metrics.Mean):  # type: ignore[misc]
        def update_state(self, truth: object, predicted: object, sample_weight: object = None) -> None:
            super().update_state(predicted)

    x, y = numbers()
    keras.utils.set_random_seed(1)
    network = keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
    network.compile(optimizer="sgd", loss="mse", metrics=[Named(name=name) for name in ODD_NAMES if "/" not in name])
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: at("middle") if epoch == ROUNDS // 2 else None)
    ours = [KerasCallback(experiment.model("keras"), batches=1)] if experiment else []
    at("start")
    network.fit(x[:80], y[:80], epochs=ROUNDS, validation_data=(x[80:], y[80:]), callbacks=[*ours, watch], verbose=0)
    return [float(value) for value in network.predict(x[80:], verbose=0).ravel()]


def train_optuna(experiment: Experiment | None, at: At = nowhere) -> Numbers:
    import optuna  # here: it may be missing

    from xpstore.integrations.optuna import OptunaCallback

    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float(ODD_NAMES[2], -1, 1)
        for name in ODD_NAMES:
            trial.suggest_categorical(f"{name} ", [True, None, "a"])
        for step in range(3):
            trial.report(x / (step + 1), step)
        if trial.number == ROUNDS // 2:
            at("middle")
        return float(x**2)

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1), study_name="a/study µ")
    ours = [OptunaCallback(xpstore.get_project())] if experiment else []
    at("start")
    study.optimize(objective, n_trials=ROUNDS, callbacks=ours)
    return [trial.value or 0.0 for trial in study.trials]


def train_sklearn(experiment: Experiment | None, at: At = nowhere) -> Numbers:
    from sklearn.linear_model import LogisticRegression  # here, as it takes long to load
    from sklearn.model_selection import GridSearchCV  # here, as it takes long to load

    from xpstore.integrations.sklearn import create_model, log_estimator, log_search  # here, as above

    x, y = numbers()
    estimator = LogisticRegression(C=0.5, random_state=1)
    model = create_model(estimator, experiment) if experiment else None
    at("start")
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, n_jobs=1)
    at("middle")
    estimator.fit(x[:80], y[:80])
    search.fit(x[:80], y[:80])
    if experiment and model:
        log_estimator(estimator, model, x[80:], y[80:])
        log_search(search, experiment)
    return [float(value) for value in estimator.predict_proba(x[80:])[:, 0]]


def train_by_hand(experiment: Experiment | None, at: At = nowhere) -> Numbers:
    """A loop that writes as to TensorBoard."""
    from xpstore.integrations.tensorboard import SummaryWriter  # here, as others above

    x, y = numbers()
    weights = numpy.zeros(5)
    at("start")
    writer = SummaryWriter("runs/by hand") if experiment else None
    for epoch in range(ROUNDS):
        gradient = x.T @ (x @ weights - y) / len(y)
        weights -= 0.1 * gradient
        if epoch == ROUNDS // 2:
            at("middle")
        if writer:
            for name in ["loss/train", *ODD_NAMES]:
                writer.add_scalar(name, gradient.sum(), epoch)
            writer.add_histogram("weights", weights, epoch)
    if writer:
        writer.add_hparams({"lr": 0.1}, {"loss": 0.5})
        writer.close()
    return [float(value) for value in weights]


TRAINERS: dict[str, Callable[..., Numbers]] = {
    "xgboost": train_xgboost,
    "lightgbm": train_lightgbm,
    "keras": train_keras,
    "optuna": train_optuna,
    "sklearn": train_sklearn,
    "tensorboard": train_by_hand,
}


def needs(*packages: str) -> None:
    """Skips the tests of a file where frameworks are not installed."""
    if missing := [package for package in packages if importlib.util.find_spec(package) is None]:
        pytest.skip(f"{', '.join(missing)} not installed: make integrations", allow_module_level=True)


def main() -> None:
    framework, *access = sys.argv[1:]
    experiment = None
    if access:
        key, address, project_id = access
        client = xpstore.init(key, address)
        xpstore.set_project(xpstore.Project(project_id, client=client))
        experiment = xpstore.get_project().experiment("e")
    print(json.dumps(TRAINERS[framework](experiment)))


if __name__ == "__main__":
    main()
