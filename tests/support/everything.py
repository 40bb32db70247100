"""All that can be asked of a project and its models, to compare before and after."""

from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from xpstore.artifact import DirectoryArtifact
from xpstore.client import Client
from xpstore.experiment import Experiment
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import (
    alert_pb2,
    artifact_pb2,
    experiment_pb2,
    iteration_pb2,
    metric_pb2,
    model_pb2,
    project_pb2,
    run_pb2,
    search_pb2,
)

# What an undelete, or the time, changes.
CHANGED = ("etag", "updatedAtUs", "updatedBy", "nowUs", "activeAtUs", "heartbeatAtUs")


def full_model(experiment: Experiment, hash_: str, folder: Path) -> Model:
    """A model with something of everything."""
    model = experiment.model(hash_, "name", "text", config={"lr": 0.5, hash_: "only here"}, tags=["b", "a"])
    with model.run():
        for step in range(3):
            model.metrics.log("loss", 1 / (step + 1), step=step, phase="train")
    model.modules.log("optimizer", {"lr": 10})
    iteration = model.iterations.create(2)
    iteration.modules.log("layer", {"size": 3})
    (folder / "data").write_text(hash_)
    DirectoryArtifact.save(folder / "data", "data", model=model, iteration=iteration, step=2)
    model.alert("look", step=2)
    model.step = 7
    model._client.flush()
    return model


def everything(client: Client, project: Project, *models: Model) -> list[Any]:
    """All that can be asked of a project, and of these models, without what an undelete changes."""
    stubs, uid = client.stubs, project.uid
    asked: list[tuple[Any, Any]] = [
        (stubs.projects.GetProject, project_pb2.GetProjectRequest(project_uid=uid)),
        (stubs.projects.GetProjectStatistics, project_pb2.GetProjectStatisticsRequest(project_uid=uid)),
        (stubs.experiments.ListExperiments, experiment_pb2.ListExperimentsRequest(project_uid=uid)),
        (stubs.models.ListModels, model_pb2.ListModelsRequest(project_uid=uid)),
        (stubs.models.SearchModels, model_pb2.SearchModelsRequest(project_uid=uid, with_total=True)),
        (stubs.models.SearchModels, model_pb2.SearchModelsRequest(project_uid=uid, filter="metrics.loss.min < 0.5")),
        (stubs.models.ListFields, search_pb2.ListFieldsRequest(project_uid=uid)),
        (stubs.models.AggregateModels, search_pb2.AggregateModelsRequest(project_uid=uid, group_by=["tags"])),
        (stubs.artifacts.ListArtifactVersions, artifact_pb2.ListArtifactVersionsRequest(project_uid=uid)),
    ]
    for id_ in (str(model.id) for model in models):
        mine = artifact_pb2.ListArtifactVersionsRequest(project_uid=uid, model_id=id_)
        asked += [
            (stubs.models.GetModel, model_pb2.GetModelRequest(model_id=id_)),
            (stubs.models.ListModules, model_pb2.ListModulesRequest(model_id=id_)),
            (stubs.models.ListNewestModules, model_pb2.ListNewestModulesRequest(model_ids=[id_])),
            (stubs.iterations.ListIterations, iteration_pb2.ListIterationsRequest(model_id=id_)),
            (stubs.alerts.ListAlerts, alert_pb2.ListAlertsRequest(model_id=id_)),
            (stubs.runs.ListRuns, run_pb2.ListRunsRequest(model_id=id_)),
            (stubs.metrics.ListMetrics, metric_pb2.ListMetricsRequest(model_id=id_)),
            (stubs.metrics.ListSeries, metric_pb2.ListSeriesRequest(model_ids=[id_])),
            (stubs.artifacts.ListArtifactVersions, mine),
        ]
    return [plain(client.call(method, request)) for method, request in asked] + links_of(project)


def plain(message: Any) -> Any:
    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cleaned(one) for key, one in value.items() if key not in CHANGED}
        return [cleaned(one) for one in value] if isinstance(value, list) else value

    return cleaned(MessageToDict(message))


def links_of(project: Project) -> list[Any]:
    """The links of all versions of a project, as they are listed by themselves."""
    client = project._client
    requests = (artifact_pb2.ListArtifactLinksRequest(version_id=one.id) for one in project.artifacts.list())
    return [plain(client.call(client.stubs.artifacts.ListArtifactLinks, request)) for request in requests]
