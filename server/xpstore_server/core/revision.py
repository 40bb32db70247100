"""Optimistic updates: a row's revision counts its changes, and an etag is the revision that a client saw."""

from typing import Any

from sqlalchemy import Row, Table, update

from xpstore_server.core.errors import Conflict
from xpstore_server.store.database import Transaction


def change(
    tx: Transaction, table: Table, row: Row[Any], changes: dict[str, Any], principal: str, etag: str = ""
) -> Row[Any]:
    """Sets columns of `row` and returns it as it is now. With an `etag`, only if that is still the present one."""
    what = table.name.replace("_", " ")
    if etag and etag != str(row.revision):
        raise Conflict(f"The {what} was changed since you read it. Read it again.", etag=etag)
    (key,) = table.primary_key.columns
    changed = update(table).where(key == row._mapping[key])
    if etag:
        changed = changed.where(table.c.revision == row.revision)
    stamp = {"updated_at_us": tx.now_us(), "updated_by": principal, "revision": table.c.revision + 1}
    after = tx.execute(changed.values(**changes, **stamp).returning(*table.c)).first()
    if after is None:
        raise Conflict(f"The {what} was changed or deleted at the same moment. Repeat the update.")
    return after
