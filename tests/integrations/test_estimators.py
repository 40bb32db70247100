"""scikit-learn: an estimator becomes a model, and what is known of it is recorded, without a patch of anything."""

from typing import Any

import joblib
import numpy
import pandas
import pytest
from sklearn.base import BaseEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from integrations.trainers import numbers
from xpstore._artifacts.background import Saves
from xpstore.artifact import TrainedModelArtifact
from xpstore.experiment import Experiment
from xpstore.integrations.sklearn import create_model, log_estimator, log_search
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import experiment_pb2 as pb

pytestmark = pytest.mark.client


class Odd(BaseEstimator):  # type: ignore[misc]
    """Has a parameter of any kind."""

    def __init__(self, kind: object = None) -> None:
        self.kind = kind

    def fit(self, x: object, y: object) -> "Odd":
        return self

    def score(self, x: object, y: object) -> float:
        return 0.5


def saved(model: Model, name: str) -> Any:
    """What waits in the background is saved soon."""
    model._client.kept(Saves).wait()
    return model.artifacts.get(name)


def test_estimator_is_its_class_and_parameters(experiment: Experiment) -> None:
    def made(c: float) -> Model:
        return create_model(LogisticRegression(C=c, random_state=numpy.int64(3)), experiment, tags=["a"])

    model = made(0.5)
    assert model.config["estimator"] == "sklearn.linear_model._logistic.LogisticRegression"
    assert (model.config["C"], model.config["random_state"], model.config["warm_start"]) == (0.5, 3, False)
    assert (model.name, model.tags.list()) == ("LogisticRegression", ["a"])
    assert made(0.5) == model and made(0.25) != model


def test_parameters_that_are_no_json_have_names(experiment: Experiment) -> None:
    def pipeline() -> Any:
        return make_pipeline(FunctionTransformer(numpy.log1p), SimpleImputer(), StandardScaler(), LogisticRegression())

    model = create_model(pipeline(), experiment)
    assert create_model(pipeline(), experiment) == model
    assert model.config["functiontransformer__func"] == "numpy.log1p"
    assert model.config["simpleimputer__missing_values"] == "nan"
    assert model.config["steps"][2] == ["standardscaler", "sklearn.preprocessing._data.StandardScaler"]
    assert model.config["logisticregression__C"] == 1.0


def test_parameters_that_a_name_does_not_tell_apart_are_said(
    experiment: Experiment, caplog: pytest.LogCaptureFixture
) -> None:
    create_model(FunctionTransformer(numpy.log1p), experiment)
    create_model(GaussianNB(priors=numpy.array([0.5, 0.5])), experiment)
    assert not caplog.messages
    create_model(FunctionTransformer(lambda x: x + 1), experiment)
    assert caplog.messages == [
        "create_model: func told by name alone: two that differ there are one model. Give a hash of your own."
    ]
    first, second = (
        create_model(FunctionTransformer(lambda x, add=add: x + add), experiment, hash=add) for add in (1, 2)
    )
    assert first != second and len(caplog.messages) == 1
    found = GridSearchCV(Odd(), {"kind": [lambda: 1, lambda: 2]}, cv=2).fit(*numbers())
    models = log_search(found, experiment)
    assert len({model.id for model in models}) == 2


def test_fitted_estimator_is_scored_and_saved(experiment: Experiment, project: Project) -> None:
    x, y = numbers()
    frame = pandas.DataFrame(x, columns=["a", "b", "µ", "d", "e"])
    estimator = LogisticRegression()
    model = create_model(estimator, experiment)
    log_estimator(estimator.fit(frame, y), model, frame, y, phase="train")
    artifact = saved(model, "LogisticRegression")
    assert isinstance(artifact, TrainedModelArtifact)
    assert artifact.metadata["feature_names"] == ["a", "b", "µ", "d", "e"]
    assert numpy.array_equal(artifact.load().predict_proba(frame), estimator.predict_proba(frame))
    score = model.metrics.last("score", "train")
    assert score is not None and score.value == estimator.score(frame, y)


def test_other_project_than_the_current_one_gets_it(experiment: Experiment, project: Project) -> None:
    estimator = LogisticRegression().fit(*numbers())
    model = create_model(estimator, experiment)
    with Project(f"{project.id} other", client=project._client) as other:
        log_estimator(estimator, model, artifact="fitted")
        assert saved(model, "fitted") is not None
        assert not other.artifacts.list()


def test_what_fails_is_told_and_not_raised(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Odd):
        def score(self, x: object, y: object) -> float:
            raise ZeroDivisionError

    log_estimator(Broken(iter(())), model, [[1]], [1])  # nothing can save it
    log_search(LogisticRegression(), None)  # type: ignore[arg-type]
    assert [line.partition(" could")[0] for line in caplog.messages] == ["log_estimator", "log_search"]
    assert not model.metrics.list() and not model.artifacts.list()


def test_save_that_fails_in_the_background_is_told(model: Model, caplog: pytest.LogCaptureFixture) -> None:
    experiment = Experiment(model._client, pb.Experiment(id=str(model.experiment_id)))
    experiment.models.delete(model.id)
    log_estimator(LogisticRegression().fit(*numbers()), model)
    model._client.kept(Saves).wait()
    assert len(caplog.messages) == 1 and caplog.messages[0].startswith("log_estimator could not")


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_search_has_a_model_for_each_candidate(n_jobs: int, experiment: Experiment) -> None:
    search = GridSearchCV(LogisticRegression(), {"C": [0.001, 1.0]}, cv=3, n_jobs=n_jobs, return_train_score=True)
    with joblib.parallel_config("threading"):
        search.fit(*numbers())
    models = log_search(search, experiment)
    assert [model.config["C"] for model in models] == [0.001, 1.0]
    results = search.cv_results_
    for number, model in enumerate(models):
        mean = model.metrics.last("mean_test_score")
        assert mean is not None and mean.value == results["mean_test_score"][number]
        splits = model.metrics.read("split_test_score")
        assert list(splits.values) == [results[f"split{split}_test_score"][number] for split in range(3)]
        assert list(splits.steps) == [0, 1, 2]
        assert model.tags.list() == (["best"] if number == search.best_index_ else [])
