"""How large the indexes of PostgreSQL grow while a few series of many get points, with our settings and without."""

import random
import uuid
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from bench.figure import Figure, Goal, Spread
from support.services import Postgres
from xpstore_server.store import migrate
from xpstore_server.store.database import Database

SERIES, HOT, UPDATES = 50_000, 200, 30_000
WITHOUT = "ALTER TABLE series RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold)"
FILL = """
INSERT INTO series (id, model_id, project_uid, name, phase, points, last_ordinal, last_time_us, last_kind, last_text,
    last_number, min_number, max_number, small_blocks)
SELECT gen_random_uuid(), gen_random_uuid(), %s, 'loss', '', 1, 1, 1, 'float', '1', random(), random(), random(), 0
FROM generate_series(1, %s)
"""
UPDATE = "UPDATE series SET points = points + 1, last_number = %s, min_number = %s, max_number = %s WHERE id = %s"


def measure(folder: Path, updates: int = UPDATES) -> list[Figure]:
    """Pages by which the indexes of `series` grew, and pages that a search reads afterwards. Both free of the load."""
    grown, read = _run([], updates)
    grown_without, read_without = _run([WITHOUT], updates)
    beside = "PostgreSQL's defaults"
    name = f"{updates:,} points of {HOT} series of {SERIES:,}"
    return [
        Figure(f"{name}: indexes grow", "pages", grown, {beside: grown_without}, (Goal("<", 0.6, beside),)),
        Figure("search of 1 % by their last value after it", "pages", read, {beside: read_without}),
    ]


def _run(changes: list[str], updates: int) -> tuple[Spread, Spread]:
    with Postgres() as postgres:
        url = postgres.create_database()
        database = Database(url)
        migrate.upgrade(database)
        database.close()
        where = f"host={postgres.folder} user=postgres dbname={make_url(url).database}"
        with psycopg.connect(where, autocommit=True) as connection:
            # A minute between two looks of autovacuum would take a benchmark of hours.
            for statement in ("ALTER SYSTEM SET autovacuum_naptime = '1s'", "SELECT pg_reload_conf()", *changes):
                connection.execute(statement.encode())
            return _update(connection, updates)


def _update(connection: "psycopg.Connection[tuple[int, ...]]", updates: int) -> tuple[Spread, Spread]:
    project, numbers = uuid.uuid4(), random.Random(1)
    connection.execute("SET session_replication_role = replica")  # no models for them
    connection.execute(FILL, [project, SERIES])
    connection.execute("VACUUM ANALYZE series")
    hot = connection.execute("SELECT id FROM series ORDER BY id LIMIT %s", [HOT]).fetchall()
    before = _index_pages(connection)
    for number in range(updates):
        values = [numbers.random() for _ in range(3)]
        connection.execute(UPDATE, [*values, *hot[number % HOT]])
    search = "SELECT model_id FROM series WHERE project_uid = %s AND name = 'loss' AND last_number < 0.01"
    plan = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {search}", [project]).fetchone()
    assert plan is not None
    blocks = plan[0][0]["Plan"]  # type: ignore[index]
    read = blocks["Shared Hit Blocks"] + blocks["Shared Read Blocks"]
    return Spread.of([_index_pages(connection) - before]), Spread.of([read])


def _index_pages(connection: "psycopg.Connection[tuple[int, ...]]") -> int:
    found = connection.execute("SELECT pg_indexes_size('series') / 8192").fetchone()
    assert found is not None
    return int(found[0])
