"""Brings a database to the schema of this release. Many servers may start at once: one migrates, the others wait."""

import time

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from xpstore_server.store.database import Database
from xpstore_server.store.engines import begin_writing
from xpstore_server.store.errors import StoreRefused
from xpstore_server.store.failures import as_start_error
from xpstore_server.store.schema import FOLDER, HEAD, revision

ATTEMPTS = 5


def upgrade(database: Database) -> bool:
    """Migrates if needed; returns whether it did.

    Raises StoreUnavailable or StoreRefused, in one line that names the setting and the cure, for a database that is
    away, that says no, or that is not ours.
    """
    try:
        with database.engine.connect() as connection:
            if revision(connection) == HEAD:
                _check_writable(connection)
                return False
    except DBAPIError as error:
        raise as_start_error(error) from None
    for attempt in range(ATTEMPTS):
        try:
            with database.engine.connect() as connection, begin_writing(connection):
                _lock(connection)
                if revision(connection) == HEAD:
                    return False  # another server was at it
                _run_alembic(connection)
            return True
        except DBAPIError as error:
            # Two servers made the lock's table in the same moment: the second finds it there.
            if attempt == ATTEMPTS - 1:
                raise as_start_error(error) from error
            time.sleep(0.2 * (attempt + 1))
    return False


def _check_writable(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        return  # a file that cannot be written is refused when it is opened
    if connection.execute(text("SHOW transaction_read_only")).scalar() == "on":
        raise StoreRefused("XPSTORE_DATABASE_URL: the database can only be read, as a standby: name the primary")


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        return  # the transaction began IMMEDIATE: it has the write lock
    for name in ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(text(f"SET LOCAL {name} = 0"))  # moving rows takes as long as it takes
    connection.execute(text("CREATE TABLE IF NOT EXISTS migration_lock (only_row integer)"))
    connection.execute(text("LOCK TABLE migration_lock IN ACCESS EXCLUSIVE MODE"))


def _run_alembic(connection: Connection) -> None:
    from alembic import command  # here, as most starts find the schema up to date
    from alembic.config import Config  # the same

    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
