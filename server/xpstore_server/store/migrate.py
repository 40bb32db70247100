"""Brings a database to the schema of this release. Many servers may start at once: one migrates, the others wait."""

import time
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from xpstore_server.store.database import Database
from xpstore_server.store.errors import StoreUnavailable

# The newest revision in migrations/versions. Written here so that a start need not import alembic (0.3 s).
HEAD = "0009"
FOLDER = Path(__file__).parent / "migrations"
ATTEMPTS = 5


def upgrade(database: Database) -> bool:
    """Migrates if needed; returns whether it did."""
    try:
        if _revision(database) == HEAD:
            return False
    except OperationalError as error:
        reason = str(error.orig).partition("\n")[0]
        raise StoreUnavailable(f"XPSTORE_DATABASE_URL: the database does not answer: {reason}") from None
    for attempt in range(ATTEMPTS):
        try:
            with database.engine.execution_options(writes=True).begin() as connection:
                _lock(connection)
                _run_alembic(connection)
            return True
        except DBAPIError as error:
            # Two servers made the lock's table in the same moment: the second finds it there.
            if attempt == ATTEMPTS - 1:
                raise StoreUnavailable("The database could not be migrated.") from error
            time.sleep(0.2 * (attempt + 1))
    return False


def _revision(database: Database) -> str | None:
    with database.engine.connect() as connection:
        tables = database.engine.dialect.get_table_names(connection)
        if "alembic_version" not in tables:
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        return  # the transaction began IMMEDIATE: it has the write lock
    connection.execute(text("CREATE TABLE IF NOT EXISTS migration_lock (only_row integer)"))
    connection.execute(text("LOCK TABLE migration_lock IN ACCESS EXCLUSIVE MODE"))


def _run_alembic(connection: Connection) -> None:
    from alembic import command  # here, as most starts find the schema up to date
    from alembic.config import Config  # the same

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
