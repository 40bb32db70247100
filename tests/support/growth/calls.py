"""Calls that are usual, as a service's method and its request, of the rows that `support.growth.rows` makes."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from support.growth.rows import ARTIFACT, EXPERIMENT, ITERATION, MANY, MODEL, PROJECT, VERSION, uuid
from xpstore.v1 import (
    alert_pb2,
    artifact_pb2,
    cache_pb2,
    experiment_pb2,
    iteration_pb2,
    media_pb2,
    metric_pb2,
    model_pb2,
    project_pb2,
    run_pb2,
)

PAGE = 20


class Fresh(Protocol):
    """What nothing has yet."""

    @property
    def numbers(self) -> Iterator[int]:
        """Numbers, each once."""

    def fresh_id(self) -> str:
        """An id."""


Request = Callable[[Fresh], tuple[str, Any]]


def _versions(**filters: Any) -> Request:
    return lambda grown: (
        "Artifact.ListArtifactVersions",
        artifact_pb2.ListArtifactVersionsRequest(project_uid=uuid(PROJECT), page_size=PAGE, **filters),
    )


def _named(name: str, **selector: Any) -> Request:
    source = artifact_pb2.ArtifactName(project_id="p 0", name=name, **selector)
    return lambda grown: ("Artifact.GetArtifactVersion", artifact_pb2.GetArtifactVersionRequest(artifact_name=source))


def _call(method: str, request: Any) -> Request:
    return lambda grown: (method, request)


READS: dict[str, Request] = {
    "get_by_name: the newest": _named("many"),
    "get_by_name: by number": _named("many", version=5),
    "get_by_name: by alias": _named("many", alias="best"),
    "versions of an artifact that has one": _versions(name="name 3"),
    "versions of an artifact that has all": _versions(name="many"),
    "artifacts.get: the newest": _versions(name="many", descending=True),
    "artifacts.get: by number": _versions(name="many", version=5),
    "artifacts.get: by alias": _versions(name="many", alias="best"),
    "artifacts.get: by step": _versions(name="many", step=7),
    "versions by number": _versions(version=9),
    "versions by alias": _versions(alias="best"),
    "versions by step": _versions(step=7),
    "versions of a rare type": _versions(type="dataset"),
    "versions of a common type": _versions(type="directory"),
    "versions of a model": _versions(model_id=uuid(MODEL + 5)),
    "versions of a model, by name": _versions(model_id=uuid(MODEL + 5), name="many"),
    "versions of a model that has all": _versions(model_id=uuid(MODEL)),
    "versions of an iteration": _versions(model_id=uuid(MODEL + 1), iteration_id=uuid(ITERATION + 2)),
    "versions of a project": _versions(),
    "versions of a project, newest first": _versions(descending=True),
    "ListArtifacts": _call(
        "Artifact.ListArtifacts", artifact_pb2.ListArtifactsRequest(project_uid=uuid(PROJECT), page_size=PAGE)
    ),
    "ListArtifacts of a rare type": _call(
        "Artifact.ListArtifacts",
        artifact_pb2.ListArtifactsRequest(project_uid=uuid(PROJECT), type="dataset", page_size=PAGE),
    ),
    "ListMediaNames": _call(
        "Media.ListMediaNames", media_pb2.ListMediaNamesRequest(model_id=uuid(MODEL), page_size=PAGE)
    ),
    "ListMedia": _call("Media.ListMedia", media_pb2.ListMediaRequest(model_id=uuid(MODEL), page_size=PAGE)),
    "ListMedia of the last": _call(
        "Media.ListMedia", media_pb2.ListMediaRequest(model_id=uuid(MODEL + 1), descending=True, page_size=PAGE)
    ),
    "ListMedia of a name that has one": _call(
        "Media.ListMedia", media_pb2.ListMediaRequest(model_id=uuid(MODEL), names=["0000700"], page_size=PAGE)
    ),
    "ListMedia of a name that has many": _call(
        "Media.ListMedia", media_pb2.ListMediaRequest(model_id=uuid(MODEL + 1), names=["0000000"], page_size=PAGE)
    ),
    "GetArtifact": _call(
        "Artifact.GetArtifact",
        artifact_pb2.GetArtifactRequest(artifact_name=artifact_pb2.ArtifactName(project_id="p 0", name="many")),
    ),
    "ListArtifactAliases": _call(
        "Artifact.ListArtifactAliases",
        artifact_pb2.ListArtifactAliasesRequest(artifact_id=uuid(ARTIFACT), page_size=PAGE),
    ),
    "ListArtifactLinks": _call(
        "Artifact.ListArtifactLinks",
        artifact_pb2.ListArtifactLinksRequest(version_id=uuid(VERSION + 1), page_size=PAGE),
    ),
    "ListArtifactLineage": _call(
        "Artifact.ListArtifactLineage",
        artifact_pb2.ListArtifactLineageRequest(version_id=uuid(VERSION + 2), page_size=PAGE),
    ),
    "ListArtifactLineage of users": _call(
        "Artifact.ListArtifactLineage",
        artifact_pb2.ListArtifactLineageRequest(version_id=uuid(VERSION + 1), users=True, page_size=PAGE),
    ),
    "versions by latest": _versions(name="many", alias="latest"),
    "get_by_name: the newest by its alias": _named("many", alias="latest"),
    "ListSeries": _call(
        "Metric.ListSeries", metric_pb2.ListSeriesRequest(model_ids=[uuid(MODEL), uuid(MODEL + 1)], page_size=PAGE)
    ),
    "ListSeries of a name": _call(
        "Metric.ListSeries",
        metric_pb2.ListSeriesRequest(model_ids=[uuid(MODEL), uuid(MODEL + 1)], names=["m 1"], page_size=PAGE),
    ),
    "GetProject": _call("Project.GetProject", project_pb2.GetProjectRequest(project_uid=uuid(PROJECT))),
    "GetExperiment": _call(
        "Experiment.GetExperiment", experiment_pb2.GetExperimentRequest(experiment_id=uuid(EXPERIMENT))
    ),
    "ListProjects": _call("Project.ListProjects", project_pb2.ListProjectsRequest(page_size=PAGE)),
    "ListExperiments": _call(
        "Experiment.ListExperiments", experiment_pb2.ListExperimentsRequest(project_uid=uuid(PROJECT), page_size=PAGE)
    ),
    "GetModel by hash": _call(
        "Model.GetModel",
        model_pb2.GetModelRequest(
            model_hash=model_pb2.ModelHash(experiment_id=uuid(EXPERIMENT), hash="hash 5"),
        ),
    ),
    "ListModels": _call(
        "Model.ListModels", model_pb2.ListModelsRequest(experiment_id=uuid(EXPERIMENT), page_size=PAGE)
    ),
    "ListRuns": _call("Run.ListRuns", run_pb2.ListRunsRequest(model_id=uuid(MODEL + 1), page_size=PAGE)),
    "ListAlerts of a model": _call(
        "Alert.ListAlerts", alert_pb2.ListAlertsRequest(model_id=uuid(MODEL + 1), page_size=PAGE)
    ),
    "ListAlerts of a project": _call(
        "Alert.ListAlerts", alert_pb2.ListAlertsRequest(project_uid=uuid(PROJECT), page_size=PAGE)
    ),
    "ListIterations": _call(
        "Iteration.ListIterations", iteration_pb2.ListIterationsRequest(model_id=uuid(MODEL + 1), page_size=PAGE)
    ),
    "ListModules": _call("Model.ListModules", model_pb2.ListModulesRequest(model_id=uuid(MODEL), page_size=PAGE)),
    "ListModules beside those of iterations": _call(
        "Model.ListModules", model_pb2.ListModulesRequest(model_id=uuid(MODEL + 1), page_size=PAGE)
    ),
    "ListNewestModules": _call(
        "Model.ListNewestModules",
        model_pb2.ListNewestModulesRequest(model_ids=[uuid(MODEL), uuid(MODEL + 1), uuid(MODEL + 2)], page_size=PAGE),
    ),
    "LookupCacheEntry": _call(
        "Cache.LookupCacheEntry",
        cache_pb2.LookupCacheEntryRequest(project_uid=uuid(PROJECT), fingerprint=f"{5:064x}"),
    ),
    "ListCacheEntries": _call(
        "Cache.ListCacheEntries", cache_pb2.ListCacheEntriesRequest(project_uid=uuid(PROJECT), page_size=PAGE)
    ),
    "ListCacheEntries of a rare process": _call(
        "Cache.ListCacheEntries",
        cache_pb2.ListCacheEntriesRequest(project_uid=uuid(PROJECT), process_name="rare", page_size=PAGE),
    ),
    "GetCacheStatistics": _call(
        "Cache.GetCacheStatistics", cache_pb2.GetCacheStatisticsRequest(project_uid=uuid(PROJECT))
    ),
}

WRITES: dict[str, Request] = {
    "save one more": lambda grown: (
        "Artifact.CommitArtifact",
        artifact_pb2.CommitArtifactRequest(
            project_uid=uuid(PROJECT),
            version_id=grown.fresh_id(),
            draft=artifact_pb2.ArtifactDraft(name="many", type="directory", force=True),
        ),
    ),
    "save the same for another model": lambda grown: (
        "Artifact.CommitArtifact",
        artifact_pb2.CommitArtifactRequest(
            project_uid=uuid(PROJECT),
            version_id=grown.fresh_id(),
            draft=artifact_pb2.ArtifactDraft(
                name="same",
                type="directory",
                links=[artifact_pb2.ArtifactLink(model_id=uuid(MODEL + 1), step=next(grown.numbers))],
            ),
        ),
    ),
    "alias": lambda grown: (
        "Artifact.SetArtifactAlias",
        artifact_pb2.SetArtifactAliasRequest(version_id=uuid(MANY + 1 + next(grown.numbers) % 2), alias="good"),
    ),
    "link": lambda grown: (
        "Artifact.LinkArtifactVersion",
        artifact_pb2.LinkArtifactVersionRequest(
            version_id=uuid(MANY + 4),
            link=artifact_pb2.ArtifactLink(model_id=uuid(MODEL + 2), step=next(grown.numbers)),
        ),
    ),
    "create a model": lambda grown: (
        "Model.CreateModel",
        model_pb2.CreateModelRequest(
            experiment_id=uuid(EXPERIMENT), model_id=grown.fresh_id(), hash=f"new {next(grown.numbers)}", tags=["a"]
        ),
    ),
    "begin a run": lambda grown: (
        "Run.CreateRun",
        run_pb2.CreateRunRequest(model_id=uuid(MODEL + 1), run_id=grown.fresh_id()),
    ),
    "log a module": lambda grown: (
        "Model.CreateModule",
        model_pb2.CreateModuleRequest(model_id=uuid(MODEL), module_id=grown.fresh_id(), name="encoder"),
    ),
}
