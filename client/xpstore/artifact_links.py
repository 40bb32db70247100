"""The artifacts of a project, a model or an iteration: what `project.artifacts` and its like return."""

from typing import Any

from xpstore._artifacts.versions import list_versions
from xpstore._media.content import MEDIA_TYPE
from xpstore._session.client import ClientBase
from xpstore._session.project import ProjectBase
from xpstore._values.checks import to_int64, to_name, to_step
from xpstore.artifact import Artifact
from xpstore.errors import InvalidArgument
from xpstore.v1 import artifact_pb2 as pb


class _Artifacts:
    """Artifacts of a project, a model or an iteration."""

    def __init__(
        self,
        client: ClientBase,
        project_uid: str,
        *,
        project: ProjectBase | None = None,
        model_id: str | None = None,
        iteration_id: str | None = None,
    ) -> None:
        self._client = client
        self._project_uid = project_uid
        self._project = project
        self._model_id = model_id
        self._iteration_id = iteration_id

    def list(self, name: str | None = None) -> list[Artifact]:
        """Returns all versions, oldest first; of one name if given, else without media, which `model.media` lists."""
        request = self._request(name=to_name("name", name) if name is not None else None)
        wires = list_versions(self._client, request)
        shown = (wire for wire in wires if name is not None or wire.type != MEDIA_TYPE)
        return [Artifact._from_wire(wire, self._client, self._project) for wire in shown]

    def get(
        self, name: str, *, version: int | None = None, alias: str | None = None, step: int | None = None
    ) -> Artifact | None:
        """Returns the newest version of a name, or that of a number, an alias or a step; None if there is none."""
        step = to_step("step", step) if step is not None else None
        version = to_int64("version", version) if version is not None else None
        alias = to_name("alias", alias) if alias is not None else None
        request = self._request(name=to_name("name", name), step=step, version=version, alias=alias)
        request.descending = True
        page_size = 1 if version is None and alias is None else None
        for wire in list_versions(self._client, request, page_size):
            # A server that does not know a field of the request yet gives others too.
            is_aliased = alias in (None, "latest", *wire.aliases) or wire.alias_count > len(wire.aliases)
            if version in (None, wire.version) and is_aliased:
                return Artifact._from_wire(wire, self._client, self._project)
        return None

    def __repr__(self) -> str:
        of = {"project_uid": self._project_uid, "model_id": self._model_id, "iteration_id": self._iteration_id}
        return f"{type(self).__name__}({', '.join(f'{key}={id_!r}' for key, id_ in of.items() if id_ is not None)})"

    def _request(self, **filters: Any) -> pb.ListArtifactVersionsRequest:
        return pb.ListArtifactVersionsRequest(
            project_uid=self._project_uid, model_id=self._model_id, iteration_id=self._iteration_id, **filters
        )


class ProjectArtifacts(_Artifacts):
    """Artifacts of a project."""

    def __init__(self, project: ProjectBase) -> None:
        super().__init__(project._client, project.uid, project=project)

    def log(self, artifact: Artifact) -> Artifact:
        """Returns an artifact of this project as it is: it is in the project already.

        Raises:
            InvalidArgument: it is of another project.
        """
        if artifact._wire.project_uid != self._project_uid:
            raise InvalidArgument(f"{artifact!r} is of another project: save it here instead")
        return artifact

    def remove(self, artifact: Artifact) -> None:
        """Deletes a version; does nothing when it is gone."""
        self.log(artifact).delete()


class ModelArtifacts(_Artifacts):
    """Artifacts linked to a model."""

    def log(self, artifact: Artifact, *, step: int | None = None) -> Artifact:
        """Links a version; linking twice changes nothing."""
        step = to_step("step", step) if step is not None else None
        link = pb.ArtifactLink(model_id=self._model_id, iteration_id=self._iteration_id, step=step)
        request = pb.LinkArtifactVersionRequest(version_id=artifact.id, link=link)
        artifact._mirror(self._client.call(self._client.stubs.artifacts.LinkArtifactVersion, request).version)
        return artifact

    def remove(self, artifact: Artifact) -> None:
        """Unlinks a version, which stays in the project; does nothing when it is not linked."""
        request = pb.UnlinkArtifactVersionRequest(
            version_id=artifact.id, model_id=self._model_id, iteration_id=self._iteration_id
        )
        self._client.call(self._client.stubs.artifacts.UnlinkArtifactVersion, request)


class IterationArtifacts(ModelArtifacts):
    """Artifacts linked to an iteration."""
