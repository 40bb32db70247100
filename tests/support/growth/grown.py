"""Costs of calls: steps of SQLite's machine, and pages that PostgreSQL reads.

Neither depends on the computer or on what else runs there. The service's methods are called in this process.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import event, text

from support.growth.calls import Request
from support.growth.rows import ROWS, Row, uuid
from support.rows import analyze, fill, id_of
from xpstore_server import auth
from xpstore_server.app import App
from xpstore_server.settings import Settings
from xpstore_server.store import tables


class Grown:
    """A database that is filled further and further, and a service on it whose calls are counted."""

    def __init__(self, database_url: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        paths = {"admin_key_file": folder / "admin.key", "data_dir": folder}
        settings = Settings.model_validate(
            {"database_url": database_url, "blob_url": (folder / "blobs").as_uri(), **paths}
        )
        self._app = App(settings)
        self.database = self._app.database
        self._services = {name.split(".")[-1]: add.args[0] for name, add in self._app._services()}  # type: ignore[attr-defined]
        self.size = 0
        self.numbers: Iterator[int] = iter(range(10**6, 10**9))
        self._steps = 0
        if self.database.is_sqlite:
            event.listen(self.database.engine, "checkout", self._count_steps)
        else:
            self._prepare_postgres()

    def close(self) -> None:
        self._app.close()

    def fresh_id(self) -> str:
        """An id that nothing has."""
        return uuid((100 << 64) + next(self.numbers))

    def grow(self, size: int) -> None:
        """Adds rows until there are `size` of each kind."""
        fill(
            self.database, {table: list(self._rows(table, self.size, size)) for table in tables.metadata.sorted_tables}
        )
        self.size = size
        if not self.database.is_sqlite:
            self._tidy_sums()

    def _tidy_sums(self) -> None:
        """Makes tables of sums as small as a server keeps them, whose many transactions tidy up after each other."""
        with self.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM (FULL, ANALYZE) project_total, experiment_total"))

    def costs(self, calls: dict[str, Request]) -> dict[str, int]:
        """What each call costs, whatever the database knows of its rows and however it has planned."""
        found = dict.fromkeys(calls, 0)
        for _ in self._ways():
            for name, request in calls.items():
                self._cost(request)  # what it keeps by itself is not counted
                # PostgreSQL plans a statement for its values five times, and then may do so for any.
                times = 1 if self.database.is_sqlite else 6
                found[name] = max(found[name], *(self._cost(request) for _ in range(times)), 0)
        return found

    def _ways(self) -> Iterator[None]:
        """What a database may know of its rows."""
        if self.database.is_sqlite:
            with self.database.engine.connect() as connection:
                connection.execute(text("DROP TABLE IF EXISTS sqlite_stat1"))
                connection.commit()
            self.database.engine.dispose()
            yield
            analyze(self.database)
        self.database.engine.dispose()
        yield

    def call(self, request: Request) -> Any:
        """The answer to a call."""
        method, message = request(self)
        service, name = method.split(".")
        auth._principal.set("admin")
        return asyncio.run(getattr(self._services[f"{service}Service"], name)(message, None))

    def _cost(self, request: Request) -> int:
        if self.database.is_sqlite:
            self._steps = 0
            self.call(request)
            return self._steps
        before = self._pages()
        self.call(request)
        return self._pages() - before

    # SQLite

    def _count_steps(self, connection: Any, _record: Any, _proxy: Any) -> None:
        connection.set_progress_handler(self._step, 1)

    def _step(self) -> int:
        self._steps += 1
        return 0

    # PostgreSQL

    def _prepare_postgres(self) -> None:
        with self.database.engine.begin() as connection:
            for table in tables.metadata.sorted_tables:  # it would read pages at its own time
                connection.execute(text(f"ALTER TABLE {table.name} SET (autovacuum_enabled = false)"))

        @event.listens_for(self.database.engine, "connect")
        def connect(connection: Any, _record: Any) -> None:
            connection.prepare_threshold = 0

        @event.listens_for(self.database.engine, "checkin")
        def checkin(connection: Any, _record: Any) -> None:
            if connection is not None:
                connection.execute("SELECT pg_stat_force_next_flush()")
                connection.rollback()

    def _pages(self) -> int:
        names = (
            "heap_blks_read",
            "heap_blks_hit",
            "idx_blks_read",
            "idx_blks_hit",
            "toast_blks_read",
            "toast_blks_hit",
        )
        summed = " + ".join(f"coalesce(sum({name}), 0)" for name in names)
        with self.database.engine.connect() as connection:
            return int(connection.execute(text(f"SELECT {summed} FROM pg_statio_user_tables")).scalar_one())

    # Rows

    def _rows(self, table: Any, start: int, end: int) -> Iterator[Row]:
        make = ROWS.get(table.name)
        if make is not None:
            for number in range(start, end):
                yield from make(lambda id_: id_of(self.database, id_), number)
