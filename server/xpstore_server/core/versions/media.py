"""Media of models by step: artifact versions whose name, link and metadata say of what they are, and how to show them.

A name has the id of its model in it and each version is new and has one link, so what is of a model is found by the
index of its links, and goes with it (`store/purge.py`).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select

from xpstore_server.core import limits, model
from xpstore_server.core.errors import Conflict, InvalidArgument
from xpstore_server.core.manifest import check_path
from xpstore_server.core.paging import Key, Page, fetch, first
from xpstore_server.core.versions.attach import Link
from xpstore_server.store import tables
from xpstore_server.store.tables import IS_MEDIA, MEDIA_PREFIX, MEDIA_TYPE, artifact_link, artifact_version
from xpstore_server.store.transaction import Transaction

named, version, link = tables.artifact, artifact_version, artifact_link


def prefix(model_id: str) -> str:
    """What the names of a model's media begin with."""
    return f"{MEDIA_PREFIX}{model_id}/"


_WITH_STEP = (
    select(version.c.metadata_json, version.c.size_bytes, version.c.created_at_us, named.c.name, link.c.step)
    .add_columns(link.c.version_id)
    .join(version, version.c.id == link.c.version_id)
    .join(named, named.c.id == version.c.artifact_id)
)

KINDS = ("image", "figure", "table", "histogram", "text", "audio")
NAME_LENGTH = limits.NAME_LENGTH - len(prefix("0" * 36))
# A caption of all that a text may have fits in, with each sign written as an escape.
METADATA_BYTES = 128 << 10
# If the names that are asked for have no more media, these are found and sorted. Else they are walked to by step.
FEW = 1_000


@dataclass(frozen=True, slots=True)
class Shown:
    """How to show a medium; all "" if its metadata do not say so."""

    kind: str = ""
    path: str = ""
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Medium:
    """A medium; the attributes are those of the contract, and `row` is its version with name and step."""

    row: Row[Any]
    name: str
    shown: Shown


@dataclass(frozen=True, slots=True)
class MediumName:
    """A name with media: the kind of the newest, how many there are, and from which step to which."""

    id: str
    name: str
    kind: str
    count: int
    first_step: int
    last_step: int


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps from one to another, both included; None: from the first, to the last."""

    start: int | None = None
    stop: int | None = None


def check_draft(*, name: str, links: Sequence[Link], metadata_json: str, is_forced: bool) -> None:
    """Refuses a medium that would be found by no list, or be of several models or steps."""
    if len(links) != 1 or links[0].step is None or links[0].iteration_id is not None:
        raise InvalidArgument("draft.links", len(links), "must be one: to the model, with the step, of no iteration")
    start = prefix(links[0].model_id)
    if not name.startswith(start) or name == start:
        raise InvalidArgument("draft.name", name, f"must be {start!r} and a name, as it is a medium of that model")
    if not is_forced:
        raise InvalidArgument("draft.force", is_forced, "must be true: each medium is a version of its own")
    check_metadata("draft.metadata_json", metadata_json)


def check_metadata(field: str, metadata_json: str) -> Shown:
    """Returns how to show a medium, or raises InvalidArgument for metadata that do not say it."""
    if len(metadata_json) > METADATA_BYTES:
        raise InvalidArgument(field, metadata_json, f"must have at most {METADATA_BYTES} characters for a medium")
    try:
        told = json.loads(metadata_json or "{}", parse_int=Decimal).get("media")  # int() refuses thousands of digits
    except RecursionError:
        told = None
    if not isinstance(told, dict):
        raise InvalidArgument(field, metadata_json, 'must have an object "media" with "kind" and "path"')
    kind, path, caption = told.get("kind"), told.get("path"), told.get("caption", "")
    if kind not in KINDS:
        raise InvalidArgument(field, metadata_json, f"media.kind must be one of {', '.join(KINDS)}")
    if not isinstance(path, str):
        raise InvalidArgument(field, metadata_json, "media.path must be the path of the file, as text")
    check_path(field, path)
    if not isinstance(caption, str) or len(caption) > limits.TEXT_LENGTH:
        fix = f"media.caption must be a text of at most {limits.TEXT_LENGTH} characters"
        raise InvalidArgument(field, metadata_json, fix)
    return Shown(kind, path, caption)


def check_content(metadata_json: str, file_count: int, path: str) -> None:
    """Refuses a tree that is not the one file that the metadata name; `path` is that of its first file."""
    told = check_metadata("draft.metadata_json", metadata_json).path
    if file_count != 1 or path != told:
        fix = f"media.path must be that of the only file; there are {file_count}, the first is {path!r}"
        raise InvalidArgument("draft.metadata_json", told, fix)


def check_change(row: Row[Any], metadata_json: str) -> None:
    """Refuses metadata for a version of a medium that name another file than before."""
    told, was = check_metadata("metadata_json", metadata_json), shown(row.metadata_json)
    if told.path != was.path:
        raise InvalidArgument("metadata_json", told.path, f"media.path must stay {was.path!r}")


def refuse(row: Row[Any], what: str) -> None:
    """Raises Conflict if this artifact or version is a medium, for which something cannot be done."""
    if row.type == MEDIA_TYPE:
        message = f"{row.name!r} is a medium of one model, at one step: it cannot be {what}. Log it again instead."
        raise Conflict(message, field="type", value=row.type)


def list_names(tx: Transaction, model_id: str, page: Page) -> tuple[list[MediumName], Key | None]:
    """Returns a page of the names under which a model has media, in their order."""
    project_uid, start = _project(tx, model_id), prefix(model_id)
    live = (version.c.artifact_id == named.c.id, version.c.state == "live")
    newest = select(version.c.metadata_json).where(*live).order_by(version.c.version.desc()).limit(first(1))
    metadata = newest.correlate(named).scalar_subquery()
    query = select(named.c.id, named.c.name, metadata.label("metadata_json")).where(
        named.c.project_uid == project_uid,
        named.c.name > start,
        named.c.name < f"{start[:-1]}0",  # the sign behind "/"
        IS_MEDIA,
        metadata.is_not(None),
    )
    rows, key = fetch(tx, query, [named.c.name], page)
    steps = _steps(tx, [row.id for row in rows])
    names = (
        MediumName(row.id, row.name[len(start) :], shown(row.metadata_json).kind, *steps[row.id])
        for row in rows
        if row.id in steps
    )
    return list(names), key


def list_media(
    tx: Transaction, model_id: str, names: Sequence[str], steps: Steps, page: Page
) -> tuple[list[Medium], Key | None]:
    """Returns a page of the media of a model, by step.

    Args:
        names: only those logged under these names, if there are any.
        steps: only those of these steps.
    """
    project_uid, start = _project(tx, model_id), prefix(model_id)
    query = _WITH_STEP.where(version.c.state == "live", IS_MEDIA)
    model_key: ColumnElement[Any] = link.c.model_id
    step: ColumnElement[Any] = link.c.step
    if names:
        owners = _owners(tx, project_uid, [start + name for name in names])
        query = query.where(version.c.artifact_id.in_(owners))
        if (few := _few(tx, owners)) is not None:
            query = query.where(link.c.version_id.in_(few))
            # Not by the index of the model, which would give them in order, and all others with them.
            model_key, step = func.coalesce(model_key, model_key), func.coalesce(step, step)
    query = query.where(model_key == model_id, step >= (steps.start or 0))
    if steps.stop is not None:
        query = query.where(step <= steps.stop)
    rows, key = fetch(tx, query, [link.c.step, link.c.version_id], page)
    return [Medium(row, row.name[len(start) :], shown(row.metadata_json)) for row in rows], key


def shown(metadata_json: str) -> Shown:
    """How to show what has these metadata."""
    try:
        return check_metadata("metadata_json", metadata_json)
    except InvalidArgument:  # it was no medium once
        return Shown()


def _project(tx: Transaction, model_id: str) -> str:
    model.ensure_live(tx, model_id)
    return str(tx.execute(select(tables.model.c.project_uid).where(tables.model.c.id == model_id)).scalar_one())


def _owners(tx: Transaction, project_uid: str, names: Iterable[str]) -> Sequence[str]:
    mine = select(named.c.id).where(named.c.project_uid == project_uid, named.c.name.in_(sorted(set(names))))
    return tx.execute(mine).scalars().all()


def _few(tx: Transaction, owners: Sequence[str]) -> Sequence[str] | None:
    """The ids of all versions of these names; None if they are many."""
    live = select(version.c.id).where(version.c.artifact_id.in_(owners), version.c.state == "live")
    ids = tx.execute(live.limit(first(FEW + 1))).scalars().all()
    return ids if len(ids) <= FEW else None


def _steps(tx: Transaction, artifact_ids: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """How many media each of these names has, its first step and its last."""
    owner = version.c.artifact_id
    numbers = (func.count().label("media"), func.min(link.c.step).label("first"), func.max(link.c.step).label("last"))
    query = (
        select(owner, *numbers)
        .join(link, link.c.version_id == version.c.id)
        .where(owner.in_(artifact_ids), version.c.state == "live", link.c.step.is_not(None))
        .group_by(owner)
    )
    return {row.artifact_id: (row.media, row.first, row.last) for row in tx.execute(query)}
