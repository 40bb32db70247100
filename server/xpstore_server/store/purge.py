"""The purge: what was deleted longer ago than the undo window goes for good, in transactions of bounded size.

First a mark, in the statement that decides: what has it cannot be undeleted. Then rows go in batches, over as many
transactions as it takes; whoever comes after a crash goes on.
"""

import time
from collections.abc import Callable, Collection, Sequence
from functools import cache, partial

from sqlalchemy import ColumnElement, Select, Table, bindparam, delete, exists, func, select, tuple_, update

from xpstore_server.store.database import Database
from xpstore_server.store.limbo import HIDDEN, KEPT, LIMBO
from xpstore_server.store.sweep import Ends, IsStopped, Swept, suspect
from xpstore_server.store.tables import (
    IS_MEDIA,
    MEDIA_PREFIX,
    artifact,
    artifact_link,
    artifact_pack,
    artifact_version,
    deleted_experiment,
    deleted_model,
    experiment,
    metadata,
    model,
    pack,
    project,
)
from xpstore_server.store.transaction import Transaction

# The most rows in one transaction, how many it begins with, and the least: a row may weigh a megabyte.
BATCH = 2_000
FIRST_BATCH = 50
LEAST_BATCH = 5
# For so long SQLite's writer is held: others wait for it, some of them for two batches.
BATCH_SECONDS = 0.02
# The longest pause after a batch. Each is as long as the batch took, so that others have half of the machine.
PAUSE_SECONDS = 0.25
# Models whose rows are looked for at once.
BATCH_MODELS = 500

version = artifact_version
# One after the other: for a list of pairs SQLite goes through the whole table.
_DROP = delete(artifact_pack).where(
    artifact_pack.c.version_id == bindparam("of_version"), artifact_pack.c.pack_id == bindparam("of_pack")
)


class Pace:
    """How many rows go in a transaction: twice as many when they went fast, half as many when they did not."""

    def __init__(self) -> None:
        self._rows = min(FIRST_BATCH, BATCH)

    def take(self, tx: Transaction, delete_some: Callable[[Transaction, int], int]) -> int:
        """Deletes some rows; returns how many."""
        started = time.thread_time()  # what SQLite works: on a crowded machine fewer rows would not take less
        count = delete_some(tx, self._rows)
        seconds = time.thread_time() - started
        if seconds > BATCH_SECONDS:
            self._rows = max(self._rows // 2, LEAST_BATCH)
        elif count >= self._rows and seconds < BATCH_SECONDS / 2:
            self._rows = min(self._rows * 2, BATCH)
        return count


def purge(database: Database, ends: Ends, swept: Swept, is_stopped: IsStopped = lambda: False) -> None:
    """Purges projects, experiments, models and versions. Any number may run at the same time."""
    database.write(lambda tx: _mark_projects(tx, ends))
    gone = select(project.c.uid).where(is_purged(project), project.c.uid.not_in(HIDDEN))
    for uid in database.read(lambda tx: tx.execute(gone).scalars().all()):
        swept.purged_projects += _purge_project(database, uid, is_stopped)
    swept.purged_models += _give_up(database, deleted_model, is_due(deleted_model, ends), is_stopped)
    swept.purged_experiments += _give_up(database, deleted_experiment, is_due(deleted_experiment, ends), is_stopped)
    purge_limbo(database, is_stopped)
    _repeat(database, lambda tx: _mark_versions(tx, ends), is_stopped)
    _repeat(database, _let_go, is_stopped)
    swept.purged_versions += _repeat_paced(database, _delete_versions, is_stopped)


def purge_limbo(database: Database, is_stopped: IsStopped = lambda: False) -> None:
    """Removes the rows of experiments and models that cannot come back. Any number may run at the same time."""
    left = select(experiment.c.id).where(experiment.c.project_uid == LIMBO, experiment.c.id != LIMBO)
    for id_ in database.read(lambda tx: tx.execute(left).scalars().all()):
        _give_up(database, deleted_model, deleted_model.c.experiment_id == id_, is_stopped)
        # Once its row is gone an id may come back as that of another.
        is_left = (experiment.c.id == id_) & (experiment.c.project_uid == LIMBO)
        _purge_models(database, (model.c.experiment_id == id_) & exists().where(is_left), is_stopped)
        if is_stopped():
            return
        gone = delete(experiment).where(is_left)
        database.write(lambda tx, gone=gone: tx.execute(gone).rowcount)  # type: ignore[misc]
    _purge_models(database, model.c.experiment_id == LIMBO, is_stopped)


def is_purged(table: Table) -> ColumnElement[bool]:
    """What cannot come back (the deletion is said again for the sake of its index)."""
    return table.c.deleted_at_us.is_not(None) & table.c.purged_at_us.is_not(None)


def due_projects(ends: Ends) -> ColumnElement[bool]:
    """Projects whose undo window is over."""
    return (project.c.deleted_at_us <= ends.undo_us) & project.c.uid.not_in(HIDDEN)


def due_versions(ends: Ends) -> ColumnElement[bool]:
    """Versions whose undo window is over."""
    return (version.c.deleted_at_us <= ends.undo_us) & (version.c.state == "deleted")


def is_due(notes: Table, ends: Ends) -> ColumnElement[bool]:
    """Notes of deleted experiments or models whose undo window is over."""
    return notes.c.deleted_at_us <= ends.undo_us


def _give_up(database: Database, notes: Table, which: ColumnElement[bool], is_stopped: IsStopped) -> int:
    """Ends the undo window of experiments or models: the note of where one was goes, and its row to limbo."""
    (key,) = notes.primary_key.columns
    some = select(key).where(which)
    if notes is deleted_model:
        move = update(model).where(model.c.experiment_id == KEPT).values(experiment_id=LIMBO, project_uid=LIMBO)
        moved = model.c.id
    else:
        move = update(experiment).where(experiment.c.project_uid == KEPT).values(project_uid=LIMBO)
        moved = experiment.c.id

    def give_up_some(tx: Transaction, limit: int) -> int:
        # An undelete takes the note too: what it has locked stays to it.
        ids = tx.execute(some.limit(limit).with_for_update(skip_locked=True)).scalars().all()
        if ids:
            tx.execute(delete(notes).where(key.in_(ids)))
            tx.execute(move.where(moved.in_(ids)))
        return len(ids)

    return _repeat_paced(database, give_up_some, is_stopped)


def _mark_projects(tx: Transaction, ends: Ends) -> int:
    are_due = (due_projects(ends), project.c.purged_at_us.is_(None))
    return tx.execute(update(project).where(*are_due).values(purged_at_us=tx.now_us())).rowcount


def _mark_versions(tx: Transaction, ends: Ends) -> int:
    are_due = (due_versions(ends), version.c.purged_at_us.is_(None))
    some = select(version.c.id).where(*are_due).limit(BATCH)
    # The conditions again: an undelete may come between the look and the lock, and PostgreSQL checks them anew.
    marked = update(version).where(version.c.id.in_(some), *are_due).values(purged_at_us=tx.now_us())
    return tx.execute(marked).rowcount


def _let_go(tx: Transaction) -> int:
    """Deletes edges of purged versions; their packs may hold bytes now that nothing needs."""
    query = select(artifact_pack.c.version_id, artifact_pack.c.pack_id)
    some = query.join(version, version.c.id == artifact_pack.c.version_id).where(is_purged(version)).limit(BATCH)
    edges = tx.execute(some.with_for_update(of=artifact_pack, skip_locked=True)).all()
    if edges:
        suspect(tx, sorted({edge.pack_id for edge in edges}))
        tx.execute(_DROP, [{"of_version": edge.version_id, "of_pack": edge.pack_id} for edge in edges])
    return len(edges)


def _delete_versions(tx: Transaction, limit: int) -> int:
    has_edges = exists().where(artifact_pack.c.version_id == version.c.id)
    some = tx.execute(select(version.c.id, version.c.artifact_id).where(is_purged(version), ~has_edges).limit(limit))
    owners = {row.id: row.artifact_id for row in some}
    count = tx.execute(delete(version).where(version.c.id.in_(sorted(owners)))).rowcount if owners else 0
    _drop_names(tx, set(owners.values()))
    return count


def _purge_project(database: Database, uid: str, is_stopped: IsStopped) -> int:
    """Deletes a project's rows, those first that point to others. Its packs have no edges then, and are condemned."""
    for notes in (deleted_model, deleted_experiment):
        _give_up(database, notes, notes.c.project_uid == uid, is_stopped)
    _purge_models(database, model.c.project_uid == uid, is_stopped)
    # Their edges go without a mark of their own.
    unmarked = select(pack.c.id).where(pack.c.pool == uid, pack.c.suspect_at_us.is_(None)).limit(BATCH)
    marked = update(pack).where(pack.c.id.in_(unmarked))
    _repeat(database, lambda tx: tx.execute(marked.values(suspect_at_us=tx.now_us())).rowcount, is_stopped)
    for table in _tables_below_project():
        _repeat_paced(database, partial(_delete_some, table, _belongs_to(table, uid)), is_stopped)
    if is_stopped():
        return 0
    return database.write(lambda tx: tx.execute(delete(project).where(project.c.uid == uid)).rowcount)


def _purge_models(database: Database, which: ColumnElement[bool], is_stopped: IsStopped) -> None:
    """Deletes models with all their rows, some models after the other: nothing is looked for among those of all."""
    some = select(model.c.id).where(which).limit(BATCH_MODELS)
    pace = Pace()
    while not is_stopped() and (ids := database.read(lambda tx: tx.execute(some).scalars().all())):
        delete_some = partial(_delete_of_models, model.c.id.in_(ids) & which, list(_tables_of_models()))
        _repeat(database, lambda tx: pace.take(tx, delete_some), is_stopped)  # noqa: B023


def _delete_of_models(mine: ColumnElement[bool], tables: list[Table], tx: Transaction, limit: int) -> int:
    """Deletes some rows of models, and the models when they have none; returns how many.

    Takes from the tables those in which nothing is left: to look there again costs more than to delete. Nobody adds
    to models that are hidden; should this transaction be undone, what it left behind goes with the models.

    Args:
        mine: which models. Ids alone do not say it: once its row is gone an id may come back as that of another model.
    """
    theirs = select(model.c.id).where(mine)
    count = 0
    while tables:
        delete_some = _delete_links if tables[0] is artifact_link else partial(_delete_some, tables[0])
        count += delete_some(tables[0].c.model_id.in_(theirs), tx, limit - count)
        if count >= limit:
            return count
        del tables[0]
    return count + _delete_some(model, mine, tx, limit - count)


def _delete_links(which: ColumnElement[bool], tx: Transaction, limit: int) -> int:
    """Deletes links of models, and gives up the media that they are to. Returns how many links."""
    link = artifact_link.c
    links = {row.id: row.version_id for row in tx.execute(select(link.id, link.version_id).where(which).limit(limit))}
    if not links:
        return 0
    _mark_media(tx, sorted(set(links.values())))
    return tx.execute(delete(artifact_link).where(link.id.in_(sorted(links)))).rowcount


def _mark_media(tx: Transaction, version_ids: Sequence[str]) -> None:
    """Has those of these versions that are media go when versions go next: nothing shows them without their link."""
    now = tx.now_us()
    names = select(artifact.c.id).where(artifact.c.id == version.c.artifact_id, IS_MEDIA)
    mine = (version.c.id.in_(version_ids), version.c.purged_at_us.is_(None), exists(names.correlate(version)))
    gone = update(version).where(*mine)
    deleted = func.coalesce(version.c.deleted_at_us, now)
    tx.execute(gone.values(state="deleted", deleted_at_us=deleted, purged_at_us=now))


def _drop_names(tx: Transaction, artifact_ids: Collection[str]) -> None:
    """Deletes those of these artifacts that have no version left and are media of models that are gone.

    All others keep their rows, so that no number of theirs is used again.
    """
    names = select(artifact.c.id, artifact.c.name).where(artifact.c.id.in_(sorted(artifact_ids)), IS_MEDIA)
    rows = tx.execute(names.with_for_update(skip_locked=True))
    owners = {row.id: row.name[len(MEDIA_PREFIX) :].partition("/")[0] for row in rows}
    if not owners:
        return
    kept = select(model.c.id).join(experiment, experiment.c.id == model.c.experiment_id)
    kept = kept.where(model.c.id.in_(sorted(set(owners.values()))), experiment.c.project_uid != LIMBO)
    living = set(tx.execute(kept).scalars())
    gone = [id_ for id_, owner in owners.items() if owner not in living]
    is_empty = ~exists().where(version.c.artifact_id == artifact.c.id)
    tx.execute(delete(artifact).where(artifact.c.id.in_(gone), is_empty))


def _delete_some(table: Table, which: ColumnElement[bool], tx: Transaction, limit: int) -> int:
    keys = list(table.primary_key.columns)
    some: Select[tuple[object, ...]] = select(*keys).where(which).limit(limit)
    key = keys[0] if len(keys) == 1 else tuple_(*keys)
    return tx.execute(delete(table).where(key.in_(some))).rowcount


@cache
def _tables_of_models() -> Sequence[Table]:
    return [table for table in reversed(metadata.sorted_tables) if "model_id" in table.c]


@cache
def _tables_below_project() -> Sequence[Table]:
    return [table for table in reversed(metadata.sorted_tables) if _owner(table) is not None]


def _owner(table: Table) -> tuple[str, Table] | None:
    """The column that says whose part a row is, and that table: the first reference whose deletion takes it along.

    A row that refers by several columns, as the outline of a block, goes with that one.
    """
    for column in table.columns:
        for reference in column.foreign_keys:
            above = reference.column.table
            if reference.constraint is not None and len(reference.constraint.columns) > 1:
                continue
            if reference.ondelete == "CASCADE" and (above is project or _owner(above) is not None):
                return column.name, above
    return None


def _belongs_to(table: Table, uid: str) -> ColumnElement[bool]:
    owner = _owner(table)
    assert owner is not None
    column, above = owner
    if above is project:
        return table.c[column] == uid
    (key,) = above.primary_key.columns
    return table.c[column].in_(select(key).where(_belongs_to(above, uid)))


def _repeat(database: Database, unit: Callable[[Transaction], int], is_stopped: IsStopped) -> int:
    total = 0
    started = time.monotonic()
    while not is_stopped() and (count := database.write(unit)):
        total += count
        time.sleep(min(time.monotonic() - started, PAUSE_SECONDS))
        started = time.monotonic()
    return total


def _repeat_paced(database: Database, delete_some: Callable[[Transaction, int], int], is_stopped: IsStopped) -> int:
    pace = Pace()
    return _repeat(database, lambda tx: pace.take(tx, delete_some), is_stopped)
