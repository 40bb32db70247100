"""What became of models that were made offline: made on the server once, and never again.

A record names its model by an id that this client made. The first time such a record is sent, project, experiment and
model are made or opened, and the outcome is kept beside the spool before anything is stored there. So what was deleted
afterwards stays deleted: nothing lands in another project of the same id.
"""

import logging
from collections.abc import Callable
from typing import Any, Protocol

from xpstore._service.connection import Connection
from xpstore._spool.record import Target
from xpstore._values.configs import tell_difference
from xpstore.errors import AlreadyExists, InvalidArgument, NotFound
from xpstore.v1 import experiment_pb2, model_pb2, project_pb2

log = logging.getLogger("xpstore")

Call = Callable[[Callable[..., Any], Any], Any]
GONE = ""


class Outcomes(Protocol):
    """Where the outcomes are kept: beside the spool."""

    @property
    def state(self) -> Any:
        """Has them in `became`."""

    def note(self, made: str, becomes: str) -> None:
        """Notes one, for ever."""


class MadeOffline:
    """What became of what the records of one writer are of, or artifacts that waited.

    Args:
        outcomes: what is known of it.
        call: makes a call to the server.
    """

    def __init__(self, connection: Connection, outcomes: Outcomes, call: Call) -> None:
        self._connection = connection
        self._outcomes = outcomes
        self._call = call
        self.reasons: dict[str, str] = {}

    def project(self, target: Target) -> str:
        """The uid of a target's project, "" if it is gone."""
        if target.creation is None:
            return target.project
        return self.of_project(project_pb2.CreateProjectRequest.FromString(target.creation[0]))

    def of_project(self, creation: project_pb2.CreateProjectRequest) -> str:
        """The uid of a project that was made by a request, "" if it is gone."""
        method = self._connection.stubs.projects.CreateProject
        return self._become(creation.creation_id, method, creation, "project", "uid")

    def known(self, target: Target) -> str:
        """The id of a target, without a call: "" if it is gone, or was not made yet."""
        return target.model_id if target.creation is None else self._outcomes.state.became.get(target.model_id, GONE)

    def model(self, target: Target) -> str:
        """The id of a target, "" if it is gone."""
        if target.creation is None:
            return target.model_id
        experiment = experiment_pb2.CreateExperimentRequest.FromString(target.creation[1])
        experiment.project_uid = self.project(target)
        model = model_pb2.CreateModelRequest.FromString(target.creation[2])
        if not experiment.project_uid:
            return GONE
        stubs = self._connection.stubs
        method = stubs.experiments.CreateExperiment
        model.experiment_id = self._become(experiment.experiment_id, method, experiment, "experiment", "id")
        if not model.experiment_id:
            return GONE
        return self._become(target.model_id, stubs.models.CreateModel, model, "model", "id")

    def _become(self, made: str, method: Callable[..., Any], request: Any, field: str, key: str) -> str:
        became = self._outcomes.state.became
        if made not in became:
            request.allow_existing = True
            try:
                answer = getattr(self._call(method, request), field)
                becomes = str(getattr(answer, key))
                if field == "model" and request.config_json != "{}":
                    # Another program may have made a model of this hash first, with another config.
                    tell_difference(request.hash, answer.config_json, request.config_json)
            except (NotFound, InvalidArgument, AlreadyExists) as error:
                self.reasons[made] = str(error)
                becomes = GONE
            self._outcomes.note(made, becomes)
        return str(became[made])
