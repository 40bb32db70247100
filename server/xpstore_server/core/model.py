"""Models: known by a hash inside their experiment, with tags, a live step and the status of the newest run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Text, cast, exists, func, select

from xpstore_server.core import experiment, limits, project, revision, status
from xpstore_server.core.errors import AlreadyExists, Conflict, InvalidArgument, NotFound
from xpstore_server.core.paging import Key, Page, fetch
from xpstore_server.store.database import Transaction
from xpstore_server.store.tables import model, model_tag, run


@dataclass(frozen=True, slots=True)
class NewModel:
    """What a client says about a model it creates."""

    experiment_id: str
    id: str
    hash: str
    name: str | None
    description: str | None
    config_json: str
    tags: tuple[str, ...]


def create(tx: Transaction, principal: str, new: NewModel, *, allow_existing: bool) -> tuple[Row[Any], bool]:
    """Makes the model or opens the one of this hash. Returns it and whether this creation made it."""
    parent = experiment.get(tx, new.experiment_id)
    now = tx.now_us()
    row = {
        "id": new.id,
        "experiment_id": new.experiment_id,
        "project_uid": parent.project_uid,
        "hash": new.hash,
        "name": new.name,
        "description": new.description,
        "step": 0,
        "config_json": new.config_json,
        "next_ordinal": 0,
        "created_at_us": now,
        "created_by": principal,
        "updated_at_us": now,
        "updated_by": principal,
        "revision": 1,
    }
    if tx.insert_ignore(model, row) == 1:
        _insert_tags(tx, new.id, new.tags, first_position=0)
    if made := tx.execute(_whole(tx).where(model.c.id == new.id)).first():
        if (made.experiment_id, made.hash) != (new.experiment_id, new.hash):
            raise AlreadyExists("model", "id", new.id, "Make a new random id.")
        return made, True
    if not allow_existing:
        raise AlreadyExists("model", "hash", new.hash, "Set allow_existing to open it.")
    found = tx.execute(_whole(tx).where(*_has_hash(new.experiment_id, new.hash))).first()
    if found is None:
        raise Conflict("The model was deleted at the same moment. Repeat the call.")
    return found, False


def _has_hash(experiment_id: str, hash_: str) -> tuple[ColumnElement[bool], ...]:
    return model.c.experiment_id == experiment_id, model.c.hash == hash_


def _whole(tx: Transaction) -> Select[Any]:
    """Models of live projects with `tags` (a JSON array) and `status`, all in one query."""
    in_order = select(model_tag.c.tag).where(model_tag.c.model_id == model.c.id).order_by(model_tag.c.position)
    tags = in_order.correlate(model).subquery()
    array = (func.json_group_array if tx.is_sqlite else func.json_agg)(tags.c.tag)
    newest = (
        select(run.c.id)
        .where(run.c.model_id == model.c.id)
        .order_by(run.c.started_at_us.desc(), run.c.id.desc())
        .limit(1)
        .correlate(model)
        .scalar_subquery()
    )
    return (
        select(
            model,
            select(cast(array, Text)).scalar_subquery().label("tags"),
            status.shown_at(tx.now_us()).label("status"),
        )
        .outerjoin(run, run.c.id == newest)
        .where(project.is_live(model.c.project_uid))
    )


def get(tx: Transaction, model_id: str) -> Row[Any]:
    """Returns a model of a live project."""
    row = tx.execute(_whole(tx).where(model.c.id == model_id)).first()
    if row is None:
        raise NotFound("model", model_id)
    return row


def get_by_hash(tx: Transaction, *, experiment_id: str, hash_: str) -> Row[Any]:
    """Returns a model of a live project by its hash."""
    row = tx.execute(_whole(tx).where(*_has_hash(experiment_id, hash_))).first()
    if row is None:
        raise NotFound("model", hash_)
    return row


def is_live(model_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the model a row points to is in a live project."""
    return exists().where(model.c.id == model_id, project.is_live(model.c.project_uid))


def ensure_live(tx: Transaction, model_id: str) -> None:
    """Raises NotFound unless the model is there, in a live project."""
    live = project.is_live(model.c.project_uid)
    if tx.execute(select(model.c.id).where(model.c.id == model_id, live)).first() is None:
        raise NotFound("model", model_id)


def lock(tx: Transaction, model_id: str) -> Row[Any]:
    """Returns the columns of a live model, and keeps others from changing it until the end of the transaction."""
    live = select(model).where(model.c.id == model_id, project.is_live(model.c.project_uid))
    # FOR NO KEY UPDATE: rows that point to the model may come meanwhile.
    row = tx.execute(live.with_for_update(of=model, key_share=True)).first()
    if row is None:
        raise NotFound("model", model_id)
    return row


def list_page(tx: Transaction, experiment_id: str, page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the models of an experiment, oldest first."""
    experiment.get(tx, experiment_id)
    below = _whole(tx).where(model.c.experiment_id == experiment_id)
    return fetch(tx, below, [model.c.created_at_us, model.c.id], page)


def change(tx: Transaction, principal: str, *, model_id: str, changes: dict[str, Any], etag: str = "") -> Row[Any]:
    """Sets the columns in `changes` if `etag` is empty or the present one."""
    revision.change(tx, model, lock(tx, model_id), changes, principal, etag)
    return get(tx, model_id)


def change_tags(
    tx: Transaction, principal: str, *, model_id: str, add: Iterable[str], remove: Sequence[str]
) -> list[str]:
    """Adds tags at the end and removes others. Returns all in the order they were added."""
    row = lock(tx, model_id)
    mine = model_tag.c.model_id == model_id
    last = tx.execute(select(func.max(model_tag.c.position)).where(mine)).scalar()
    changed = _insert_tags(tx, model_id, add, first_position=0 if last is None else last + 1)
    if remove:
        changed += tx.execute(model_tag.delete().where(mine, model_tag.c.tag.in_(remove))).rowcount
    tags = list(tx.execute(select(model_tag.c.tag).where(mine).order_by(model_tag.c.position)).scalars())
    if len(tags) > limits.TAGS:
        raise InvalidArgument("add", len(tags), f"a model must have at most {limits.TAGS} tags")
    if changed:
        revision.change(tx, model, row, {}, principal)
    return tags


def _insert_tags(tx: Transaction, model_id: str, tags: Iterable[str], first_position: int) -> int:
    rows = [
        {"model_id": model_id, "tag": tag, "position": position}
        for position, tag in enumerate(dict.fromkeys(tags), first_position)
    ]
    return tx.insert_ignore(model_tag, *rows)


def delete(tx: Transaction, model_id: str) -> bool:
    """Deletes a model with all below it. Returns whether this call did it."""
    live = project.is_live(model.c.project_uid)
    return tx.execute(model.delete().where(model.c.id == model_id, live)).rowcount == 1
