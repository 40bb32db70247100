"""What a caller may say of a version, and the draft of the contract that it becomes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypedDict
from uuid import UUID

from xpstore._session.project import ProjectBase
from xpstore._values.checks import to_json
from xpstore.errors import InvalidArgument
from xpstore.v1 import artifact_pb2 as pb


class HasId(Protocol):
    """An artifact version."""

    @property
    def id(self) -> str:
        """Its id."""


class HasUuid(Protocol):
    """A model."""

    @property
    def id(self) -> UUID:
        """Its id."""


class OfModel(Protocol):
    """An iteration."""

    @property
    def id(self) -> UUID:
        """Its id."""

    @property
    def model_id(self) -> UUID:
        """The id of its model."""


class SaveOptions(TypedDict, total=False):
    """What may be said about a version when it is saved or committed.

    Attributes:
        description: free text of this version.
        metadata: a JSON object.
        aliases: names that shall point to this version, wherever they pointed before.
        model: the model it belongs to.
        iteration: the iteration it belongs to; implies its model.
        step: the training step it was saved at.
        used: versions it was made from, or their ids.
        force: make a new version whatever the newest one is.
        reread: read every file, also those that did not change since this machine saved them last.
        project: where to; default the current project.
    """

    description: str | None
    metadata: Mapping[str, Any] | None
    aliases: Iterable[str]
    model: HasUuid | None
    iteration: OfModel | None
    step: int | None
    used: Sequence[HasId | str]
    force: bool
    reread: bool
    project: ProjectBase | None


def make_draft(name: str, type_: str, implied: dict[str, Any], options: SaveOptions) -> pb.ArtifactDraft:
    """What the version shall be. `implied` is metadata that the content says, beside what the caller does.

    Raises:
        InvalidArgument: `metadata` is no JSON object, or a step is given without what it is of.
    """
    metadata, link = options.get("metadata"), _link(options)
    is_said = metadata is not None
    if is_said and not isinstance(metadata, Mapping):
        raise InvalidArgument(f"metadata is a {type(metadata).__name__}: must be a dictionary")
    whole = {**implied, **(metadata or {})}
    aliases = options.get("aliases", ())
    return pb.ArtifactDraft(
        name=str(name),
        type=type_,
        description=options.get("description"),
        metadata_json=to_json("metadata", whole, is_canonical=True) if is_said or implied else "",
        metadata_is_implied=not is_said,
        aliases=[aliases] if isinstance(aliases, str) else list(aliases),
        links=[link] if link is not None else [],
        used_version_ids=[one if isinstance(one, str) else one.id for one in options.get("used", ())],
        force=options.get("force", False),
    )


def _link(options: SaveOptions) -> pb.ArtifactLink | None:
    model, iteration, step = options.get("model"), options.get("iteration"), options.get("step")
    owner = model.id if model is not None else iteration.model_id if iteration is not None else None
    if owner is None:
        if step is not None:
            raise InvalidArgument(f"step = {step}: a step needs the model or iteration it is of")
        return None
    iteration_id = str(iteration.id) if iteration is not None else None
    return pb.ArtifactLink(model_id=str(owner), iteration_id=iteration_id, step=step)
