"""LightGBM: `callbacks=[LightGBMCallback(model)]`, for `train`, `cv` and the estimators."""

from typing import TYPE_CHECKING, Any

from xpstore.integrations._guard import Guard

if TYPE_CHECKING:
    from xpstore.model import Model

__all__ = ["LightGBMCallback"]


class LightGBMCallback:
    """Logs what is evaluated after each iteration: the data set is the phase, the iteration the step.

    Of `cv` it is the mean, and the standard deviation as "NAME std".

    Args:
        model: where to.

    Example:
        ```python
        lightgbm.train(params, data, valid_sets=[test], callbacks=[LightGBMCallback(model)])
        ```
    """

    def __init__(self, model: "Model") -> None:
        # LightGBM looks for it among the object's own attributes. Early stopping, which raises, has 30.
        self.order = 25
        self._model = model
        self._guard = Guard("LightGBMCallback")

    def __call__(self, env: Any) -> None:
        """Logs what was evaluated; it is all that is read of the environment."""
        with self._guard:
            for result in env.evaluation_result_list or ():
                phase, name, value, _, *spread = result
                self._guard.log(self._model, name, value, env.iteration, phase)
                if spread:  # of `cv`; None in those that have none
                    self._guard.log(self._model, f"{name} std", spread[0], env.iteration, phase)
