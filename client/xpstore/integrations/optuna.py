"""Optuna: `study.optimize(objective, callbacks=[OptunaCallback(project)])`."""

from typing import TYPE_CHECKING, Any

from xpstore._values.configs import config_hash
from xpstore.errors import Conflict
from xpstore.integrations._background import Background
from xpstore.integrations._guard import Guard

if TYPE_CHECKING:
    from xpstore.project import Project

__all__ = ["OptunaCallback"]


class OptunaCallback:
    """Records trials: the study is an experiment, a trial that ended a model with its number as hash.

    Parameters are its config, what was reported the series "intermediate", values "value" (or as the study names them;
    "value 0", "value 1" of several), its state a tag: complete, pruned or fail. They are recorded in the background, so
    that no trial waits for the server. What is recorded already is left alone.

    Args:
        project: where to.

    Example:
        ```python
        callback = OptunaCallback(project)
        study.optimize(objective, n_trials=100, n_jobs=4, callbacks=[callback])
        callback.flush()
        ```
    """

    def __init__(self, project: "Project") -> None:
        self._project = project
        self._guard = Guard("OptunaCallback")
        self._background = Background("OptunaCallback", self._guard, project._client)
        self._recorded: set[tuple[str, int]] = set()

    def __call__(self, study: Any, trial: Any) -> None:
        """Records a trial."""
        with self._guard:
            name, names = study.study_name, study.metric_names
            self._background.add(lambda: self._record(name, names, trial))

    def record(self, study: Any) -> None:
        """Records all trials of a study that ended: those of others too, and what an outage left out."""
        with self._guard:
            for trial in study.get_trials(deepcopy=False):
                if trial.state.is_finished():
                    self(study, trial)

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Waits until the trials are recorded, by default for ten seconds, two if the server is away.

        Returns:
            Whether they are.
        """
        return self._background.flush(timeout_seconds)

    def _record(self, study_name: str, metric_names: list[str] | None, trial: Any) -> None:
        if (study_name, trial.number) in self._recorded:
            return
        model = self._project.experiment(study_name).model(
            trial.number, name=f"trial {trial.number}", config=trial.params
        )
        state = trial.state.name.lower()
        # Offline nobody can say, but this program.
        if self._project._client.offline is None and state in model.tags.list():
            if config_hash(model.config) != config_hash(trial.params):
                raise Conflict(
                    f"Trial {trial.number} of the study {study_name!r} is recorded with other parameters: it is of "
                    "another study of that name. Give this one a name of its own."
                )
            return
        steps = sorted(trial.intermediate_values)
        if steps:
            with self._guard:
                model.metrics.log_arrays("intermediate", steps, [trial.intermediate_values[step] for step in steps])
        values = trial.values or []
        numbered = [f"value {number}" for number in range(len(values))] if len(values) > 1 else ["value"]
        for name, value in zip(metric_names or numbered, values, strict=False):
            self._guard.log(model, name, value)
        model.tags.add(state)  # the last: it says that the others are there
        self._recorded.add((study_name, trial.number))
