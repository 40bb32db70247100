"""What is in a project, an experiment and an artifact, in as many calls as it has pages, however much else there is."""

from itertools import islice
from typing import Any

from xpstore._artifacts.versions import list_versions
from xpstore._search.frame import last_steps
from xpstore._service.paging import iterate
from xpstore.artifact import Artifact
from xpstore.experiment import Experiment
from xpstore.project import Project
from xpstore.run import STATUS
from xpstore.v1 import artifact_pb2 as pb

# Versions whose aliases are told of an artifact.
SHOWN = 100


def project_rows(project: Project) -> list[dict[str, Any]]:
    """The experiments of a project, and its artifacts at their newest."""
    client, request = project._client, pb.ListArtifactsRequest(project_uid=project.uid)
    artifacts = iterate(client, client.stubs.artifacts.ListArtifacts, request, "artifacts")
    newest = (Artifact._from_wire(artifact.latest, client, project) for artifact in artifacts)
    return [
        *(
            {"kind": "experiment", "name": experiment.name, "created_at": experiment.created_at}
            for experiment in project.experiments.list()
        ),
        *({"kind": "artifact", **artifact_row(artifact)} for artifact in newest),
    ]


def artifact_row(artifact: Artifact) -> dict[str, Any]:
    """What is told of a version."""
    columns = ("name", "version", "type_", "size_bytes", "aliases", "created_at", "id", "digest")
    return {column.rstrip("_"): getattr(artifact, column) for column in columns}


def model_rows(experiment: Experiment) -> list[dict[str, Any]]:
    """The models of an experiment as the list of them has them: `step` and `status` of a handle are a call each."""
    models = experiment.models.list()
    steps = last_steps(experiment._client, [model._wire.id for model in models])
    return [
        {
            **{column: getattr(model, column) for column in ("hash", "name", "display_name", "created_at", "id")},
            "step": model._wire.step,
            "status": STATUS.get(model._wire.status),
            "last_step": steps[model._wire.id],
        }
        for model in models
    ]


def has_several_versions(artifact: Artifact) -> bool:
    """Whether there are others of its name."""
    return len(_versions(artifact, 2)) > 1


def versions_told(artifact: Artifact) -> str:
    """Which versions there are of an artifact, and what aliases the newest of them have."""
    (oldest,), newest = _versions(artifact, 1), _versions(artifact, SHOWN, descending=True)
    told = f"There are versions {oldest.version} to {newest[0].version} of it"
    aliases = sorted(alias for version in newest for alias in version.aliases)
    more = max(len(aliases), sum(version.alias_count for version in newest)) - SHOWN
    listed = ", ".join(aliases[:SHOWN]) + (f" and {more} more" if more > 0 else "")
    return f"{told}, and the aliases {listed}." if aliases else f"{told}."


def _versions(artifact: Artifact, count: int, *, descending: bool = False) -> list[pb.ArtifactVersion]:
    request = pb.ListArtifactVersionsRequest(
        project_uid=artifact._wire.project_uid, name=artifact.name, descending=descending
    )
    return list(islice(list_versions(artifact._client, request, page_size=count), count))
