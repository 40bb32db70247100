"""scikit-learn: models made from estimators, and what is known of them after `fit`. Nothing is patched."""

import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from math import isfinite
from typing import TYPE_CHECKING, Any

from xpstore._values.configs import config_hash
from xpstore.artifact import TrainedModelArtifact
from xpstore.integrations._guard import Guard
from xpstore.project import Project
from xpstore.v1.project_pb2 import Project as Wire

if TYPE_CHECKING:
    from xpstore.experiment import Experiment
    from xpstore.model import Model

__all__ = ["create_model", "log_estimator", "log_search"]

log = logging.getLogger("xpstore")


def create_model(estimator: Any, experiment: "Experiment", *, hash: Any = None, tags: Iterable[str] = ()) -> "Model":
    """Returns the model of an estimator: its class and parameters are the config, and without `hash` its identity.

    Parameters that are no JSON, such as functions and estimators, are told by their names. Where that may make two
    estimators one model, as with lambdas, a warning says so.

    Raises:
        Error: what `experiment.model` raises.

    Example:
        ```python
        model = create_model(estimator, project.experiment("iris"))
        log_estimator(estimator.fit(X, y), model, X_test, y_test)
        ```
    """
    config, vague = _config(estimator, estimator.get_params())
    if vague and hash is None:
        said = "create_model: %s told by name alone: two that differ there are one model. Give a hash of your own."
        log.warning(said, ", ".join(sorted(vague)))
    return experiment.model(hash, name=type(estimator).__name__, config=config, tags=tags)


def log_estimator(
    estimator: Any, model: "Model", X: Any = None, y: Any = None, *, phase: str = "test", artifact: str | None = None
) -> None:
    """Records a fitted estimator: its score, and itself as a `TrainedModelArtifact` with the names of its features.

    It is saved in the background. What fails is logged, not raised.

    Args:
        estimator: fitted.
        model: whose it is.
        X: what to score it on, with `y` if it needs one. Without it there is no score.
        y: the targets.
        phase: of the score.
        artifact: its name; default the name of the class.
    """
    guard = Guard("log_estimator")
    if X is not None:
        with guard:
            guard.log(model, "score", estimator.score(X, y), phase=phase)
    with guard:
        features = getattr(estimator, "feature_names_in_", None)
        saved = TrainedModelArtifact.save(
            estimator,
            artifact or type(estimator).__name__,
            wait=False,
            model=model,
            metadata=None if features is None else {"feature_names": [str(name) for name in features]},
            project=_project_of(model),
        )
        saved.add_done_callback(lambda done: _hear(done, guard))


def log_search(search: Any, experiment: "Experiment") -> "list[Model]":
    """Records each candidate of a fitted search as a model, and its row of `cv_results_` as points; tags the best.

    Numbers of the splits are a series by split: "split_test_score". What fails is logged, not raised.

    Returns:
        The models in the order of `cv_results_`; fewer if something failed.
    """
    guard, models = Guard("log_search"), []
    with guard:
        results = search.cv_results_
        for number, parameters in enumerate(results["params"]):
            config, vague = _config(search.estimator, {**search.estimator.get_params(), **parameters})
            # Two candidates are two models, also where their names are all that is known of parameters.
            hash_ = f"{config_hash(config)} {number}" if vague else None
            model = experiment.model(hash_, name=f"candidate {number}", config=config)
            if number == getattr(search, "best_index_", None):
                model.tags.add("best")
            for key, values in results.items():
                if key != "params" and not key.startswith("param_"):
                    name, step = _named(key)
                    guard.log(model, name, values[number], step)
            models.append(model)
    return models


def _named(key: str) -> tuple[str, int | None]:
    """Of "split0_test_score": the name "split_test_score" and the step 0."""
    split, _, rest = key.partition("_")
    number = split.removeprefix("split")
    return (f"split_{rest}", int(number)) if split != number and number.isdecimal() else (key, None)


def _config(estimator: Any, parameters: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Class and parameters as JSON, and those that a name alone does not tell from others."""
    vague: set[str] = set()
    config = {"estimator": _name(type(estimator))}
    for key, value in parameters.items():
        config[key] = _plain(key, value, vague)
    return config, vague


def _plain(key: str, value: Any, vague: set[str]) -> Any:
    if callable(getattr(value, "tolist", None)):  # arrays and scalars of numpy
        value = value.tolist()
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(key, item, vague) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(key, item, vague) for item in value]
    name = _name(value if hasattr(value, "__qualname__") else type(value))
    # What is in an estimator stands beside it, and a function or class of a module is known by its name.
    if not hasattr(value, "get_params") and not (hasattr(value, "__qualname__") and "<" not in name):
        vague.add(key)
    return name


def _name(named: Any) -> str:
    return f"{named.__module__}.{named.__qualname__}"


def _project_of(model: "Model") -> Project:
    """The project of a model, without a call."""
    return Project._from_wire(Wire(uid=model.project_uid, id=model.project_uid), model._client)


def _hear(done: "Future[Any]", guard: Guard) -> None:
    """Takes the error of a save: nobody else does, and the program's exit status is none of its business."""
    with guard:
        if not done.cancelled() and (error := done.exception()) is not None:
            raise error
