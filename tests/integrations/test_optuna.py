"""Optuna searches for real: each trial is recorded once, whoever records it and how often."""

from collections.abc import Callable
from typing import Any

import pytest

from integrations.trainers import needs
from xpstore.experiment import Experiment
from xpstore.project import Project

needs("optuna")

import optuna  # noqa: E402

from xpstore.integrations.optuna import OptunaCallback  # noqa: E402

pytestmark = pytest.mark.client
optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def objective(trial: "optuna.Trial") -> float:
    x = trial.suggest_float("x", -1, 1)
    trial.suggest_categorical("kind", ["a", None, True])
    for step in (0, 5):
        trial.report(x / (step + 1), step)
    if trial.number == 1:
        raise optuna.TrialPruned
    if trial.number == 2:
        raise ZeroDivisionError
    return float(x**2)


def search(callback: Callable[..., None] | None, n_jobs: int = 1, name: str = "s", **options: Any) -> "optuna.Study":
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1), study_name=name, **options)
    callbacks = [callback] if callback else []
    study.optimize(objective, n_trials=8, n_jobs=n_jobs, callbacks=callbacks, catch=(ZeroDivisionError,))
    return study


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What we said; Optuna may speak of trials that failed."""
    return [record.getMessage() for record in caplog.records if record.name == "xpstore"]


def recorded(experiment: Experiment) -> list[tuple[Any, ...]]:
    return sorted(
        (
            int(model.hash),
            model.config,
            [(point.name, point.value, point.step) for point in model.metrics.list()],
            model.tags.list(),
        )
        for model in experiment.models.list()
    )


def expected(study: "optuna.Study") -> list[tuple[Any, ...]]:
    return [
        (
            trial.number,
            trial.params,
            [("intermediate", value, step) for step, value in trial.intermediate_values.items()]
            # A trial that was pruned has the value that it reported last.
            + [("value", value, None) for value in trial.values or []],
            [trial.state.name.lower()],
        )
        for trial in study.trials
    ]


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_each_trial_is_a_model(n_jobs: int, project: Project, caplog: pytest.LogCaptureFixture) -> None:
    callback = OptunaCallback(project)
    study = search(callback, n_jobs)
    assert callback.flush(60)
    assert recorded(project.experiment("s")) == expected(study)
    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "PRUNED", "FAIL"}
    assert not told(caplog)


def test_search_is_the_same_as_without(project: Project) -> None:
    with_us, without = search(OptunaCallback(project)), search(None)
    assert [(trial.params, trial.values) for trial in with_us.trials] == [
        (trial.params, trial.values) for trial in without.trials
    ]


def test_repeating_changes_nothing_and_what_is_missing_comes(project: Project) -> None:
    study = search(None)
    first, second = OptunaCallback(project), OptunaCallback(project)
    first(study, study.trials[3])
    assert first.flush(60)
    for callback in (first, second, first):
        callback.record(study)
        callback.record(study)
        assert callback.flush(60)
    assert recorded(project.experiment("s")) == expected(study)


def test_other_study_of_one_name_is_not_mixed_in_silently(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    callback = OptunaCallback(project)
    study = search(callback)
    assert callback.flush(60)
    other = OptunaCallback(project)
    again = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=2), study_name="s")
    again.optimize(objective, n_trials=1, callbacks=[other])
    assert other.flush(60)
    assert recorded(project.experiment("s")) == expected(study)
    assert "Trial 0 of the study 's' is recorded with other parameters" in caplog.text


@pytest.mark.parametrize(("names", "found"), [(None, ["value 0", "value 1"]), (["loss", "cost"], ["loss", "cost"])])
def test_several_values_have_names(names: list[str] | None, found: list[str], project: Project) -> None:
    study = optuna.create_study(directions=["minimize", "maximize"], study_name="two")
    if names:
        study.set_metric_names(names)
    callback = OptunaCallback(project)
    study.optimize(lambda trial: (1.0, float("inf")), n_trials=1, callbacks=[callback])
    assert callback.flush(60)
    ((_, _, points, _),) = recorded(project.experiment("two"))
    assert points == [(found[0], 1.0, None), (found[1], float("inf"), None)]


def test_study_whose_name_is_refused_is_told_once(project: Project, caplog: pytest.LogCaptureFixture) -> None:
    callback = OptunaCallback(project)
    study = search(callback, name="x" * 300)
    assert callback.flush(60) and len(study.trials) == 8
    assert len(told(caplog)) == 1 and "at most 256 characters" in told(caplog)[0]
