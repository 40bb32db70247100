"""What usual calls cost 10, 10^3 and 10^5 of everything: steps of SQLite's machine, and pages that PostgreSQL reads."""

from pathlib import Path

from bench.figure import Figure, Goal, Spread, say
from support.backends import sqlite_url
from support.growth.calls import READS, WRITES
from support.growth.grown import Grown
from support.services import Postgres

SIZES = (10, 1_000, 100_000)
MOST = 2  # times as much as at the size before


def measure(folder: Path, sizes: tuple[int, ...] = SIZES) -> list[Figure]:
    """Each call at the largest size, beside what it costs at the others."""
    figures = _measure_on("SQLite", "steps", sqlite_url(folder / "growth.db"), folder / "sqlite", sizes)
    with Postgres() as postgres:
        return figures + _measure_on("PostgreSQL", "pages", postgres.create_database(), folder / "postgres", sizes)


def _measure_on(name: str, unit: str, database_url: str, folder: Path, sizes: tuple[int, ...]) -> list[Figure]:
    calls, costs = {**READS, **WRITES}, list[dict[str, int]]()
    grown = Grown(database_url, folder)
    try:
        for size in sizes:
            grown.grow(size)
            costs.append(grown.costs(calls))
            say(f"{name}: {size:,} of each")
    finally:
        grown.close()
    goal = Goal("<=", MOST, f"at {sizes[-2]:,}")
    return [
        Figure(
            f"{name}: {call}",
            unit,
            Spread.of([costs[-1][call]]),
            {f"at {size:,}": Spread.of([cost[call]]) for size, cost in zip(sizes[-2::-1], costs[-2::-1], strict=True)},
            (goal,),
        )
        for call in calls
    ]
