"""All tables, a file for each topic, and here in one place.

SQLModel declares them, because the requirements of this service ask for it by name; plain `sqlalchemy.Table` would say
the same. Queries are Core statements on these tables: no object of SQLModel's classes is ever made.

Times are BIGINT microseconds of the database's clock, so no zone can be lost. JSON rests as text, byte for byte.
Ids are UUIDs made by clients, so a repeated create finds its own row.
"""

from xpstore_server.store.tables.artifacts import (
    artifact,
    artifact_alias,
    artifact_lineage,
    artifact_link,
    artifact_version,
)
from xpstore_server.store.tables.cache import cache_entry, cache_lease, cache_total, cache_verification
from xpstore_server.store.tables.declare import TEXT, UUID, metadata
from xpstore_server.store.tables.packs import SMALL_PACK, artifact_pack, chunk, pack, pack_pending, upload, upload_part
from xpstore_server.store.tables.points import block, outline, series, writer
from xpstore_server.store.tables.tracking import (
    alert,
    api_key,
    attribute,
    deleted_experiment,
    deleted_model,
    experiment,
    experiment_total,
    iteration,
    model,
    model_tag,
    module,
    project,
    project_total,
    run,
    run_console,
    server_secret,
    session,
    step_advance,
)

__all__ = [
    "SMALL_PACK",
    "TEXT",
    "UUID",
    "alert",
    "api_key",
    "artifact",
    "artifact_alias",
    "artifact_lineage",
    "artifact_link",
    "artifact_pack",
    "artifact_version",
    "attribute",
    "block",
    "cache_entry",
    "cache_lease",
    "cache_total",
    "cache_verification",
    "chunk",
    "deleted_experiment",
    "deleted_model",
    "experiment",
    "experiment_total",
    "iteration",
    "metadata",
    "model",
    "model_tag",
    "module",
    "outline",
    "pack",
    "pack_pending",
    "project",
    "project_total",
    "run",
    "run_console",
    "series",
    "server_secret",
    "session",
    "step_advance",
    "upload",
    "upload_part",
    "writer",
]
