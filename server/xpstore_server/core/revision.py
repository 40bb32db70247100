"""Optimistic updates: a row's revision counts its changes, and an etag is the revision that a client saw."""

from functools import cache
from typing import Any

from sqlalchemy import Row, Table, Update, bindparam

from xpstore_server.core.errors import Conflict
from xpstore_server.store.transaction import Transaction


def change(
    tx: Transaction, table: Table, row: Row[Any], changes: dict[str, Any], principal: str, etag: str = ""
) -> Row[Any]:
    """Sets columns of `row` and returns it as it is now. With an `etag`, only if that is still the present one."""
    what = table.name.replace("_", " ")
    if etag and etag != str(row.revision):
        raise Conflict(f"The {what} was changed since you read it. Read it again.", etag=etag)
    (key,) = table.primary_key.columns
    present = {"present_key": row._mapping[key], "present_revision": row.revision}
    stamp = {"updated_at_us": tx.now_us(), "updated_by": principal}
    after = tx.execute(_change(table, is_guarded=bool(etag)), {**present, **changes, **stamp}).first()
    if after is None:
        raise Conflict(f"The {what} was changed or deleted at the same moment. Repeat the update.")
    return after


def says(row: Row[Any], said: dict[str, Any]) -> bool:
    """Whether a row has what a repeated creation says of it. What was changed since need not be so any more."""
    return row.revision > 1 or all(row._mapping[name] == value for name, value in said.items())


@cache
def _change(table: Table, *, is_guarded: bool) -> Update:
    (key,) = table.primary_key.columns
    present = table.update().where(key == bindparam("present_key"))
    if is_guarded:
        present = present.where(table.c.revision == bindparam("present_revision"))
    return present.values(revision=table.c.revision + 1).returning(*table.c)
