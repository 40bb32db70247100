"""Which schema a database has: the one of this release, an older, a newer, or somebody else's."""

from pathlib import Path

from sqlalchemy import Connection, text

from xpstore_server.store.errors import StoreRefused
from xpstore_server.store.tables import metadata

# The newest revision in migrations/versions. Written here so that a start need not import alembic (0.3 s).
HEAD = "0020"
FOLDER = Path(__file__).parent / "migrations"

_REVISION = text("SELECT version_num FROM alembic_version")


def check_schema(connection: Connection) -> None:
    """Raises StoreRefused if the database has not, or no more, the schema of this release."""
    found = connection.execute(_REVISION).scalars().all()
    if found != [HEAD]:
        told = ", ".join(map(repr, found)) or "none"
        raise StoreRefused(f"The database has the schema {told}, this release of xpstore needs {HEAD!r}.")


def revision(connection: Connection) -> str | None:
    """The revision of our schema, None for a database without any. Raises StoreRefused for what cannot be ours."""
    names = set(connection.dialect.get_table_names(connection))
    if "alembic_version" not in names:
        taken = sorted(names & set(metadata.tables))
        if taken:
            raise StoreRefused(_foreign(f"it has a table {taken[0]!r} that xpstore did not make"))
        return None
    found = [str(one) for one in connection.execute(_REVISION).scalars()]
    if not found:
        return None
    if len(found) > 1 or ("project" not in names or "api_key" not in names):
        raise StoreRefused(_foreign(f"its alembic_version {found[0]!r} belongs to another program"))
    known = {path.name[:4] for path in (FOLDER / "versions").glob("[0-9]*.py")}
    if found[0] not in known:
        raise StoreRefused(
            f"XPSTORE_DATABASE_URL: the database has the schema {found[0]!r}, made by a newer release of xpstore; this "
            f"one knows {HEAD!r}: run that release, or restore a backup from before it"
        )
    return found[0]


def _foreign(reason: str) -> str:
    return f"XPSTORE_DATABASE_URL: this is not a database of xpstore, {reason}: give it an empty one of its own"
