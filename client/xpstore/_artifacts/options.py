"""What a caller may say of a version, and the draft of the contract that it becomes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, TypedDict
from uuid import UUID

from xpstore._session.project import ProjectBase
from xpstore._values.checks import invalid, to_alias, to_free_text, to_name, to_step, to_uuid
from xpstore._values.json_text import to_json
from xpstore.errors import InvalidArgument
from xpstore.v1 import artifact_pb2 as pb

# Aliases, or used versions, of one version.
MAX_LISTED = 1_000


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
        metadata: a JSON object; keys that are numbers, True, False or None become text.
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
    metadata: Mapping[Any, Any] | None
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

    All is checked by the server's rules: what it would refuse is refused before a byte is sent.

    Raises:
        InvalidArgument: a value is malformed, or a step is given without what it is of.
        TypeError: there is no such option.
    """
    if unknown := sorted(options.keys() - SaveOptions.__annotations__.keys()):
        raise TypeError(f"there is no option {unknown[0]!r}: there are {', '.join(SaveOptions.__annotations__)}")
    metadata, description, link = options.get("metadata"), options.get("description"), _link(options)
    is_said = metadata is not None
    if is_said and not isinstance(metadata, Mapping):
        raise InvalidArgument(f"metadata is a {type(metadata).__name__}: must be a dictionary")
    whole = {**implied, **(metadata or {})}
    if changed := [key for key in implied if whole[key] != implied[key]]:
        key = changed[0]
        fix = f"says how the object is read, which is {implied[key]!r}: take another key"
        raise InvalidArgument(f"metadata[{key!r}] = {whole[key]!r}: {fix}")
    return pb.ArtifactDraft(
        name=to_name("name", name),
        type=type_,
        description=to_free_text("description", description) if description is not None else None,
        metadata_json=to_json("metadata", whole, is_canonical=True) if is_said or implied else "",
        metadata_is_implied=not is_said,
        aliases=[to_alias("aliases", alias) for alias in _listed("aliases", options.get("aliases", ()))],
        links=[link] if link is not None else [],
        used_version_ids=[to_uuid("used", _id_of("used", one)) for one in _listed("used", options.get("used", ()))],
        force=bool(options.get("force", False)),
    )


def _listed(field: str, values: Any) -> list[Any]:
    """Several values, or one."""
    try:
        some = [values] if isinstance(values, str) or hasattr(values, "id") else list(values)
    except TypeError:
        raise invalid(field, values, "must be a list") from None
    if len(some) > MAX_LISTED:
        raise invalid(field, some, f"must be at most {MAX_LISTED}, are {len(some)}")
    return some


def _id_of(field: str, value: Any) -> Any:
    id_ = value if isinstance(value, (str, UUID)) else getattr(value, "id", None)
    if id_ is None:
        raise invalid(field, value, f"must be what has an id, not {type(value).__name__}")
    return id_


def _link(options: SaveOptions) -> pb.ArtifactLink | None:
    model, iteration, step = options.get("model"), options.get("iteration"), options.get("step")
    step = to_step("step", step) if step is not None else None
    if model is None and iteration is None:
        if step is not None:
            raise InvalidArgument(f"step = {step}: a step needs the model or iteration it is of")
        return None
    owner = None if iteration is None else getattr(iteration, "model_id", None)
    if iteration is not None and owner is None:
        raise invalid("iteration", iteration, f"must be an iteration, not {type(iteration).__name__}")
    if model is not None and owner not in (None, _id_of("model", model)):
        raise invalid("iteration", iteration, f"is an iteration of another model, {owner}")
    return pb.ArtifactLink(
        model_id=to_uuid("model", owner if model is None else _id_of("model", model)),
        iteration_id=None if iteration is None else to_uuid("iteration", _id_of("iteration", iteration)),
        step=step,
    )
