"""The purge: what was deleted longer ago than the undo window goes for good, in transactions of bounded size.

First a mark, in the statement that decides: what has it cannot be undeleted. Then rows go in batches, over as many
transactions as it takes; whoever comes after a crash goes on.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial

from sqlalchemy import ColumnElement, Table, delete, exists, select, tuple_, update

from xpstore_server.store.database import Database
from xpstore_server.store.sweep import Grace, IsStopped, Swept, suspect
from xpstore_server.store.tables import artifact_pack, artifact_version, metadata, project
from xpstore_server.store.transaction import Transaction

# Rows in one transaction: SQLite's writer is held for a few tens of milliseconds.
BATCH = 2_000
# Versions go by fewer: with each go its links and lineage, and a manifest of up to 1 MiB.
BATCH_VERSIONS = 100

version = artifact_version


def purge(database: Database, grace: Grace, swept: Swept, is_stopped: IsStopped = lambda: False) -> None:
    """Purges versions and projects. Any number may run at the same time."""
    database.write(lambda tx: _mark_projects(tx, grace))
    for uid in database.read(lambda tx: tx.execute(select(project.c.uid).where(is_purged(project))).scalars().all()):
        swept.purged_projects += _purge_project(database, uid, is_stopped)
    _repeat(database, lambda tx: _mark_versions(tx, grace), is_stopped)
    _repeat(database, _let_go, is_stopped)
    swept.purged_versions += _repeat(database, _delete_versions, is_stopped)


def is_purged(table: Table) -> ColumnElement[bool]:
    """What cannot come back (the deletion is said again for the sake of its index)."""
    return table.c.deleted_at_us.is_not(None) & table.c.purged_at_us.is_not(None)


def due_projects(now_us: int, grace: Grace) -> ColumnElement[bool]:
    """Projects whose undo window is over."""
    return project.c.deleted_at_us <= now_us - grace.undo_us


def due_versions(now_us: int, grace: Grace) -> ColumnElement[bool]:
    """Versions whose undo window is over."""
    return (version.c.deleted_at_us <= now_us - grace.undo_us) & (version.c.state == "deleted")


def _mark_projects(tx: Transaction, grace: Grace) -> int:
    now = tx.now_us()
    is_due = (due_projects(now, grace), project.c.purged_at_us.is_(None))
    return tx.execute(update(project).where(*is_due).values(purged_at_us=now)).rowcount


def _mark_versions(tx: Transaction, grace: Grace) -> int:
    now = tx.now_us()
    is_due = (due_versions(now, grace), version.c.purged_at_us.is_(None))
    some = select(version.c.id).where(*is_due).limit(BATCH)
    # The conditions again: an undelete may come between the look and the lock, and PostgreSQL checks them anew.
    marked = update(version).where(version.c.id.in_(some), *is_due).values(purged_at_us=now)
    return tx.execute(marked).rowcount


def _let_go(tx: Transaction) -> int:
    """Deletes edges of purged versions; their packs may hold bytes now that nothing needs."""
    query = select(artifact_pack.c.version_id, artifact_pack.c.pack_id)
    some = query.join(version, version.c.id == artifact_pack.c.version_id).where(is_purged(version)).limit(BATCH)
    edges = tx.execute(some.with_for_update(of=artifact_pack, skip_locked=True)).all()
    if edges:
        suspect(tx, sorted({edge.pack_id for edge in edges}))
        same_edge = tuple_(artifact_pack.c.version_id, artifact_pack.c.pack_id)
        tx.execute(delete(artifact_pack).where(same_edge.in_([tuple(edge) for edge in edges])))
    return len(edges)


def _delete_versions(tx: Transaction) -> int:
    has_edges = exists().where(artifact_pack.c.version_id == version.c.id)
    some = select(version.c.id).where(is_purged(version), ~has_edges).limit(BATCH_VERSIONS)
    return tx.execute(delete(version).where(version.c.id.in_(some))).rowcount


def _purge_project(database: Database, uid: str, is_stopped: IsStopped) -> int:
    """Deletes a project's rows, those first that point to others. Its packs have no edges then, and are condemned."""
    for table in _tables_below_project():
        _repeat(database, partial(_delete_some, table, uid), is_stopped)
    if is_stopped():
        return 0
    return database.write(lambda tx: tx.execute(delete(project).where(project.c.uid == uid)).rowcount)


def _delete_some(table: Table, uid: str, tx: Transaction) -> int:
    keys = list(table.primary_key.columns)
    some = select(*keys).where(_belongs_to(table, uid)).limit(BATCH_VERSIONS if table is version else BATCH)
    key = keys[0] if len(keys) == 1 else tuple_(*keys)
    return tx.execute(delete(table).where(key.in_(some))).rowcount


@cache
def _tables_below_project() -> Sequence[Table]:
    return [table for table in reversed(metadata.sorted_tables) if _owner(table) is not None]


def _owner(table: Table) -> tuple[str, Table] | None:
    """The column that says whose part a row is, and that table: the first reference whose deletion takes it along."""
    for column in table.columns:
        for reference in column.foreign_keys:
            above = reference.column.table
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
    while not is_stopped() and (count := database.write(unit)):
        total += count
    return total
