"""Projects, experiments and models without a server: handles to log through, made from what the program says.

They have ids that this client made, and know nothing of what the server has. `_spool/made_offline.py` makes or opens
them there.
"""

import threading
from collections.abc import Callable
from typing import Any

from xpstore._spool.record import Target
from xpstore._values.checks import MAX_HASH_LENGTH, MAX_NAME_LENGTH, to_name
from xpstore._values.times import now_us
from xpstore.errors import AlreadyExists, NotFound, Unavailable
from xpstore.v1 import experiment_pb2, model_pb2, project_pb2


class OfflineModels:
    """What one offline client has made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._projects: dict[str, tuple[project_pb2.CreateProjectRequest, project_pb2.Project]] = {}
        self._experiments: dict[
            tuple[str, str], tuple[experiment_pb2.CreateExperimentRequest, experiment_pb2.Experiment]
        ] = {}
        self._models: dict[tuple[str, str], model_pb2.Model] = {}
        self._targets: dict[str, Target] = {}
        self._answers: dict[type, Callable[[Any], Any]] = {
            project_pb2.CreateProjectRequest: self._create_project,
            project_pb2.GetProjectRequest: self._get_project,
            experiment_pb2.CreateExperimentRequest: self._create_experiment,
            experiment_pb2.GetExperimentRequest: self._get_experiment,
            model_pb2.CreateModelRequest: self._create_model,
            model_pb2.GetModelRequest: self._get_model,
        }

    def knows(self, request: Any) -> bool:
        """Whether `answer` answers such a request."""
        return type(request) in self._answers

    def answer(self, request: Any) -> Any:
        """Answers in the server's place.

        Raises:
            AlreadyExists: this program has made one of that name or hash.
            NotFound: this program has made none of that name or hash.
        """
        with self._lock:
            return self._answers[type(request)](request)

    def target(self, model_id: str) -> Target:
        """What records of a model name.

        Raises:
            NotFound: this program has not made it.
        """
        target = self._targets.get(model_id)
        if target is None:
            raise NotFound("This program has made no such model.")
        return target

    def creation_of(self, project_uid: str) -> project_pb2.CreateProjectRequest:
        """The request that makes a project of this program.

        Raises:
            NotFound: this program has not made it.
        """
        for request, wire in list(self._projects.values()):
            if wire.uid == project_uid:
                return request
        raise NotFound("This program has made no such project.")

    def uid_of(self, project_id: str) -> str:
        """The uid of a project of this program; raises as `creation_of` does."""
        if project_id not in self._projects:
            raise NotFound(f"This program has made no project {project_id!r}.")
        return self._projects[project_id][1].uid

    def set_step(self, model_id: str, step: int) -> None:
        """Keeps the step of a model, for the program to read."""
        with self._lock:
            next(model for model in self._models.values() if model.id == model_id).step = step

    def _create_project(self, request: project_pb2.CreateProjectRequest) -> project_pb2.CreateProjectResponse:
        to_name("project_id", request.project_id)
        to_name("name", request.name)
        if request.project_id not in self._projects:
            wire = project_pb2.Project(uid=request.creation_id, id=request.project_id, name=request.name, **_times())
            self._projects[request.project_id] = request, wire
        return project_pb2.CreateProjectResponse(project=self._projects[request.project_id][1])

    def _get_project(self, request: project_pb2.GetProjectRequest) -> project_pb2.GetProjectResponse:
        for _, wire in self._projects.values():
            if request.project_uid == wire.uid or request.project_id == wire.id:
                return project_pb2.GetProjectResponse(project=wire)
        raise Unavailable("This program has made no such project, and this client is offline.")

    def _create_experiment(
        self, request: experiment_pb2.CreateExperimentRequest
    ) -> experiment_pb2.CreateExperimentResponse:
        key = (request.project_uid, to_name("name", request.name))
        if key not in self._experiments:
            wire = experiment_pb2.Experiment(
                id=request.experiment_id,
                project_uid=request.project_uid,
                name=request.name,
                description=request.description,
                tags=request.tags,
                **_times(),
            )
            self._experiments[key] = request, wire
        elif not request.allow_existing:
            raise AlreadyExists(f"This program has made an experiment of the name {request.name!r}.")
        return experiment_pb2.CreateExperimentResponse(experiment=self._experiments[key][1])

    def _get_experiment(self, request: experiment_pb2.GetExperimentRequest) -> experiment_pb2.GetExperimentResponse:
        key = (request.experiment_name.project_uid, request.experiment_name.name)
        if key not in self._experiments:
            raise NotFound(f"This program has made no experiment of the name {key[1]!r}.")
        return experiment_pb2.GetExperimentResponse(experiment=self._experiments[key][1])

    def _create_model(self, request: model_pb2.CreateModelRequest) -> model_pb2.CreateModelResponse:
        key = (request.experiment_id, to_name("hash", request.hash, MAX_HASH_LENGTH))
        for tag in request.tags:
            to_name("tags", tag, MAX_NAME_LENGTH)
        if key not in self._models:
            self._models[key] = self._made(request)
        elif not request.allow_existing:
            raise AlreadyExists(f"This program has made a model of the hash {request.hash!r}.")
        return model_pb2.CreateModelResponse(model=self._models[key])

    def _made(self, request: model_pb2.CreateModelRequest) -> model_pb2.Model:
        experiment, wire = next(each for each in self._experiments.values() if each[1].id == request.experiment_id)
        project, _ = next(each for each in self._projects.values() if each[1].uid == wire.project_uid)
        creation = (project.SerializeToString(), experiment.SerializeToString(), request.SerializeToString())
        self._targets[request.model_id] = Target(request.model_id, wire.project_uid, creation)
        model = model_pb2.Model(
            id=request.model_id,
            experiment_id=request.experiment_id,
            project_uid=wire.project_uid,
            hash=request.hash,
            config_json=request.config_json or "{}",
            tags=request.tags,
            **_times(),
        )
        for field in ("name", "description", "created_at_us"):
            if request.HasField(field):
                setattr(model, field, getattr(request, field))
        return model

    def _get_model(self, request: model_pb2.GetModelRequest) -> model_pb2.GetModelResponse:
        if request.HasField("model_hash"):
            model = self._models.get((request.model_hash.experiment_id, request.model_hash.hash))
        else:
            model = next((each for each in self._models.values() if each.id == request.model_id), None)
        if model is None:
            raise NotFound("This program has made no such model.")
        return model_pb2.GetModelResponse(model=model)


def _times() -> dict[str, Any]:
    now = now_us()
    return {"created_at_us": now, "updated_at_us": now}
