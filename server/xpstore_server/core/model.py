"""Models: known by a hash inside their experiment, with tags, a live step and the status of the newest run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Row, Select, bindparam, exists, func, literal_column, select
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.exc import IntegrityError

from xpstore_server.core import attribute, experiment, limits, project, revision
from xpstore_server.core.errors import AlreadyExists, InvalidArgument, NotFound, Taken
from xpstore_server.core.paging import Key, Page, fetch, first
from xpstore_server.core.run_status import SHOWN, shown_at
from xpstore_server.store import limbo
from xpstore_server.store.batches import batches
from xpstore_server.store.tables import deleted_model, model, model_tag, run
from xpstore_server.store.transaction import Transaction

TAG_SEPARATOR = "\n"  # no tag has control characters
_SEPARATOR: Any = literal_column(f"'{TAG_SEPARATOR}'")  # as a value it would be put into the text of each run
_MOST_TAGS = first(limits.TAGS)


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
    created_at_us: int | None = None  # of one that is brought from elsewhere; None: now


@dataclass(frozen=True, slots=True)
class Place:
    """Which models are listed: those of an experiment or, without one, of a project.

    Attributes:
        is_deleted: those that were deleted by themselves and can be brought back, instead of live ones.
    """

    experiment_id: str | None = None
    project_uid: str | None = None
    is_deleted: bool = False


def _whole(status: ColumnElement[Any], row: Iterable[ColumnElement[Any]] = model.c) -> Select[Any]:
    """Models with `tags`, separated and no more than one may have, `tag_count`, and `status`: all in one query."""
    of_it = model_tag.c.model_id == model.c.id
    in_order = select(model_tag.c.tag).where(of_it).order_by(model_tag.c.position).limit(_MOST_TAGS)
    mine = in_order.correlate(model).subquery()
    count = select(func.count()).select_from(model_tag).where(of_it).correlate(model).scalar_subquery()
    tags = select(func.aggregate_strings(mine.c.tag, _SEPARATOR)).scalar_subquery()
    newest = select(run.c.id).where(run.c.model_id == model.c.id).correlate(model)
    newest = newest.order_by(run.c.started_at_us.desc(), run.c.id.desc()).limit(first(1))
    columns = (*row, func.coalesce(tags, "").label("tags"), count.label("tag_count"), status.label("status"))
    return select(*columns).select_from(model).outerjoin(run, run.c.id == newest.scalar_subquery())


_ANY = _whole(SHOWN)
_BY_ANY_ID = _ANY.where(model.c.id == bindparam("key"))
_IS_LIVE = experiment.is_live(model.c.experiment_id)
_LIVE = _ANY.where(_IS_LIVE)
_BY_ID = _LIVE.where(model.c.id == bindparam("key"))
_BY_ANY_HASH = _ANY.where(model.c.experiment_id == bindparam("parent"), model.c.hash == bindparam("key"))
_BY_HASH = _BY_ANY_HASH.where(_IS_LIVE)
_KEYS: BindParameter[str] = bindparam("keys", expanding=True)
_BY_ANY_IDS = _ANY.where(model.c.id.in_(_KEYS))
_IDS = select(model.c.id).where(model.c.id.in_(_KEYS))
_BY_HASHES = select(model.c.id, model.c.hash).where(
    model.c.experiment_id == bindparam("parent"), model.c.hash.in_(_KEYS)
)
_ID = select(model.c.id, model.c.project_uid).where(model.c.id == bindparam("key"), _IS_LIVE)
# FOR KEY SHARE, as foreign keys take it: others may change the model meanwhile.
_HOLD = _ID.with_for_update(of=model, read=True, key_share=True)
# FOR NO KEY UPDATE: rows that point to the model may come meanwhile.
_LOCK = select(model).where(model.c.id == bindparam("key"), _IS_LIVE).with_for_update(of=model, key_share=True)
_LOCK_ALL = (
    select(model.c.id, model.c.next_ordinal)
    .where(model.c.id.in_(_KEYS), model.c.project_uid == bindparam("project"), _IS_LIVE)
    .order_by(model.c.id)
    .with_for_update(of=model, key_share=True)
)
_ALLOT = (
    model.update()
    .where(model.c.id == bindparam("key"), model.c.project_uid == bindparam("project"), _IS_LIVE)
    .values(next_ordinal=model.c.next_ordinal + bindparam("count"))
    .returning(model.c.next_ordinal)
)
_ADVANCE = model.update().where(model.c.id == bindparam("key"))
_LOCK_WHOLE = select(model).where(model.c.id == bindparam("key"), _IS_LIVE).with_for_update(of=model)
# Also to another project: its own is purged without it.
_MOVE = model.update().where(model.c.id == bindparam("key"))
# As they were, with when they were deleted: the status too, as nobody could hear of a run since.
_were = [deleted_model.c[c.name] if c.name in ("experiment_id", "project_uid", "hash") else c for c in model.c]
_when = (deleted_model.c.deleted_at_us, deleted_model.c.model_id)
_DELETED = _whole(shown_at(deleted_model.c.deleted_at_us), [*_were, *_when])
_DELETED = _DELETED.join(deleted_model, deleted_model.c.model_id == model.c.id)
_NOTE = select(deleted_model).where(
    deleted_model.c.model_id == bindparam("key"), project.is_live(deleted_model.c.project_uid)
)
_TAKE = deleted_model.delete().where(deleted_model.c.model_id == bindparam("key")).returning(deleted_model)
_EXPERIMENT = select(model.c.experiment_id).where(model.c.id == bindparam("key"))

_TAGS = select(model_tag.c.tag).where(model_tag.c.model_id == bindparam("key")).order_by(model_tag.c.position)
_TAGS = _TAGS.limit(_MOST_TAGS)
_COUNT_TAGS = select(func.count()).select_from(model_tag).where(model_tag.c.model_id == bindparam("key"))
_LAST_POSITION = select(func.max(model_tag.c.position)).where(model_tag.c.model_id == bindparam("key"))

_MADE = SimpleResultMetaData((*model.c.keys(), "tags", "tag_count", "status"))


def create(tx: Transaction, principal: str, new: NewModel, *, allow_existing: bool) -> tuple[Row[Any], bool]:
    """Makes the model or opens the one of this hash. Returns it and whether this creation made it."""
    parent = experiment.hold(tx, new.experiment_id)
    row = row_of(new, parent.project_uid, principal, tx.now_us())
    while True:
        if tx.insert_many(model, [as_tuple(tx, row)]) == 1:
            create_tags(tx, [new])
            attribute.show(tx, parent.project_uid, attribute.of_config(new.id, new.config_json))
            return as_made([(row, new)])[0], True
        if made := tx.execute(_BY_ANY_ID, {"key": new.id}).first():
            check_same(made, new)
            return made, True
        if not allow_existing:
            raise is_taken(new)
        if found := tx.execute(_BY_ANY_HASH, {"parent": new.experiment_id, "key": new.hash}).first():
            return found, False  # else it was deleted in between, and its place is free


def row_of(new: NewModel, project_uid: str, principal: str, now_us: int, points: int = 0) -> dict[str, Any]:
    """The row of a new model, which begins with so many points.

    Raises:
        InvalidArgument: it says that it was created later than it may.
    """
    created = now_us if new.created_at_us is None else new.created_at_us
    if created > now_us + limits.CLOCK_AHEAD_US:
        fix = f"must not be more than a day after now, {now_us}: set the clock"
        raise InvalidArgument("created_at_us", created, fix)
    return {
        "id": new.id,
        "experiment_id": new.experiment_id,
        "project_uid": project_uid,
        "hash": new.hash,
        "name": new.name,
        "description": new.description,
        "step": 0,
        "config_json": new.config_json,
        "next_ordinal": points,
        "created_at_us": created,
        "created_by": principal,
        "updated_at_us": now_us,
        "updated_by": principal,
        "revision": 1,
    }


def as_tuple(tx: Transaction, row: dict[str, Any]) -> tuple[Any, ...]:
    """The row of a new model as `insert_many` takes it."""
    keys = ("id", "experiment_id", "project_uid")
    return tuple(tx.as_key(row[name]) if name in keys else row[name] for name in model.c.keys())  # noqa: SIM118


def as_made(new: Iterable[tuple[dict[str, Any], NewModel]]) -> Sequence[Row[Any]]:
    """What `read_many` would say of models that were made in this transaction: nobody can have changed them since."""
    rows = list[tuple[Any, ...]]()
    for row, one in new:
        tags = dict.fromkeys(one.tags)
        rows.append((*(row[name] for name in model.c.keys()), TAG_SEPARATOR.join(tags), len(tags), None))  # noqa: SIM118
    made: IteratorResult[Any] = IteratorResult(_MADE, iter(rows))
    return made.all()


def check_same(made: Row[Any], new: NewModel) -> None:
    """Raises AlreadyExists unless a repeated creation says what the first did."""
    kept = {name: getattr(new, name) for name in ("experiment_id", "hash", "config_json")}
    if new.created_at_us is not None:
        kept["created_at_us"] = new.created_at_us
    said = {"name": new.name, "description": new.description, "tags": TAG_SEPARATOR.join(dict.fromkeys(new.tags))}
    is_same = all(made._mapping[name] == value for name, value in kept.items()) and revision.says(made, said)
    if not is_same:
        raise AlreadyExists("model", "model_id", new.id, "Make a new random id.")


def is_taken(new: NewModel) -> AlreadyExists:
    """What is said of a new model whose hash another one has."""
    return AlreadyExists("model", "hash", new.hash, "Set allow_existing to open it.")


def create_tags(tx: Transaction, new: Iterable[NewModel]) -> None:
    """Gives models that were made in this transaction their tags."""
    rows = [(tx.as_key(one.id), tag, at) for one in new for at, tag in enumerate(dict.fromkeys(one.tags))]
    tx.insert_many(model_tag, rows)


def find(tx: Transaction, new: Sequence[NewModel]) -> dict[str, str]:
    """By the ids of new models of one experiment the id of the model that is there: that id, or of that hash."""
    if not new:
        return {}
    there = set(tx.execute(_IDS, {"keys": [one.id for one in new]}).scalars())
    found = {one.id: one.id for one in new if one.id in there}
    rest = [one for one in new if one.id not in there]
    if rest:
        rows = tx.execute(_BY_HASHES, {"parent": rest[0].experiment_id, "keys": [one.hash for one in rest]})
        ids = {row.hash: row.id for row in rows}
        found |= {one.id: ids[one.hash] for one in rest if one.hash in ids}
    return found


def read_many(tx: Transaction, ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Models by their ids, whatever became of their projects."""
    return {row.id: row for row in tx.execute(_BY_ANY_IDS, {"keys": ids})}


def get(tx: Transaction, model_id: str) -> Row[Any]:
    """Returns a model of a live project."""
    row = tx.first(_BY_ID, {"key": model_id})
    if row is None:
        raise NotFound("model", model_id)
    return row


def get_by_hash(tx: Transaction, *, experiment_id: str, hash_: str) -> Row[Any]:
    """Returns a model of a live project by its hash."""
    row = tx.first(_BY_HASH, {"parent": experiment_id, "key": hash_})
    if row is None:
        raise NotFound("model", hash_)
    return row


def is_live(model_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the model a row points to is in a live project."""
    return exists().where(model.c.id == model_id, _IS_LIVE)


def is_there(tx: Transaction, model_id: str) -> bool:
    """Whether there is such a model, in a live project."""
    return tx.first(_ID, {"key": model_id}) is not None


def ensure_live(tx: Transaction, model_id: str) -> None:
    """Raises NotFound unless the model is there, in a live project."""
    if not is_there(tx, model_id):
        raise NotFound("model", model_id)


def hold(tx: Transaction, model_id: str) -> None:
    """Keeps a live model from being deleted until the end of the transaction, or raises NotFound."""
    if tx.first(_HOLD, {"key": model_id}) is None:
        raise NotFound("model", model_id)


def lock(tx: Transaction, model_id: str) -> Row[Any]:
    """Returns the columns of a live model, and keeps others from changing it until the end of the transaction."""
    row = lock_if_there(tx, model_id)
    if row is None:
        raise NotFound("model", model_id)
    return row


def lock_if_there(tx: Transaction, model_id: str) -> Row[Any] | None:
    """Does the same, with None for a model that is gone."""
    return tx.first(_LOCK, {"key": model_id})


def allot(tx: Transaction, project_uid: str, counts: Mapping[str, int]) -> dict[str, int]:
    """Keeps others from changing models until the end of the transaction, and gives each ordinals for so many points.

    Returns the first ordinal of each that the project has. All are locked in one order: two that lock the same models
    do not wait for each other.
    """
    if len(counts) == 1 and (some := next(iter(counts.items())))[1]:  # one statement, which locks too
        row = tx.execute(_ALLOT, {"key": some[0], "count": some[1], "project": project_uid}).first()
        return {} if row is None else {some[0]: row.next_ordinal - some[1]}
    firsts = dict[str, int]()
    for ids in batches(sorted(counts), limits.IDS):
        firsts |= {row.id: row.next_ordinal for row in tx.execute(_LOCK_ALL, {"keys": ids, "project": project_uid})}
    moved = [{"key": id_, "next_ordinal": first + counts[id_]} for id_, first in firsts.items() if counts[id_]]
    if moved:
        tx.execute(_ADVANCE, moved)
    return firsts


def list_page(tx: Transaction, place: Place, page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the models of an experiment or project, oldest first; of deleted ones as they were deleted."""
    if place.experiment_id is None:
        of, key = "project_uid", project.get(tx, project_uid=place.project_uid).uid
    else:
        of, key = "experiment_id", experiment.get(tx, place.experiment_id).id
    if place.is_deleted:
        return fetch(tx, _DELETED.where(deleted_model.c[of] == key), _when, page)
    return fetch(tx, _LIVE.where(model.c[of] == key), [model.c.created_at_us, model.c.id], page)


def get_many(tx: Transaction, ids: Sequence[str]) -> dict[str, Row[Any]]:
    """Returns those of these models that are there, in live projects, by id."""
    return {row.id: row for row in tx.execute(_LIVE.where(model.c.id.in_(ids)))}


def change(tx: Transaction, principal: str, *, model_id: str, changes: dict[str, Any], etag: str = "") -> Row[Any]:
    """Sets the columns in `changes` if `etag` is empty or the present one."""
    revision.change(tx, model, lock(tx, model_id), changes, principal, etag)
    return get(tx, model_id)


def change_tags(
    tx: Transaction, principal: str, *, model_id: str, add: Iterable[str], remove: Sequence[str]
) -> list[str]:
    """Adds tags at the end and removes others. Returns all in the order they were added."""
    row = lock(tx, model_id)
    last = tx.execute(_LAST_POSITION, {"key": model_id}).scalar()
    added = _insert_tags(tx, model_id, add, first_position=0 if last is None else last + 1)
    removed = 0
    if remove:
        named = (model_tag.c.model_id == model_id, model_tag.c.tag.in_(remove))
        removed = tx.execute(model_tag.delete().where(*named)).rowcount
    if added and (count := tx.execute(_COUNT_TAGS, {"key": model_id}).scalar_one()) > limits.TAGS:
        raise InvalidArgument("add", count, f"a model must have at most {limits.TAGS} tags: remove some first")
    if added or removed:
        revision.change(tx, model, row, {}, principal)
    return list(tx.execute(_TAGS, {"key": model_id}).scalars())


def _insert_tags(tx: Transaction, model_id: str, tags: Iterable[str], first_position: int) -> int:
    rows = [
        {"model_id": model_id, "tag": tag, "position": position}
        for position, tag in enumerate(dict.fromkeys(tags), first_position)
    ]
    return tx.insert_ignore(model_tag, *rows)


def delete(tx: Transaction, principal: str, model_id: str) -> bool:
    """Hides a model with all below it, until its undo window is over. Returns whether this call did it."""
    row = tx.first(_LOCK_WHOLE, {"key": model_id})
    if row is None:
        return False
    try:
        experiment.hold(tx, row.experiment_id)
    except NotFound:
        return False  # it was deleted at the same moment, with all its models
    now = tx.now_us()
    was = {name: row._mapping[name] for name in ("experiment_id", "project_uid", "hash")}
    tx.insert(deleted_model, {"model_id": row.id, **was, "deleted_at_us": now})
    place = {"experiment_id": limbo.KEPT, "project_uid": limbo.KEPT, "hash": row.id}
    tx.execute(_MOVE, {"key": row.id, **place, "updated_at_us": now, "updated_by": principal})
    return True


def undelete(tx: Transaction, principal: str, model_id: str) -> Row[Any]:
    """Brings a deleted model back, unless it has been purged or its hash has been taken since."""
    note = tx.first(_NOTE, {"key": model_id})
    experiment_id = tx.execute(_EXPERIMENT, {"key": model_id}).scalar() if note is None else note.experiment_id
    if experiment_id is not None and experiment.note_of_deleted(tx, experiment_id) is not None:
        raise NotFound("experiment", experiment_id, "It was deleted: bring it back first.")
    if note is None:
        return get(tx, model_id)
    experiment.hold(tx, note.experiment_id)
    note = tx.execute(_TAKE, {"key": model_id}).first()
    if note is None:  # another call, or a purge, was first
        return get(tx, model_id)
    row = tx.execute(_BY_ANY_ID, {"key": model_id}).one()
    was = {name: note._mapping[name] for name in ("experiment_id", "project_uid", "hash")}
    while True:
        try:
            with tx.savepoint():
                revision.change(tx, model, row, was, principal)
            return get(tx, model_id)
        except IntegrityError:
            other = tx.execute(_BY_ANY_HASH, {"parent": note.experiment_id, "key": note.hash}).first()
            if other is not None:  # else it was deleted in between, and the place is free
                raise Taken("model", "hash", note.hash, other.id) from None
