"""A sound request of every RPC but those of artifacts and of the cache, and what it is about."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.project import Project
from xpstore.v1 import (
    alert_pb2,
    experiment_pb2,
    iteration_pb2,
    media_pb2,
    metric_pb2,
    model_pb2,
    project_pb2,
    run_pb2,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ids:
    """Ids of one thing of each kind."""

    project: str
    experiment: str
    model: str
    iteration: str
    module: str
    run: str


POINT = metric_pb2.MetricPoint(name="loss", int_value=1)
# A sound request of each RPC: stub, method and, after a slash, the way to say what is meant.
REQUESTS: dict[str, Callable[[Ids], Any]] = {
    "projects.CreateProject": lambda ids: project_pb2.CreateProjectRequest(
        project_id="new", name="n", creation_id=new_id()
    ),
    "projects.GetProject": lambda ids: project_pb2.GetProjectRequest(project_uid=ids.project),
    "projects.ListProjects": lambda ids: project_pb2.ListProjectsRequest(),
    "projects.UpdateProject": lambda ids: project_pb2.UpdateProjectRequest(
        project_uid=ids.project, name="n", description="d", update_mask={"paths": ["name", "description"]}
    ),
    "projects.DeleteProject": lambda ids: project_pb2.DeleteProjectRequest(project_uid=ids.project),
    "projects.UndeleteProject": lambda ids: project_pb2.UndeleteProjectRequest(project_uid=ids.project),
    "experiments.CreateExperiment": lambda ids: experiment_pb2.CreateExperimentRequest(
        project_uid=ids.project, experiment_id=new_id(), name="new"
    ),
    "experiments.GetExperiment": lambda ids: experiment_pb2.GetExperimentRequest(experiment_id=ids.experiment),
    "experiments.GetExperiment/name": lambda ids: experiment_pb2.GetExperimentRequest(
        experiment_name={"project_uid": ids.project, "name": "e"}
    ),
    "experiments.ListExperiments": lambda ids: experiment_pb2.ListExperimentsRequest(project_uid=ids.project),
    "experiments.UpdateExperiment": lambda ids: experiment_pb2.UpdateExperimentRequest(
        experiment_id=ids.experiment, name="new", update_mask={"paths": ["name"]}
    ),
    "experiments.DeleteExperiment": lambda ids: experiment_pb2.DeleteExperimentRequest(experiment_id=ids.experiment),
    "experiments.UndeleteExperiment": lambda ids: experiment_pb2.UndeleteExperimentRequest(
        experiment_id=ids.experiment
    ),
    "models.CreateModel": lambda ids: model_pb2.CreateModelRequest(
        experiment_id=ids.experiment, model_id=new_id(), hash="new", tags=["a"]
    ),
    "models.CreateModels": lambda ids: model_pb2.CreateModelsRequest(
        experiment_id=ids.experiment,
        models=[
            {
                "model_id": new_id(),
                "hash": "new",
                "tags": ["a"],
                "modules": [{"module_id": new_id(), "name": "m"}],
                "series": [{"name": "loss", "int_values": bytes(8)}],
            }
        ],
    ),
    "models.GetModel": lambda ids: model_pb2.GetModelRequest(model_id=ids.model),
    "models.GetModel/hash": lambda ids: model_pb2.GetModelRequest(
        model_hash={"experiment_id": ids.experiment, "hash": "h"}
    ),
    "models.ListModels": lambda ids: model_pb2.ListModelsRequest(experiment_id=ids.experiment),
    "models.ListModels/project": lambda ids: model_pb2.ListModelsRequest(project_uid=ids.project),
    "models.SearchModels": lambda ids: model_pb2.SearchModelsRequest(experiment_id=ids.experiment),
    "models.SearchModels/project": lambda ids: model_pb2.SearchModelsRequest(project_uid=ids.project),
    "models.UpdateModel": lambda ids: model_pb2.UpdateModelRequest(
        model_id=ids.model, name="new", description="d", step=1, update_mask={"paths": ["name", "description", "step"]}
    ),
    "models.AdvanceModel": lambda ids: model_pb2.AdvanceModelRequest(model_id=ids.model, advance_id=new_id(), delta=1),
    "models.RewindModel": lambda ids: model_pb2.RewindModelRequest(model_id=ids.model, step=1),
    "models.UpdateModelTags": lambda ids: model_pb2.UpdateModelTagsRequest(model_id=ids.model, add=["b"], remove=["a"]),
    "models.DeleteModel": lambda ids: model_pb2.DeleteModelRequest(model_id=ids.model),
    "models.UndeleteModel": lambda ids: model_pb2.UndeleteModelRequest(model_id=ids.model),
    "models.CreateModule": lambda ids: model_pb2.CreateModuleRequest(
        model_id=ids.model, module_id=new_id(), name="new"
    ),
    "models.ListModules": lambda ids: model_pb2.ListModulesRequest(iteration_id=ids.iteration),
    "models.ListNewestModules": lambda ids: model_pb2.ListNewestModulesRequest(model_ids=[ids.model]),
    "models.DeleteModule": lambda ids: model_pb2.DeleteModuleRequest(module_id=ids.module),
    "models.ClearModules": lambda ids: model_pb2.ClearModulesRequest(model_id=ids.model),
    "iterations.CreateIteration": lambda ids: iteration_pb2.CreateIterationRequest(
        model_id=ids.model, iteration_id=new_id(), step=9
    ),
    "iterations.GetIteration": lambda ids: iteration_pb2.GetIterationRequest(iteration_id=ids.iteration),
    "iterations.GetIteration/step": lambda ids: iteration_pb2.GetIterationRequest(
        iteration_step={"model_id": ids.model, "step": 5}
    ),
    "iterations.ListIterations": lambda ids: iteration_pb2.ListIterationsRequest(model_id=ids.model),
    "iterations.DeleteIteration": lambda ids: iteration_pb2.DeleteIterationRequest(iteration_id=ids.iteration),
    "iterations.ClearIterations": lambda ids: iteration_pb2.ClearIterationsRequest(model_id=ids.model),
    "media.ListMediaNames": lambda ids: media_pb2.ListMediaNamesRequest(model_id=ids.model),
    "media.ListMedia": lambda ids: media_pb2.ListMediaRequest(
        model_id=ids.model, names=["samples"], from_step=1, to_step=2
    ),
    "metrics.LogMetrics": lambda ids: metric_pb2.LogMetricsRequest(
        model_id=ids.model, writer_id=new_id(), points=[POINT]
    ),
    "metrics.ListMetrics": lambda ids: metric_pb2.ListMetricsRequest(model_id=ids.model),
    "metrics.GetLastMetric": lambda ids: metric_pb2.GetLastMetricRequest(model_id=ids.model, name="loss"),
    "metrics.DeleteMetric": lambda ids: metric_pb2.DeleteMetricRequest(model_id=ids.model, metric_id=new_id()),
    "metrics.ClearMetrics": lambda ids: metric_pb2.ClearMetricsRequest(model_id=ids.model),
    "alerts.ListAlerts": lambda ids: alert_pb2.ListAlertsRequest(model_id=ids.model),
    "alerts.ListAlerts/project": lambda ids: alert_pb2.ListAlertsRequest(project_uid=ids.project),
    "runs.CreateRun": lambda ids: run_pb2.CreateRunRequest(model_id=ids.model, run_id=new_id()),
    "runs.GetRun": lambda ids: run_pb2.GetRunRequest(run_id=ids.run),
    "runs.ListRuns": lambda ids: run_pb2.ListRunsRequest(model_id=ids.model),
    "runs.HeartbeatRun": lambda ids: run_pb2.HeartbeatRunRequest(run_id=ids.run),
    "runs.FinishRun": lambda ids: run_pb2.FinishRunRequest(run_id=ids.run, status=run_pb2.RUN_STATUS_FINISHED),
    "runs.ReadConsole": lambda ids: run_pb2.ReadConsoleRequest(run_id=ids.run),
}


def make(project: Project) -> Ids:
    experiment = project.experiment("e")
    model = experiment.model("h", tags=["a"])
    model.step = 5
    model.metrics.log("loss", 1, 5)
    iteration = model.iterations.create(5)
    client = model._client
    request = run_pb2.CreateRunRequest(model_id=str(model.id), run_id=new_id())
    return Ids(
        project=project.uid,
        experiment=str(experiment.id),
        model=str(model.id),
        iteration=str(iteration.id),
        module=str(model.modules.log("optimizer").id),
        run=client.call(client.stubs.runs.CreateRun, request).run.id,
    )


def call(client: Client, rpc: str, request: Any) -> Any:
    stub, _, method = rpc.partition("/")[0].partition(".")
    return client.call(getattr(getattr(client.stubs, stub), method), request)
