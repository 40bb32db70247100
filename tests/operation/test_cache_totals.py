"""Sums over cache entries are those of the entries there are, whatever happens to them and in whatever order."""

import contextlib
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from support.backends import sqlite_url
from support.growth.grown import Grown
from support.growth.rows import PROJECT, VERSION, uuid
from xpstore.v1 import artifact_pb2, cache_pb2
from xpstore_server.core import artifact, cache
from xpstore_server.core.cache import EntryKey
from xpstore_server.core.errors import NotFound

SIZE, STEPS, SEED = 60, 150, 7
COUNTED = """SELECT count(*), coalesce(sum(e.hits), 0), coalesce(sum(e.hits * e.duration_us), 0),
    coalesce(sum(v.size_bytes), 0) FROM cache_entry e JOIN artifact_version v ON v.id = e.version_id
    WHERE v.state = 'live'"""


@pytest.fixture(params=["sqlite", "postgres"])
def grown(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Grown]:
    is_sqlite = request.param == "sqlite"
    url = sqlite_url(tmp_path / "x.db") if is_sqlite else request.getfixturevalue("postgres").create_database()
    grown = Grown(url, tmp_path)
    grown.grow(SIZE)
    yield grown
    grown.close()


def assert_right(grown: Grown) -> None:
    request = cache_pb2.GetCacheStatisticsRequest(project_uid=uuid(PROJECT))
    told: cache_pb2.GetCacheStatisticsResponse = grown.call(lambda _: ("Cache.GetCacheStatistics", request))
    with grown.database.engine.connect() as connection:
        counted = tuple(map(int, connection.execute(text(COUNTED)).one()))
    assert (told.entry_count, told.hits, told.saved_us, told.size_bytes) == counted


def _change(grown: Grown, chance: random.Random) -> None:
    number = chance.randrange(1, SIZE)
    key, version_id = EntryKey(uuid(PROJECT), f"{number:064x}"), uuid(VERSION + number)
    requests: list[tuple[str, Any]] = [
        ("Artifact.DeleteArtifactVersion", artifact_pb2.DeleteArtifactVersionRequest(version_id=version_id)),
        ("Artifact.UndeleteArtifactVersion", artifact_pb2.UndeleteArtifactVersionRequest(version_id=version_id)),
        (
            "Cache.InvalidateCacheEntries",
            cache_pb2.InvalidateCacheEntriesRequest(
                project_uid=uuid(PROJECT), fingerprint=key.fingerprint, delete_artifacts=chance.random() < 0.3
            ),
        ),
    ]
    kind = chance.choices(range(5), (5, 5, 1, 5, 0.2))[0]
    if kind < 3:
        with contextlib.suppress(NotFound):  # it is purged
            grown.call(lambda _: requests[kind])
    elif kind == 3:
        grown.database.write(lambda tx: cache.add_hits(tx, [(key, chance.randrange(1, 9), 5)]))
    else:  # the purge of what was deleted
        grown.database.write(
            lambda tx: tx.execute(artifact.version.delete().where(artifact.version.c.state == "deleted"))
        )


def test_sums_are_right_after_each_change(grown: Grown) -> None:
    chance = random.Random(SEED)
    assert_right(grown)
    for _ in range(STEPS):
        _change(grown, chance)
        assert_right(grown)


def test_sums_are_right_where_changes_meet(grown: Grown) -> None:
    def run(seed: int) -> None:
        for number in range(40):
            _change(grown, random.Random(seed * 1_000 + number))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, range(6)))
    assert_right(grown)
