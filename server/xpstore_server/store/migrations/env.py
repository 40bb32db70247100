"""Runs migrations on the connection that `store/migrate.py` (or a test) hands over."""

from typing import Any

from alembic import context

from xpstore_server.store.tables import metadata


def _is_ours(name: str | None, type_: str, parents: Any) -> bool:
    return not (type_ == "table" and name == "migration_lock")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot alter most of a table in place
    include_name=_is_ours,
)
with context.begin_transaction():
    context.run_migrations()
