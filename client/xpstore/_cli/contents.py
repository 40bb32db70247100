"""What is in a project, an experiment and an artifact, in as many calls as it has pages, however much else there is."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from xpstore._artifacts.versions import list_versions
from xpstore._service.paging import iterate
from xpstore.artifact import Artifact
from xpstore.project import Project
from xpstore.v1 import artifact_pb2 as pb

# Versions whose aliases are told of an artifact.
SHOWN = 100


def project_rows(project: Project) -> list[dict[str, Any]]:
    """The experiments of a project, and its artifacts at their newest."""
    return [
        *(
            {"kind": "experiment", "name": experiment.name, "created_at": experiment.created_at}
            for experiment in project.experiments.list()
        ),
        *({"kind": "artifact", **artifact_row(artifact)} for artifact in newest_artifacts(project)),
    ]


def newest_artifacts(project: Project) -> Iterator[Artifact]:
    """Yields the newest version of each artifact of a project."""
    client, request = project._client, pb.ListArtifactsRequest(project_uid=project.uid)
    for artifact in iterate(client, client.stubs.artifacts.ListArtifacts, request, "artifacts"):
        yield Artifact._from_wire(artifact.latest, client, project)


def artifact_row(artifact: Artifact) -> dict[str, Any]:
    """What is told of a version."""
    columns = ("name", "version", "type_", "size_bytes", "aliases", "created_at", "id", "digest")
    return {column.rstrip("_"): getattr(artifact, column) for column in columns}


def has_several_versions(artifact: Artifact) -> bool:
    """Whether there are others of its name."""
    return len(_versions(artifact, 2)) > 1


def versions_told(artifact: Artifact) -> str:
    """Which versions there are of an artifact, and what aliases the newest of them have."""
    (oldest,), newest = _versions(artifact, 1), _versions(artifact, SHOWN, descending=True)
    first, last = oldest.version, newest[0].version
    told = f"it has versions {first} to {last}" if first != last else f"it has version {first}"
    aliases = sorted(alias for version in newest for alias in version.aliases)
    more = max(len(aliases), sum(version.alias_count for version in newest)) - SHOWN
    listed = ", ".join(aliases[:SHOWN]) + (f" and {more} more" if more > 0 else "")
    return f"{told}, and the aliases {listed}" if aliases else told


def _versions(artifact: Artifact, count: int, *, descending: bool = False) -> list[pb.ArtifactVersion]:
    request = pb.ListArtifactVersionsRequest(
        project_uid=artifact._wire.project_uid, name=artifact.name, descending=descending
    )
    return list(islice(list_versions(artifact._client, request, page_size=count), count))


def alias_rows(artifact: Artifact) -> list[dict[str, Any]]:
    """All aliases of an artifact, and the version that each points to."""
    client, request = artifact._client, pb.ListArtifactAliasesRequest(artifact_id=artifact._wire.artifact_id)
    found = iterate(client, client.stubs.artifacts.ListArtifactAliases, request, "aliases")
    return [{"alias": one.alias, "version": one.version} for one in found]
