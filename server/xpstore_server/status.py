"""What `xpstore-server status` says: what is served, where, and how much. Nothing is made or changed for it."""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Table, func, select

from xpstore_server.locations import shown
from xpstore_server.reaching import ask_health, ask_health_over_http
from xpstore_server.settings import Settings, StartError
from xpstore_server.store.blobs.opened import bucket_folder
from xpstore_server.store.database import Database
from xpstore_server.store.engines import parse_url, sqlite_file
from xpstore_server.store.limbo import HIDDEN_EXPERIMENTS
from xpstore_server.store.room import measure
from xpstore_server.store.tables import artifact_version, model, pack, project
from xpstore_server.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Counts:
    """What a database holds."""

    projects: int
    models: int
    versions: int
    packs: int
    packs_not_read_back: int
    stored_bytes: int


def status(settings: Settings) -> dict[str, Any]:
    """All of it, as JSON takes it.

    Raises:
        StartError: there is no database yet.
        StoreError: it does not answer.
    """
    database = opened(settings)
    try:
        counts = database.read(_count)
    finally:
        database.close()
    return {
        "version": importlib.metadata.version("xpstore"),
        "health": {
            **{address: ask_health(settings, address) for address in settings.listen},
            **{f"http {address}": ask_health_over_http(settings, address) for address in settings.http_listen},
        },
        "database": name_of_database(settings),
        "bucket": name_of_bucket(settings),
        "projects": counts.projects,
        "models": counts.models,
        "versions": counts.versions,
        "packs": counts.packs,
        "packs_not_read_back": counts.packs_not_read_back,
        "stored_bytes": counts.stored_bytes,
        "free_bytes": {name: measure(folder).free_bytes for name, folder in folders(settings).items()},
    }


def opened(settings: Settings) -> Database:
    """The database as it is: none is made, and none is migrated."""
    file = sqlite_file(settings.database_url)
    if file is not None and not file.exists():
        raise StartError(f"There is no database {shown(file)}: `serve` makes one, or set XPSTORE_DATABASE_URL.")
    return Database(settings.database_url)


def name_of_database(settings: Settings) -> str:
    """Where the database is, without any secret."""
    file = sqlite_file(settings.database_url)
    if file is not None:
        return f"SQLite, {shown(file)}"
    url = parse_url(settings.database_url)
    hosts = url.host or url.query.get("host", "") or "this machine"
    return f"PostgreSQL, {url.database or 'database'} on {hosts if isinstance(hosts, str) else ', '.join(hosts)}"


def name_of_bucket(settings: Settings) -> str:
    """Where packs are, without any secret."""
    parts = urlsplit(settings.blob_url)
    if parts.scheme == "s3":
        return f"S3, {parts.path.strip('/')} on {parts.netloc.rpartition('@')[2]}"
    return shown(settings.blob_url)


def _count(tx: Transaction) -> Counts:
    def number(table: Table, *which: Any) -> int:
        return int(tx.execute(select(func.count()).select_from(table).where(*which)).scalar_one())

    stored = tx.execute(select(func.coalesce(func.sum(pack.c.size_bytes), 0))).scalar_one()
    return Counts(
        number(project, project.c.deleted_at_us.is_(None)),
        number(model, model.c.experiment_id.not_in(HIDDEN_EXPERIMENTS)),
        number(artifact_version, artifact_version.c.state == "live"),
        number(pack),
        number(pack, pack.c.vouched_by.is_not(None)),
        int(stored),
    )


def folders(settings: Settings) -> dict[str, Path]:
    """Where a database and a bucket of this machine are, or the nearest folder above that is there."""
    file, bucket = sqlite_file(settings.database_url), bucket_folder(settings.blob_url)
    named = {"database": None if file is None else file.parent, "bucket": bucket}
    found = {name: [path, *path.parents] for name, path in named.items() if path is not None}
    return {name: next(path for path in paths if path.is_dir()) for name, paths in found.items()}
