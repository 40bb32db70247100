"""Which calls come after what was logged before them: one table of all methods, and each of them tried."""

import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

import xpstore
from xpstore._session.order import is_ordered
from xpstore._spool import sender
from xpstore._values.ids import new_id
from xpstore.artifact import DirectoryArtifact
from xpstore.errors import Error, NotFound
from xpstore.experiment import Experiment
from xpstore.iteration import Iteration
from xpstore.model import Model
from xpstore.run import Run
from xpstore.v1 import (
    alert_pb2,
    artifact_pb2,
    cache_pb2,
    experiment_pb2,
    ingest_pb2,
    iteration_pb2,
    limits_pb2,
    media_pb2,
    metric_pb2,
    model_pb2,
    project_pb2,
    run_pb2,
    search_pb2,
    transfer_pb2,
)

pytestmark = pytest.mark.client

YES, NO = True, False
# Pending records could change the answer or the effect of what says yes.
METHODS: dict[str, dict[str, bool]] = {
    "alerts": {"ListAlerts": YES},
    "artifacts": {
        "FindMissingChunks": NO,
        "UploadChunks": NO,
        "CommitArtifact": NO,  # yes with links
        "UploadFile": NO,
        "GetUpload": NO,
        "ReadFile": NO,
        "ReadManifest": NO,
        "ReadChunks": NO,
        "ListArtifactFiles": NO,
        "GetArtifactVersion": NO,
        "ListArtifactVersions": NO,
        "UpdateArtifactVersion": NO,
        "DeleteArtifactVersion": NO,
        "UndeleteArtifactVersion": NO,
        "GetArtifact": NO,
        "ListArtifacts": NO,
        "UpdateArtifact": NO,
        "DeleteArtifact": NO,
        "SetArtifactAlias": NO,
        "DeleteArtifactAlias": NO,
        "LinkArtifactVersion": YES,
        "UnlinkArtifactVersion": NO,
        "ListArtifactAliases": NO,
        "ListArtifactLinks": NO,
        "ListArtifactLineage": NO,
    },
    "cache": {
        "LookupCacheEntry": NO,
        "LookupCacheEntries": NO,
        "ReserveCacheEntry": NO,
        "RenewCacheLeases": NO,
        "WaitForCacheEntry": NO,
        "FailCacheLease": NO,
        "ReleaseCacheLease": NO,
        "ReportCacheVerification": NO,
        "InvalidateCacheEntries": NO,
        "ListCacheEntries": NO,
        "ExplainCacheEntry": NO,
        "GetCacheStatistics": NO,
    },
    "experiments": {
        "CreateExperiment": NO,
        "GetExperiment": NO,
        "ListExperiments": NO,
        "UpdateExperiment": NO,
        "DeleteExperiment": YES,
        "UndeleteExperiment": YES,
    },
    "ingest": {"Ingest": NO, "IngestStream": NO},  # the records themselves
    "iterations": {
        "CreateIteration": YES,
        "GetIteration": YES,
        "ListIterations": YES,
        "DeleteIteration": YES,
        "ClearIterations": YES,
    },
    "limits": {"GetLimits": NO},
    # They are sent beside the records, and who asks waits for them.
    "media": {"ListMediaNames": NO, "ListMedia": NO},
    "metrics": {
        "LogMetrics": YES,
        "ListMetrics": YES,
        "GetLastMetric": YES,
        "ListSeries": YES,
        "ReadSeries": YES,
        "GetBestMetric": YES,
        "DeleteMetric": YES,
        "ClearMetrics": YES,
    },
    "models": {
        "CreateModel": NO,  # many models would wait for the records of each, and a handle asks again
        "CreateModels": NO,  # as above
        "GetModel": YES,
        "ListModels": YES,
        "SearchModels": YES,
        "ListFields": YES,
        "AggregateModels": YES,
        "UpdateModel": YES,
        "AdvanceModel": YES,
        "RewindModel": YES,
        "UpdateModelTags": YES,
        "DeleteModel": YES,
        "UndeleteModel": YES,
        "CreateModule": YES,
        "ListModules": YES,
        "ListNewestModules": YES,
        "DeleteModule": YES,
        "ClearModules": YES,
    },
    "projects": {
        "CreateProject": NO,
        "GetProject": NO,
        "ListProjects": NO,
        "UpdateProject": NO,
        "DeleteProject": YES,
        "UndeleteProject": YES,
        "GetProjectStatistics": YES,
    },
    "transfers": {"LocateChunks": NO, "OpenPacks": NO, "ClosePacks": NO},
    "runs": {
        "CreateRun": YES,
        "GetRun": YES,
        "ListRuns": YES,
        "HeartbeatRun": NO,
        "FinishRun": YES,
        "ReadConsole": YES,
    },
}
FILES: dict[str, Any] = {
    "alerts": alert_pb2,
    "artifacts": artifact_pb2,
    "cache": cache_pb2,
    "experiments": experiment_pb2,
    "ingest": ingest_pb2,
    "iterations": iteration_pb2,
    "limits": limits_pb2,
    "media": media_pb2,
    "metrics": metric_pb2,
    "models": model_pb2,
    "projects": project_pb2,
    "runs": run_pb2,
    "transfers": transfer_pb2,
}
EVERY = [(stub, method) for stub, methods in METHODS.items() for method in methods]
ORDERED = [(stub, method) for stub, method in EVERY if METHODS[stub][method]]
# Streams of requests go past `call`: what they carry is in no order with records.
STREAMS = ("UploadChunks", "UploadFile", "IngestStream")
UNORDERED = [pair for pair in EVERY if pair not in ORDERED and pair[1] not in STREAMS]
STREAMED = ("ReadSeries", "ReadFile", "ReadManifest", "ReadChunks")


def test_table_has_every_method_of_the_contract() -> None:
    contract = {
        (stub, method.name)
        for stub, file in FILES.items()
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    assert contract == set(EVERY) and len(EVERY) == 96


@pytest.mark.parametrize(("stub", "method"), EVERY)
def test_client_follows_the_table(stub: str, method: str) -> None:
    (service,) = FILES[stub].DESCRIPTOR.services_by_name.values()
    request = service.methods_by_name[method].input_type._concrete_class
    assert is_ordered(request()) == METHODS[stub][method]


def test_commit_is_ordered_if_it_links() -> None:
    draft = artifact_pb2.ArtifactDraft(name="a", links=[artifact_pb2.ArtifactLink(model_id=new_id())])
    assert is_ordered(artifact_pb2.CommitArtifactRequest(draft=draft))


@dataclass(frozen=True, slots=True)
class World:
    """A model with something stored and something logged since, which waits in the spool."""

    client: xpstore.Client
    project: xpstore.Project
    experiment: Experiment
    model: Model
    stored_module: str
    module: str
    iteration: Iteration
    run: Run
    version: str

    @property
    def id(self) -> str:
        return str(self.model.id)

    @property
    def is_pending(self) -> bool:
        records = self.client.recorder._sender
        assert records is not None
        return not records.is_done


@pytest.fixture
def make(client: xpstore.Client, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], World]]:
    """Makes worlds. The sender ships only when it is asked to."""
    monkeypatch.setattr(sender, "BATCH_SECONDS", 3_600)
    attempts = []

    def world() -> World:
        project = client.project(f"order {secrets.token_hex(6)}", "order").open()
        experiment = project.experiment("e")
        model = experiment.model("h", tags=["first"])
        version = DirectoryArtifact.save(b"data", "a", project=project)
        model.metrics.log("loss", 0.5, 1, "train")
        stored = model.modules.log("stored", {"number": 1})
        model.iterations.create(1)
        client.flush()
        model.metrics.log("loss", 0.25, 6, "train")
        model.metrics.log("accuracy", 3)
        model.step = 7
        model.tags.add("second")
        module = model.modules.log("stored", {"number": 2})
        iteration = model.iterations.create(6)
        attempt = model.run()
        run = attempt.__enter__()
        attempts.append(attempt)
        return World(client, project, experiment, model, str(stored.id), str(module.id), iteration, run, version.id)

    yield world
    for attempt in attempts:
        attempt._ended.set()  # type: ignore[attr-defined]  # its heartbeats


def requests(world: World) -> dict[str, Any]:
    """A request for each ordered method, about what is pending."""
    model, iteration = world.id, str(world.iteration._wire.id)
    key = metric_pb2.SeriesKey(model_id=model, name="loss", phase="train")
    point = metric_pb2.MetricPoint(name="loss", phase="train", float_value=9.0, step=9, time_us=1)
    link = artifact_pb2.ArtifactLink(model_id=model, iteration_id=iteration)
    environment = run_pb2.RunEnvironment(packages_json="{}")
    return {
        "ListAlerts": alert_pb2.ListAlertsRequest(model_id=model),
        "LinkArtifactVersion": artifact_pb2.LinkArtifactVersionRequest(version_id=world.version, link=link),
        "DeleteExperiment": experiment_pb2.DeleteExperimentRequest(experiment_id=str(world.experiment.id)),
        "UndeleteExperiment": experiment_pb2.UndeleteExperimentRequest(experiment_id=str(world.experiment.id)),
        "CreateIteration": iteration_pb2.CreateIterationRequest(model_id=model, iteration_id=new_id(), step=6),
        "GetIteration": iteration_pb2.GetIterationRequest(iteration_id=iteration),
        "ListIterations": iteration_pb2.ListIterationsRequest(model_id=model),
        "DeleteIteration": iteration_pb2.DeleteIterationRequest(iteration_id=iteration),
        "ClearIterations": iteration_pb2.ClearIterationsRequest(model_id=model),
        "LogMetrics": metric_pb2.LogMetricsRequest(model_id=model, points=[point], writer_id=new_id()),
        "ListMetrics": metric_pb2.ListMetricsRequest(model_id=model),
        "GetLastMetric": metric_pb2.GetLastMetricRequest(model_id=model, name="loss"),
        "ListSeries": metric_pb2.ListSeriesRequest(model_ids=[model]),
        "ReadSeries": metric_pb2.ReadSeriesRequest(keys=[key]),
        "GetBestMetric": metric_pb2.GetBestMetricRequest(model_id=model, name="loss", mode=metric_pb2.BEST_MODE_MIN),
        "DeleteMetric": metric_pb2.DeleteMetricRequest(model_id=model, metric_id=new_id()),
        "ClearMetrics": metric_pb2.ClearMetricsRequest(model_id=model),
        "GetModel": model_pb2.GetModelRequest(model_id=model),
        "ListModels": model_pb2.ListModelsRequest(experiment_id=str(world.experiment.id)),
        "SearchModels": model_pb2.SearchModelsRequest(project_uid=world.project.uid, filter="metrics.loss.min < 0.3"),
        "ListFields": search_pb2.ListFieldsRequest(project_uid=world.project.uid),
        "AggregateModels": search_pb2.AggregateModelsRequest(project_uid=world.project.uid, group_by=["step", "tags"]),
        "UpdateModel": model_pb2.UpdateModelRequest(model_id=model, step=3, update_mask={"paths": ["step"]}),
        "AdvanceModel": model_pb2.AdvanceModelRequest(model_id=model, advance_id=new_id(), delta=1),
        "RewindModel": model_pb2.RewindModelRequest(model_id=model, step=2),
        "UpdateModelTags": model_pb2.UpdateModelTagsRequest(model_id=model, remove=["second"], add=["third"]),
        "DeleteModel": model_pb2.DeleteModelRequest(model_id=model),
        "UndeleteModel": model_pb2.UndeleteModelRequest(model_id=model),
        "CreateModule": model_pb2.CreateModuleRequest(model_id=model, module_id=new_id(), name="third"),
        "ListModules": model_pb2.ListModulesRequest(model_id=model),
        "ListNewestModules": model_pb2.ListNewestModulesRequest(model_ids=[model]),
        "DeleteModule": model_pb2.DeleteModuleRequest(module_id=world.module),
        "ClearModules": model_pb2.ClearModulesRequest(model_id=model),
        "DeleteProject": project_pb2.DeleteProjectRequest(project_uid=world.project.uid),
        "UndeleteProject": project_pb2.UndeleteProjectRequest(project_uid=world.project.uid),
        "GetProjectStatistics": project_pb2.GetProjectStatisticsRequest(project_uid=world.project.uid),
        "CreateRun": run_pb2.CreateRunRequest(model_id=model, run_id=new_id(), environment=environment),
        "GetRun": run_pb2.GetRunRequest(run_id=str(world.run.id)),
        "ListRuns": run_pb2.ListRunsRequest(model_id=model),
        "FinishRun": run_pb2.FinishRunRequest(run_id=str(world.run.id), status=run_pb2.RUN_STATUS_FAILED),
        "ReadConsole": run_pb2.ReadConsoleRequest(run_id=str(world.run.id)),
    }


# What differs between two worlds and says nothing of the order.
_OWN = ("id", "Id", "Uid", "Us", "By", "etag", "Token", "ordinals", "Ordinal", "environment")


def shown(answer: Any) -> Any:
    """An answer without ids and times."""
    if isinstance(answer, dict):
        return {key: shown(value) for key, value in answer.items() if not key.endswith(_OWN)}
    return [shown(item) for item in answer] if isinstance(answer, list) else answer


def answer_of(world: World, stub: str, method: str) -> Any:
    request = requests(world)[method]
    bound = getattr(getattr(world.client.stubs, stub), method)
    try:
        if method in STREAMED:
            return [shown(MessageToDict(part)) for part in world.client.stream(bound, request)]
        return shown(MessageToDict(world.client.call(bound, request)))
    except Error as error:
        return type(error).__name__


def state_of(world: World) -> Any:
    """What there is afterwards, all of it sent."""
    world.client.flush()
    try:
        model = world.model
        return {
            "points": [(point.name, point.value, point.step) for point in model.metrics.list()],
            "step": model.step,
            "tags": model.tags.list(),
            "modules": [(module.name, module.attributes) for module in model.modules.list()],
            "iterations": [iteration.step for iteration in model.iterations.list()],
            "runs": [run.status for run in model.runs],
        }
    except NotFound:
        return "gone"


@pytest.mark.parametrize(("stub", "method"), ORDERED)
def test_call_finds_what_was_logged_before_it(stub: str, method: str, make: Callable[[], World]) -> None:
    def world() -> World:
        made = make()
        deletions: dict[str, Callable[[], None]] = {
            "UndeleteProject": made.project.delete,
            "UndeleteExperiment": partial(made.project.experiments.delete, made.experiment.id),
            "UndeleteModel": partial(made.experiment.models.delete, made.model.id),
        }
        if method in deletions:  # what is logged of a deleted model is dropped, whenever it is sent
            deletions[method]()
            made.model.metrics.log("late", 1.0)
        return made

    flushed = world()
    flushed.client.flush()
    expected = answer_of(flushed, stub, method), state_of(flushed)
    pending = world()
    assert pending.is_pending
    answer = answer_of(pending, stub, method)
    assert not pending.is_pending, "sent first"
    assert (answer, state_of(pending)) == expected


@pytest.mark.parametrize(("stub", "method"), UNORDERED)
def test_call_that_records_cannot_change_does_not_send_them(stub: str, method: str, make: Callable[[], World]) -> None:
    world = make()
    (service,) = FILES[stub].DESCRIPTOR.services_by_name.values()
    request = getattr(FILES[stub], service.methods_by_name[method].input_type.name)()
    bound = getattr(getattr(world.client.stubs, stub), method)
    with contextlib.suppress(Error):  # most refuse an empty request
        list(world.client.stream(bound, request)) if method in STREAMED else world.client.call(bound, request)
    assert world.is_pending


def test_links_of_a_save_find_what_is_pending(make: Callable[[], World]) -> None:
    world = make()
    artifact = DirectoryArtifact.save(b"other", "b", iteration=world.iteration, step=6, project=world.project)
    assert not world.is_pending and artifact.step == 6
    assert [one.name for one in world.iteration.artifacts.list()] == ["b"]
    again = make()
    DirectoryArtifact.save(b"third", "c", project=again.project)
    assert again.is_pending, "a save without links asks for nothing of the spool"
