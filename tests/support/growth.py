"""What calls cost a database that holds more and more: steps of SQLite's machine, and pages that PostgreSQL reads.

Neither depends on the computer or on what else runs there. The service's methods are called in this process.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import event, text

from support.rows import analyze, fill, id_of
from xpstore.v1 import artifact_pb2, cache_pb2, experiment_pb2, iteration_pb2, model_pb2, project_pb2, run_pb2
from xpstore_server import auth
from xpstore_server.app import App
from xpstore_server.settings import Settings
from xpstore_server.store import tables

Row = dict[str, Any]
Request = Callable[["Grown"], Any]

# Kinds of ids: those of one kind are numbered from its first on.
PROJECT, EXPERIMENT, MODEL, ARTIFACT, VERSION, MANY, LINK, RUN, MODULE, ITERATION, LEASE, PACK = (
    kind << 64 for kind in range(1, 13)
)
STAMPS = {"created_by": "", "updated_by": "", "revision": 1}
PAGE = 20


def uuid(number: int) -> str:
    """An id as messages have it."""
    return str(UUID(int=number))


def _versions(**filters: Any) -> Request:
    return lambda grown: (
        "Artifact.ListArtifactVersions",
        artifact_pb2.ListArtifactVersionsRequest(project_uid=uuid(PROJECT), page_size=PAGE, **filters),
    )


def _named(name: str, **selector: Any) -> Request:
    source = artifact_pb2.ArtifactName(project_id="p 0", name=name, **selector)
    return lambda grown: ("Artifact.GetArtifactVersion", artifact_pb2.GetArtifactVersionRequest(artifact_name=source))


def _call(method: str, request: Any) -> Request:
    return lambda grown: (method, request)


READS: dict[str, Request] = {
    "get_by_name: the newest": _named("many"),
    "get_by_name: by number": _named("many", version=5),
    "get_by_name: by alias": _named("many", alias="best"),
    "versions of an artifact that has one": _versions(name="name 3"),
    "versions of an artifact that has all": _versions(name="many"),
    "artifacts.get: the newest": _versions(name="many", descending=True),
    "artifacts.get: by number": _versions(name="many", version=5),
    "artifacts.get: by alias": _versions(name="many", alias="best"),
    "artifacts.get: by step": _versions(name="many", step=7),
    "versions by number": _versions(version=9),
    "versions by alias": _versions(alias="best"),
    "versions by step": _versions(step=7),
    "versions of a rare type": _versions(type="dataset"),
    "versions of a common type": _versions(type="directory"),
    "versions of a model": _versions(model_id=uuid(MODEL + 5)),
    "versions of a model, by name": _versions(model_id=uuid(MODEL + 5), name="many"),
    "versions of a model that has all": _versions(model_id=uuid(MODEL)),
    "versions of an iteration": _versions(model_id=uuid(MODEL + 1), iteration_id=uuid(ITERATION + 2)),
    "versions of a project": _versions(),
    "versions of a project, newest first": _versions(descending=True),
    "ListArtifacts": _call(
        "Artifact.ListArtifacts", artifact_pb2.ListArtifactsRequest(project_uid=uuid(PROJECT), page_size=PAGE)
    ),
    "ListArtifacts of a rare type": _call(
        "Artifact.ListArtifacts",
        artifact_pb2.ListArtifactsRequest(project_uid=uuid(PROJECT), type="dataset", page_size=PAGE),
    ),
    "GetArtifact": _call(
        "Artifact.GetArtifact",
        artifact_pb2.GetArtifactRequest(artifact_name=artifact_pb2.ArtifactName(project_id="p 0", name="many")),
    ),
    "ListProjects": _call("Project.ListProjects", project_pb2.ListProjectsRequest(page_size=PAGE)),
    "ListExperiments": _call(
        "Experiment.ListExperiments", experiment_pb2.ListExperimentsRequest(project_uid=uuid(PROJECT), page_size=PAGE)
    ),
    "GetModel by hash": _call(
        "Model.GetModel",
        model_pb2.GetModelRequest(
            model_hash=model_pb2.ModelHash(experiment_id=uuid(EXPERIMENT), hash="hash 5"),
        ),
    ),
    "ListModels": _call(
        "Model.ListModels", model_pb2.ListModelsRequest(experiment_id=uuid(EXPERIMENT), page_size=PAGE)
    ),
    "ListRuns": _call("Run.ListRuns", run_pb2.ListRunsRequest(model_id=uuid(MODEL + 1), page_size=PAGE)),
    "ListIterations": _call(
        "Iteration.ListIterations", iteration_pb2.ListIterationsRequest(model_id=uuid(MODEL + 1), page_size=PAGE)
    ),
    "ListModules": _call("Model.ListModules", model_pb2.ListModulesRequest(model_id=uuid(MODEL), page_size=PAGE)),
    "ListModules beside those of iterations": _call(
        "Model.ListModules", model_pb2.ListModulesRequest(model_id=uuid(MODEL + 1), page_size=PAGE)
    ),
    "ListNewestModules": _call(
        "Model.ListNewestModules",
        model_pb2.ListNewestModulesRequest(model_ids=[uuid(MODEL), uuid(MODEL + 1), uuid(MODEL + 2)], page_size=PAGE),
    ),
    "LookupCacheEntry": _call(
        "Cache.LookupCacheEntry",
        cache_pb2.LookupCacheEntryRequest(project_uid=uuid(PROJECT), fingerprint=f"{5:064x}"),
    ),
    "ListCacheEntries": _call(
        "Cache.ListCacheEntries", cache_pb2.ListCacheEntriesRequest(project_uid=uuid(PROJECT), page_size=PAGE)
    ),
    "ListCacheEntries of a rare process": _call(
        "Cache.ListCacheEntries",
        cache_pb2.ListCacheEntriesRequest(project_uid=uuid(PROJECT), process_name="rare", page_size=PAGE),
    ),
    "GetCacheStatistics": _call(
        "Cache.GetCacheStatistics", cache_pb2.GetCacheStatisticsRequest(project_uid=uuid(PROJECT))
    ),
}

WRITES: dict[str, Request] = {
    "save one more": lambda grown: (
        "Artifact.CommitArtifact",
        artifact_pb2.CommitArtifactRequest(
            project_uid=uuid(PROJECT),
            version_id=grown.fresh_id(),
            draft=artifact_pb2.ArtifactDraft(name="many", type="directory", force=True),
        ),
    ),
    "save the same for another model": lambda grown: (
        "Artifact.CommitArtifact",
        artifact_pb2.CommitArtifactRequest(
            project_uid=uuid(PROJECT),
            version_id=grown.fresh_id(),
            draft=artifact_pb2.ArtifactDraft(
                name="same",
                type="directory",
                links=[artifact_pb2.ArtifactLink(model_id=uuid(MODEL + 1), step=next(grown.numbers))],
            ),
        ),
    ),
    "alias": lambda grown: (
        "Artifact.SetArtifactAlias",
        artifact_pb2.SetArtifactAliasRequest(version_id=uuid(MANY + 1 + next(grown.numbers) % 2), alias="good"),
    ),
    "link": lambda grown: (
        "Artifact.LinkArtifactVersion",
        artifact_pb2.LinkArtifactVersionRequest(
            version_id=uuid(MANY + 4),
            link=artifact_pb2.ArtifactLink(model_id=uuid(MODEL + 2), step=next(grown.numbers)),
        ),
    ),
    "create a model": lambda grown: (
        "Model.CreateModel",
        model_pb2.CreateModelRequest(
            experiment_id=uuid(EXPERIMENT), model_id=grown.fresh_id(), hash=f"new {next(grown.numbers)}", tags=["a"]
        ),
    ),
    "begin a run": lambda grown: (
        "Run.CreateRun",
        run_pb2.CreateRunRequest(model_id=uuid(MODEL + 1), run_id=grown.fresh_id()),
    ),
    "log a module": lambda grown: (
        "Model.CreateModule",
        model_pb2.CreateModuleRequest(model_id=uuid(MODEL), module_id=grown.fresh_id(), name="encoder"),
    ),
}


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
        self.numbers = iter(range(10**6, 10**9))
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
        make = _ROWS.get(table.name)
        if make is not None:
            for number in range(start, end):
                yield from make(lambda id_: id_of(self.database, id_), number)


def _stamped(number: int) -> Row:
    return {**STAMPS, "created_at_us": 10 + number, "updated_at_us": 10 + number}


def _version(as_id: Callable[[int], str], kind: int, number: int, owner: int, version: int) -> Row:
    return {
        "id": as_id(kind + number),
        "project_uid": as_id(PROJECT),
        "artifact_id": as_id(ARTIFACT + owner),
        "version": version,
        "state": "live",
        "digest": number.to_bytes(32),
        "fingerprint": "",
        "manifest": b"",
        "size_bytes": 7,
        "file_count": 0,
        "metadata_json": "{}",
        "process_json": json.dumps({"name": "p", "parts": []}) if kind == VERSION else None,
        **_stamped(number),
    }


_ROWS: dict[str, Callable[[Callable[[int], str], int], list[Row]]] = {
    "project": lambda as_id, n: [
        {
            "uid": as_id(PROJECT + n),
            "id": f"p {n}",
            "name": "",
            "description": "",
            "creation_id": as_id(PROJECT + n),
            **_stamped(n),
        }
    ],
    "experiment": lambda as_id, n: [
        {"id": as_id(EXPERIMENT + n), "project_uid": as_id(PROJECT), "name": f"e {n}", **_stamped(n)}
    ],
    "model": lambda as_id, n: [
        {
            "id": as_id(MODEL + n),
            "experiment_id": as_id(EXPERIMENT),
            "project_uid": as_id(PROJECT),
            "hash": f"hash {n}",
            "step": 0,
            "config_json": "{}",
            "next_ordinal": 0,
            **_stamped(n),
        }
    ],
    "model_tag": lambda as_id, n: [{"model_id": as_id(MODEL + n), "tag": "a", "position": 0}],
    "run": lambda as_id, n: [
        {
            "id": as_id(RUN + n),
            "model_id": as_id(MODEL + 1),
            "started_at_us": n,
            "heartbeat_at_us": n,
            "rank": 0,
            "git_dirty": 0,
            "packages_json": "{}",
            **dict.fromkeys(("host", "user", "command", "python", "git_commit", "error"), ""),
        }
    ],
    "iteration": lambda as_id, n: [
        {"id": as_id(ITERATION + n), "model_id": as_id(MODEL + 1), "step": n, "created_at_us": n}
    ],
    # One name of a model again and again; and one in each iteration of another model.
    "module": lambda as_id, n: [
        {
            "id": as_id(MODULE + 2 * n + of),
            "model_id": as_id(MODEL + of),
            "iteration_id": as_id(ITERATION + n) if of else None,
            "name": "encoder",
            "attributes_json": "{}",
            "created_at_us": n,
        }
        for of in range(2)
    ],
    # Artifact 0 has as many versions as there are others, and each of those has one.
    "artifact": lambda as_id, n: [
        {
            "id": as_id(ARTIFACT + n),
            "project_uid": as_id(PROJECT),
            "name": {0: "many", 1: "same"}.get(n, f"name {n}"),
            "type": "dataset" if n == 3 else "directory",
            "last_version": 1 if n else 10**6,
            **_stamped(n),
        }
    ],
    "artifact_version": lambda as_id, n: [
        _version(as_id, MANY, n, 0, n + 1),
        *([_version(as_id, VERSION, n, n, 1)] if n else []),
    ],
    "artifact_alias": lambda as_id, n: [
        {"artifact_id": as_id(ARTIFACT), "alias": "best" if n == 5 else f"a{n}", "version_id": as_id(MANY + n)}
    ],
    # Each version of artifact 0 is of model 0, which has all, and of one other.
    "artifact_link": lambda as_id, n: [
        {
            "id": as_id(LINK + 2 * n + of),
            "version_id": as_id(MANY + n),
            "model_id": as_id(MODEL + (n if of else 0)),
            "iteration_id": None,
            "step": n if of else None,
            "created_at_us": n,
        }
        for of in range(2)
    ],
    "artifact_lineage": lambda as_id, n: (
        [{"version_id": as_id(MANY + n), "used_version_id": as_id(VERSION + 1)}] if n else []
    ),
    "cache_entry": lambda as_id, n: (
        [
            {
                "project_uid": as_id(PROJECT),
                "fingerprint": f"{n:064x}",
                "version_id": as_id(VERSION + n),
                "lease_id": as_id(LEASE + n),
                "process_name": "rare" if n == 4 else "usual",
                "completed_at_us": n,
                "completed_by": "",
                "duration_us": 5,
                "hits": 1,
                "fingerprint_format": 2,
            }
        ]
        if n
        else []
    ),
    "pack": lambda as_id, n: [
        {"id": as_id(PACK + n), "pool": as_id(PROJECT), "size_bytes": 5, "created_at_us": n, "touched_at_us": n}
    ],
    "artifact_pack": lambda as_id, n: [{"version_id": as_id(MANY + n), "pack_id": as_id(PACK + n)}],
}
