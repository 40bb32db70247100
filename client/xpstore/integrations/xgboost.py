"""XGBoost: `callbacks=[XGBoostCallback(model)]`, for `train`, `cv` and the estimators."""

from typing import TYPE_CHECKING, Any

from xgboost import collective
from xgboost.callback import TrainingCallback

from xpstore.integrations._guard import Guard

if TYPE_CHECKING:
    from xpstore.model import Model

__all__ = ["XGBoostCallback"]


class XGBoostCallback(TrainingCallback):  # type: ignore[misc]  # XGBoost need not be installed where this is checked
    """Logs what is evaluated after each iteration: the data set is the phase, the iteration the step.

    XGBoost counts iterations from 0, also where it goes on with a booster. Of `cv` it is the mean, and the standard
    deviation as "NAME std". After early stopping `best_iteration` and `best_score` are points without a step. Of
    several processes that train one booster together the first logs.

    Args:
        model: where to.

    Example:
        ```python
        xgboost.train(params, data, evals=[(data, "train")], callbacks=[XGBoostCallback(model)])
        ```
    """

    def __init__(self, model: "Model") -> None:
        super().__init__()
        self._model = model
        self._guard = Guard("XGBoostCallback")

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Logs what was evaluated last; never asks to stop."""
        with self._guard:
            if collective.get_rank() == 0:
                for phase, metrics in evals_log.items():
                    for name, values in metrics.items():
                        self._log(name, values[-1], epoch, phase)
        return False

    def _log(self, name: str, value: Any, step: int, phase: str) -> None:
        if isinstance(value, tuple):  # of `cv`
            value, spread = value
            self._guard.log(self._model, f"{name} std", spread, step, phase)
        self._guard.log(self._model, name, value, step, phase)

    def after_training(self, model: Any) -> Any:
        """Logs the best iteration, if early stopping found one."""
        with self._guard:
            # `cv` has a pack of boosters, all with the same attributes, and no `attr` of its own.
            booster = model.cvfolds[0].bst if hasattr(model, "cvfolds") else model
            if collective.get_rank() == 0 and (best := booster.attr("best_iteration")) is not None:
                self._guard.log(self._model, "best_iteration", int(best))
                self._guard.log(self._model, "best_score", float(booster.attr("best_score")))
        return model
