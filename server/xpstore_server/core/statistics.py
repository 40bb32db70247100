"""Statistics of a project: what it holds, and what sharing chunks and caching results have saved."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, cast, distinct, func, select

from xpstore_server.core import cache, project
from xpstore_server.core.search import query
from xpstore_server.store.limbo import HIDDEN_EXPERIMENTS
from xpstore_server.store.tables import artifact_version, model, pack, run
from xpstore_server.store.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Statistics:
    """As GetProjectStatistics has them."""

    experiment_count: int
    model_count: int
    running_model_count: int
    artifact_count: int
    version_count: int
    version_bytes: int
    stored_bytes: int
    cache_entry_count: int
    cache_hits: int
    cache_saved_us: int
    active_at_us: int | None


def of_project(tx: Transaction, uid: str) -> Statistics:
    """Counts.

    Raises:
        NotFound: there is no such project.
    """
    known = project.whole(tx, uid)
    version = artifact_version
    sizes = cast(func.coalesce(func.sum(version.c.size_bytes), 0), BigInteger)
    wanted = select(func.count(), sizes, func.count(distinct(version.c.artifact_id)))
    versions = tuple(tx.execute(wanted.where(version.c.project_uid == uid, version.c.state == "live")).one())
    stored = select(cast(func.coalesce(func.sum(pack.c.size_bytes), 0), BigInteger)).where(pack.c.pool == uid)
    cached = cache.statistics(tx, uid)
    running = query.Query.parse(project_uid=uid, filter="status = 'running'", order_by="")
    there = (model.c.project_uid == uid, model.c.experiment_id.not_in(HIDDEN_EXPERIMENTS))
    changed = select(func.max(model.c.updated_at_us))
    heard = select(func.max(run.c.heartbeat_at_us)).join(model, model.c.id == run.c.model_id)
    times = [tx.execute(one.where(*there)).scalar() for one in (changed, heard)]
    return Statistics(
        experiment_count=known.experiments,
        model_count=known.models,
        running_model_count=query.count(tx, running),
        artifact_count=versions[2],
        version_count=versions[0],
        version_bytes=versions[1],
        stored_bytes=tx.execute(stored).scalar_one(),
        cache_entry_count=cached.entries,
        cache_hits=cached.hits,
        cache_saved_us=cache.saved_us(cached),
        active_at_us=max((time for time in times if time is not None), default=None),
    )
