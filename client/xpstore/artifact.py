"""Artifacts: versioned, immutable trees of files with a name, aliases, metadata and lineage."""

import io
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any, ClassVar, Literal, NoReturn, Self, Unpack, overload

from xpstore._artifacts.contents import ArtifactContents, ArtifactFile
from xpstore._artifacts.options import SaveOptions, make_draft
from xpstore._artifacts.saving import Save, promised, recorded
from xpstore._artifacts.staging import Staged, commit_staged, stage
from xpstore._artifacts.versions import found, get_model, get_named_version, get_version, list_versions
from xpstore._files.scan import Source, scan
from xpstore._identity.nodes import NodeType, seal
from xpstore._results.copies import LocalCopies
from xpstore._results.formats import format_of, readable
from xpstore._session.client import ClientBase
from xpstore._session.current import get_client
from xpstore._session.project import ProjectBase, get_project
from xpstore._session.registry import handle
from xpstore._values.checks import to_alias, to_free_text, to_int64, to_name
from xpstore.errors import InvalidArgument, NotFound
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import project_pb2

__all__ = [
    "Artifact",
    "ArtifactFile",
    "CachedArtifact",
    "DatasetArtifact",
    "DirectoryArtifact",
    "ExplanationArtifact",
    "SaveOptions",
    "Staged",
    "TrainedModelArtifact",
    "stage",
]

# What may be assigned on an artifact.
_ASSIGNABLE = ("name", "description")


class Artifact(ArtifactContents):
    """One version of an artifact, as the server has it.

    Only `name` and `description` may be assigned, and assigning them updates the server: `name` renames the whole
    artifact, `description` is this version's.

    Example:
        ```python
        artifact = DirectoryArtifact.save("checkpoints/", "run-7", aliases=["latest-good"])
        DirectoryArtifact.get_by_name("run-7", alias="latest-good").download("restored/")
        ```
    """

    type_: ClassVar[str] = "artifact"
    _classes: ClassVar[dict[str, type["Artifact"]]] = {}
    _client: ClientBase
    _project: ProjectBase | None

    def __init_subclass__(cls) -> None:
        if "type_" in cls.__dict__:
            Artifact._classes[cls.type_] = cls

    def __init__(self, *_: Any, **__: Any) -> None:
        raise TypeError(f"Use {type(self).__name__}.save, .get_by_id or .get_by_name")

    @classmethod
    def _from_wire(cls, wire: pb.ArtifactVersion, client: ClientBase, project: ProjectBase | None = None) -> Self:
        kind = Artifact._classes.get(wire.type, Artifact)
        if not issubclass(kind, cls):
            raise NotFound(f"{wire.name!r} is a {kind.__name__}, not a {cls.__name__}.", reason="NOT_FOUND")
        artifact = object.__new__(kind)
        for name, value in (("_wire", wire), ("_client", client), ("_project", project)):
            object.__setattr__(artifact, name, value)
        return artifact

    @classmethod
    @overload
    def save(cls, source: Any, name: str, *, wait: Literal[True] = True, **options: Unpack[SaveOptions]) -> Self: ...

    @classmethod
    @overload
    def save(
        cls, source: Any, name: str, *, wait: Literal[False], **options: Unpack[SaveOptions]
    ) -> "Future[Self]": ...

    @classmethod
    def save(
        cls, source: Any, name: str, *, wait: bool = True, **options: Unpack[SaveOptions]
    ) -> "Self | Future[Self]":
        """Saves files as the next version of an artifact, and returns that version.

        Content that the newest version has already makes no new version: that one is returned, and links and aliases
        are added to it, unless `description` or `metadata` are given and differ, `force` is set, or it would have more
        than 1,000 of them: so the same may be saved for any number of models.

        Args:
            source: a path of a file or directory, bytes, or (for models, data sets and explanations) an object whose
                type has a safe format.
            name: name of the artifact in its project, over all kinds.
            wait: False returns a future at once. The source is read in the background: a file that changes meanwhile is
                stored as it is then, or refused. The program does not end before it is saved; if that fails and nobody
                asks the future, the program says so on standard error and exits with a status that is not 0. While the
                server is away it waits in the spool (docs/offline.md), and is sent later.
            options: see `SaveOptions`.

        Raises:
            InvalidArgument: the path is missing, a file changes each time that it is read, the object has no safe
                format, or the name is of another kind.
            NoProject: there is no current project.
        """
        project = options.get("project") or get_project()
        sources, extra = cls._sources(source)
        iteration, reread = options.get("iteration"), options.get("reread", False)
        if not wait and iteration is not None:  # which it is on the server is asked in the background
            options["iteration"] = recorded(iteration)
        draft = make_draft(name, cls.type_, extra, options)
        project.open()  # now that the arguments are sound: it may be made by this
        job = Save(project, draft, sources, reread, None if wait else iteration)
        if wait:
            return cls._from_wire(job.publish(), project._client, project)
        return promised(job, lambda wire: cls._from_wire(wire, project._client, project))

    @classmethod
    def _sources(cls, source: Any) -> tuple[Iterable[Source], dict[str, Any]]:
        """What to save, and metadata that says how to load it."""
        if not isinstance(source, (str, bytes)) and not hasattr(source, "__fspath__"):
            raise InvalidArgument(f"source is a {type(source).__name__}: {cls.__name__} takes a path or bytes")
        return scan(source), {}

    @classmethod
    def load_all(cls, *, project: ProjectBase | None = None) -> list[Self]:
        """Returns all versions of all artifacts of this kind in the current project, oldest first."""
        project = (project or get_project()).open()
        request = pb.ListArtifactVersionsRequest(project_uid=project.uid)
        if cls is not Artifact:
            request.type = cls.type_
        return [cls._from_wire(wire, project._client, project) for wire in list_versions(project._client, request)]

    @classmethod
    def get_by_id(cls, id: str) -> Self:
        """Returns the version of this id.

        Raises:
            NotFound: there is none, or it is of another kind.
        """
        client = get_client()
        return cls._from_wire(get_version(client, str(id)), client)

    @classmethod
    def get_by_name(
        cls, name: str, *, version: int | None = None, alias: str | None = None, project: ProjectBase | None = None
    ) -> Self:
        """Returns a version by name: the newest, or that of a number or an alias.

        Raises:
            NotFound: there is none, or it is of another kind.
            InvalidArgument: both a number and an alias are given.
        """
        if version is not None and alias is not None:
            raise InvalidArgument("version and alias are given: one of them selects a version")
        name, version = to_name("name", name), to_int64("version", version) if version is not None else None
        alias = to_name("alias", alias) if alias is not None else None
        project = (project or get_project()).open()
        source = pb.ArtifactName(project_id=project.id, name=name, version=version, alias=alias)
        return cls._from_wire(get_named_version(project._client, source), project._client, project)

    @staticmethod
    def unalias(name: str, alias: str, *, project: ProjectBase | None = None) -> None:
        """Removes an alias; does nothing when it is not there."""
        name, alias = to_name("name", name), to_name("alias", alias)
        project = (project or get_project()).open()
        request = pb.DeleteArtifactAliasRequest(project_uid=project.uid, name=name, alias=alias)
        project._client.call(project._client.stubs.artifacts.DeleteArtifactAlias, request)

    @property
    def name(self) -> str:
        """Name of the artifact, of all its versions."""
        return self._wire.name

    @name.setter
    def name(self, name: str) -> None:
        request = pb.UpdateArtifactRequest(artifact_id=self._wire.artifact_id, name=to_name("name", name))
        request.update_mask.paths.append("name")
        self._client.call(self._client.stubs.artifacts.UpdateArtifact, request)
        self.refresh()

    @property
    def description(self) -> str | None:
        """Free text of this version."""
        return self._wire.description if self._wire.HasField("description") else None

    @description.setter
    def description(self, description: str | None) -> None:
        description = to_free_text("description", description) if description is not None else None
        request = pb.UpdateArtifactVersionRequest(version_id=self.id, description=description)
        request.update_mask.paths.append("description")
        self._mirror(self._client.call(self._client.stubs.artifacts.UpdateArtifactVersion, request).version)

    # `Any`: a project gives out artifacts, and its class cannot be named here without a circle.

    @property
    def project(self) -> Any:
        """The `Project` it is in."""
        if self._project is None:
            request = project_pb2.GetProjectRequest(project_uid=self._wire.project_uid)
            wire = self._client.call(self._client.stubs.projects.GetProject, request).project
            object.__setattr__(self, "_project", handle(wire, self._client))
        return self._project

    @property
    def project_id(self) -> str:
        """The caller's id of its project."""
        return str(self.project.id)

    @property
    def model(self) -> Any:
        """The first `Model` it was linked to, if that is still there; else None."""
        ids = (link.model_id for link in self._links())
        return next(found(lambda id_: get_model(self._client, id_), ids), None)

    @property
    def step(self) -> int | None:
        """The first step it was linked with."""
        return next((link.step for link in self._links() if link.HasField("step")), None)

    @property
    def used(self) -> "list[Artifact]":
        """The versions it was made from, without those deleted since."""
        wires = found(lambda id_: get_version(self._client, id_), self._used_ids())
        return [Artifact._from_wire(wire, self._client) for wire in wires]

    def refresh(self) -> Self:
        """Fetches what the server has now, such as aliases and links that others set."""
        object.__setattr__(self, "_wire", get_version(self._client, self.id))
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _ASSIGNABLE:
            raise AttributeError(f"{name!r} cannot be assigned: only {' and '.join(_ASSIGNABLE)} can")
        super().__setattr__(name, value)

    def _mirror(self, wire: pb.ArtifactVersion) -> None:
        object.__setattr__(self, "_wire", wire)

    def versions(self) -> list[Self]:
        """Returns all versions of this artifact, oldest first.

        Raises:
            Unavailable: it waits in the spool.
        """
        self._check_sent("versions")
        request = pb.ListArtifactVersionsRequest(project_uid=self._wire.project_uid, name=self.name)
        return [
            type(self)._from_wire(wire, self._client, self._project) for wire in list_versions(self._client, request)
        ]

    def alias(self, alias: str) -> None:
        """Points an alias to this version, wherever it pointed before."""
        request = pb.SetArtifactAliasRequest(version_id=self.id, alias=to_alias("alias", alias))
        self._mirror(self._client.call(self._client.stubs.artifacts.SetArtifactAlias, request).version)

    def delete(self, *, all_versions: bool = False) -> None:
        """Deletes this version, or all of the artifact. Deleting what is gone does nothing.

        Raises:
            Conflict: an alias points there.
        """
        stubs = self._client.stubs.artifacts
        if all_versions:
            self._client.call(stubs.DeleteArtifact, pb.DeleteArtifactRequest(artifact_id=self._wire.artifact_id))
        else:
            self._client.call(stubs.DeleteArtifactVersion, pb.DeleteArtifactVersionRequest(version_id=self.id))

    def undelete(self) -> None:
        """Brings this version back after `delete`, until its bytes are purged.

        Raises:
            NotFound: it was purged.
        """
        request = pb.UndeleteArtifactVersionRequest(version_id=self.id)
        self._mirror(self._client.call(self._client.stubs.artifacts.UndeleteArtifactVersion, request).version)

    def _fingerprint_node(self) -> bytes:
        """To the cache an artifact is its content."""
        return seal(NodeType.ARTIFACT + bytes.fromhex(self.digest))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Artifact) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        version = self._wire.version or "?"  # it waits in the spool
        return f"{type(self).__name__}(name={self.name!r}, version={version}, size_bytes={self.size_bytes})"


Artifact._classes[Artifact.type_] = Artifact


class DirectoryArtifact(Artifact):
    """Any files."""

    type_ = "directory"

    @classmethod
    def commit(cls, staged: Sequence[Staged], name: str, **options: Unpack[SaveOptions]) -> Self:
        """Publishes what several processes staged as one version.

        Args:
            staged: what `stage` returned in each of them.
            name: name of the artifact in its project, over all kinds.
            options: see `SaveOptions`.

        Raises:
            InvalidArgument: two parts have different files of the same path, or a part is of another project.
            Conflict: a part was staged more than 24 hours ago and is gone.
        """
        project = (options.get("project") or get_project()).open()
        wire = commit_staged(project, make_draft(name, cls.type_, {}, options), staged)
        return cls._from_wire(wire, project._client, project)


class _ObjectArtifact(Artifact):
    """Takes objects too."""

    _file_names: ClassVar[dict[str, str]] = {}  # of formats whose file has another name here

    @classmethod
    def _sources(cls, source: Any) -> tuple[Iterable[Source], dict[str, Any]]:
        if isinstance(source, (str, bytes)) or hasattr(source, "__fspath__"):
            return scan(source), {}
        format_ = format_of(source)
        file = io.BytesIO()
        format_.write(source, file)
        data = file.getvalue()
        name = cls._file_names.get(format_.name, format_.file_name)
        return [Source(name, data, len(data))], {"format": format_.name}


class TrainedModelArtifact(_ObjectArtifact):
    """A trained model: files, a scikit-learn estimator, a torch module or state dict, or what a dataset may be."""

    type_ = "trained_model"


class DatasetArtifact(_ObjectArtifact):
    """Data: files, a numpy array, a pandas DataFrame, a pyarrow Table, a JSON object or list, a figure or an image."""

    type_ = "dataset"


class ExplanationArtifact(_ObjectArtifact):
    """An explanation of a model: files with a `results.json` among them, or a JSON object or list."""

    type_ = "explanation"
    _file_names: ClassVar[dict[str, str]] = {"json": "results.json"}

    @property
    def results(self) -> Any:
        """What `results.json`, or else its only file, holds."""
        names = [file.path for file in self._files("results.json")]
        return self.load("results.json") if "results.json" in names else self.load()


class CachedArtifact(Artifact):
    """The result of a cached computation; `name` is that of its process, `hash_` the fingerprint of the call."""

    type_ = "cached"

    @classmethod
    def save(cls, source: Any, name: str, **_: Any) -> NoReturn:
        """Results are saved by `@cached` and `project.cache.get_or_compute`."""
        raise InvalidArgument(f"{cls.__name__} is what @cached and project.cache.get_or_compute save: use those")

    def load(self, path: str = "", *, trusted: "Sequence[str] | None" = None, format: str | None = None) -> Any:
        """Returns the result, as it was when it was computed; or one file of it.

        Args:
            path: only this file.
            trusted: for scikit-learn models, names of types to allow beside skops' defaults.
            format: "pickle" to load what was cached with `format="pickle"`, which may run any code.

        Raises:
            InvalidArgument: it is a pickle and that was not asked for, or needs trusted types or a missing library.
            NotFound: it, or an artifact that is part of it, was deleted.
        """
        if path:
            return super().load(path, trusted=trusted)
        from xpstore._results.results import load  # here, as most artifacts are no results

        how: Any = {"format": format, "trusted": tuple(trusted or ())}
        return readable(repr(self.name), lambda: load(LocalCopies.here(), self._client, self._wire, **how))
