"""What a project holds."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from xpstore._values.times import to_datetime
from xpstore.v1 import project_pb2 as pb


@dataclass(frozen=True, slots=True)
class ProjectStatistics:
    """What a project holds, and what sharing bytes and caching results have saved.

    Attributes:
        experiments: how many experiments it has.
        models: how many models.
        running_models: how many of them have a newest run that is running.
        artifacts: how many artifacts.
        versions: how many versions of them.
        version_bytes: sum of the sizes of the versions, as if each were stored by itself.
        stored_bytes: what they take in the store: compressed, shared parts once, deleted ones until they are purged.
        cache_entries: how many results the cache has.
        cache_hits: how often they were hits.
        cache_saved_seconds: the computing time that those hits saved.
        active_at: when a model was last changed or heard of, UTC; None without one.
    """

    experiments: int
    models: int
    running_models: int
    artifacts: int
    versions: int
    version_bytes: int
    stored_bytes: int
    cache_entries: int
    cache_hits: int
    cache_saved_seconds: float
    active_at: datetime | None

    @classmethod
    def _from_wire(cls, wire: pb.GetProjectStatisticsResponse) -> Self:
        return cls(
            experiments=wire.experiment_count,
            models=wire.model_count,
            running_models=wire.running_model_count,
            artifacts=wire.artifact_count,
            versions=wire.version_count,
            version_bytes=wire.version_bytes,
            stored_bytes=wire.stored_bytes,
            cache_entries=wire.cache_entry_count,
            cache_hits=wire.cache_hits,
            cache_saved_seconds=wire.cache_saved_us / 1_000_000,
            active_at=to_datetime(wire.active_at_us) if wire.HasField("active_at_us") else None,
        )
