"""The composition root: builds everything from settings, serves, and takes it down again."""

import asyncio
import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health, health_pb2_grpc

from xpstore.v1 import (
    alert_pb2_grpc,
    artifact_pb2_grpc,
    cache_pb2_grpc,
    experiment_pb2_grpc,
    ingest_pb2_grpc,
    iteration_pb2_grpc,
    limits_pb2_grpc,
    media_pb2_grpc,
    metric_pb2_grpc,
    model_pb2_grpc,
    project_pb2_grpc,
    run_pb2_grpc,
    transfer_pb2_grpc,
)
from xpstore_server import embedded, reflection, rights
from xpstore_server.admin_key import read_or_make_key
from xpstore_server.auth import Authenticator, caller
from xpstore_server.core import access, limits
from xpstore_server.core.files import Files
from xpstore_server.core.garbage.collector import GarbageCollector
from xpstore_server.core.garbage.reachability import Needs
from xpstore_server.core.garbage.rebuild_index import IndexBuilder
from xpstore_server.core.lease import Sightings
from xpstore_server.core.publish import Publisher
from xpstore_server.core.roles.acting import Owners
from xpstore_server.door.bounds import KEYS_AT_ONCE, Activity
from xpstore_server.door.entry import Entry
from xpstore_server.door.interceptor import CallInterceptor
from xpstore_server.door.refusals import Refusals
from xpstore_server.door.rules import UNKNOWN, Rule, rules_of, same_as
from xpstore_server.health import HealthService, Ticker
from xpstore_server.janitor import Janitor
from xpstore_server.lag import Lag
from xpstore_server.listening import Descriptors, bind, bind_http, options, raise_descriptor_limit
from xpstore_server.locations import UNIX, shown
from xpstore_server.malloc import Trimmer
from xpstore_server.rpc.acting import Resolver
from xpstore_server.rpc.ahead import read_ahead
from xpstore_server.rpc.alert import AlertService
from xpstore_server.rpc.artifact import ArtifactService
from xpstore_server.rpc.blocks import Compactor
from xpstore_server.rpc.cache import CacheService
from xpstore_server.rpc.experiment import ExperimentService
from xpstore_server.rpc.hits import HitCounter
from xpstore_server.rpc.ingest import IngestService
from xpstore_server.rpc.iteration import IterationService
from xpstore_server.rpc.limits import LimitsService, Ways
from xpstore_server.rpc.manifest import CODEC
from xpstore_server.rpc.media import MediaService
from xpstore_server.rpc.metric import MetricService
from xpstore_server.rpc.models.model import ModelService
from xpstore_server.rpc.paging import SECRETS
from xpstore_server.rpc.project import ProjectService
from xpstore_server.rpc.read import Outlet, ReadAhead
from xpstore_server.rpc.run import RunService
from xpstore_server.rpc.transfers.settling import Settling
from xpstore_server.rpc.transfers.transfer import TransferService
from xpstore_server.rpc.uploads.intake import Intake
from xpstore_server.rpc.uploads.packing import Budget
from xpstore_server.rpc.uploads.turns import Turns
from xpstore_server.rpc.waiting import WaitingRoom
from xpstore_server.settings import Settings
from xpstore_server.store import limbo, migrate
from xpstore_server.store.blobs.disk import DiskBlobs
from xpstore_server.store.blobs.opened import open_blobs
from xpstore_server.store.chunks import ChunkStore
from xpstore_server.store.database import Database
from xpstore_server.store.engines import sqlite_file
from xpstore_server.store.room import Room
from xpstore_server.store.sweep import Grace
from xpstore_server.store.transfers.client_packs import ClientPacks
from xpstore_server.verifier import Verifier
from xpstore_server.visits import PATH, Visits

if TYPE_CHECKING:
    from xpstore_server.web.serve import WebServer  # for types alone: `_web` says why

log = logging.getLogger("xpstore")

# Of those who read, and of those who write: neither waits when the store is slow for the other.
BLOB_THREADS = 8

# A thread that makes SQL or reads a request lets others run after so long. With Python's own 5 ms each step of a call
# beside it waits that long: beside six searches a small read took five times as long.
SWITCH_SECONDS = 0.0005

AddService = Callable[[grpc.aio.Server], None]

OPTIONS = [
    # What a stream may send ahead of its reader. gRPC's own guess grows to many MiB, of each of hundreds of streams.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 2 << 20),
    ("grpc.so_reuseport", 0),  # else a second server silently takes the same port
    # The door refuses what is larger than half of this, and says so; gRPC says it its own way.
    ("grpc.max_receive_message_length", 2 * limits.MESSAGE_BYTES),
    # Of one connection: hundreds of threads of a program may wait for cache entries on it, and others go on beside.
    ("grpc.max_concurrent_streams", 1_024),
    # Connections that say nothing, or nothing any more, are closed; clients open another when they need it.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 120_000),
    ("grpc.http2.min_ping_interval_without_data_ms", limits.PING_INTERVAL_US // 1_000),
    ("grpc.keepalive_permit_without_calls", 1),
]


class Stores:
    """Database and bytes, and what works on both: of a server, or of one command.

    Args:
        settings: where they are.
        is_emptying: whether what is kept for deletions is used: by what makes room for all.
    """

    def __init__(self, settings: Settings, *, is_emptying: bool = False) -> None:
        kept_mib = 0 if is_emptying else settings.disk_reserve_mib
        file = sqlite_file(settings.database_url)
        if file is not None:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            rights.narrow(rights.files_of(file))
        self.room = Room(file, kept_mib)
        self.room.prepare()
        self.database = Database(settings.database_url, settings.database_connections)
        if self.room.reserve is not None:
            self.database.make_room = self.room.reserve.give_up
        migrate.upgrade(self.database)
        limbo.resume(self.database)
        self.blobs = open_blobs(
            settings.blob_url,
            connections=2 * BLOB_THREADS,
            credentials_file=settings.blob_credentials_file,
            ca_file=settings.blob_ca_file,
            public_url=settings.blob_public_url,
            kept_mib=kept_mib,
        )
        if isinstance(self.blobs, DiskBlobs):
            self.room.disks.append(self.blobs.disk)
        if not is_emptying:
            self.room.look()
        self.chunks = ChunkStore(self.database, self.blobs)
        needs = Needs(self.database, self.chunks, CODEC)
        self.collector = GarbageCollector(self.database, self.chunks, self.blobs, needs)
        self.index_builder = IndexBuilder(self.database, self.chunks, self.blobs, needs)

    def close(self) -> None:
        self.database.close()
        self.blobs.close()
        if self.room.reserve is not None:
            self.room.reserve.take()


class App:
    """One server process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.activity = Activity(settings.max_calls)
        self.connections = raise_descriptor_limit()
        self.stores = Stores(settings)
        self.database, self.chunks = self.stores.database, self.stores.chunks
        self.database.caller = caller
        self.read_pool = ThreadPoolExecutor(BLOB_THREADS, "blob-read")
        self.write_pool = ThreadPoolExecutor(BLOB_THREADS, "blob-write")
        self.outlet = Outlet(self.chunks, self.read_pool, ReadAhead())
        self.is_later = settings.direct_verify == "later" and self._ways().write_urls
        self.verifier = Verifier(self.chunks.vouched, is_later=self.is_later)
        self.leases = Sightings(int(settings.cache_lease_seconds * 1_000_000))
        self.waiting = WaitingRoom(self.database, self.leases)
        self.hits = HitCounter(self.database)
        SECRETS.refresh(self.database)
        self.janitor = Janitor(self.database, self.stores.collector, grace(settings), settings.sweep_seconds, SECRETS)
        self.ticker = Ticker(self.stores.room.look, Descriptors(self.connections).look, Trimmer().look)
        self.visits: Visits | None = None
        self.made_key = self._ensure_admin()
        self.authenticator = Authenticator(self.database, SECRETS)
        self.authenticator.load()

    def _ensure_admin(self) -> str | None:
        key = None
        if self.settings.admin_key_file is not None:
            key = read_or_make_key(self.settings.admin_key_file)
        made, is_another = self.database.write(lambda tx: access.ensure_admin(tx, key))
        if is_another:
            told = "the admin's key is that of %s from now on: the one that this database knew before is refused"
            log.warning(told, self.settings.admin_key_file)
        return made

    def _services(self) -> list[tuple[str, AddService]]:
        """Every service of the contract by its full name: registered, told by reflection, with a health of its own."""
        compactor = Compactor(self.database)
        intake = Intake(
            database=self.database,
            chunks=self.chunks,
            publisher=Publisher(self.database, self.chunks, CODEC),
            codec=CODEC,
            budget=Budget(self.settings.upload_memory_mib << 20),
            executor=self.write_pool,
            turns=Turns(self.settings.max_uploads),
        )
        outlet = self.outlet
        artifact = ArtifactService(intake, outlet, Files(self.database, self.chunks, CODEC), self.waiting)
        packs = ClientPacks(self.database, self.stores.blobs, is_later=self.is_later)
        transfer = TransferService(self.database, outlet, packs, self._ways())
        cache = CacheService(self.database, self.waiting, self.hits, self.leases)
        model = ModelService(self.database)
        experiment, iteration = ExperimentService(self.database), IterationService(self.database)
        metric, ingest = MetricService(self.database, compactor), IngestService(self.database, compactor)
        # partial, so that mypy compares each servicer with the function that adds it.
        services: list[tuple[str, AddService]] = [
            ("Limits", partial(limits_pb2_grpc.add_LimitsServiceServicer_to_server, self._limits())),
            ("Project", partial(project_pb2_grpc.add_ProjectServiceServicer_to_server, ProjectService(self.database))),
            ("Experiment", partial(experiment_pb2_grpc.add_ExperimentServiceServicer_to_server, experiment)),
            ("Model", partial(model_pb2_grpc.add_ModelServiceServicer_to_server, model)),
            ("Iteration", partial(iteration_pb2_grpc.add_IterationServiceServicer_to_server, iteration)),
            ("Metric", partial(metric_pb2_grpc.add_MetricServiceServicer_to_server, metric)),
            ("Ingest", partial(ingest_pb2_grpc.add_IngestServiceServicer_to_server, ingest)),
            ("Alert", partial(alert_pb2_grpc.add_AlertServiceServicer_to_server, AlertService(self.database))),
            ("Run", partial(run_pb2_grpc.add_RunServiceServicer_to_server, RunService(self.database))),
            ("Artifact", partial(artifact_pb2_grpc.add_ArtifactServiceServicer_to_server, artifact)),
            ("Media", partial(media_pb2_grpc.add_MediaServiceServicer_to_server, MediaService(self.database))),
            ("Cache", partial(cache_pb2_grpc.add_CacheServiceServicer_to_server, cache)),
            ("Transfer", partial(transfer_pb2_grpc.add_TransferServiceServicer_to_server, transfer)),
        ]
        return [(f"xpstore.v1.{name}Service", add) for name, add in services]

    def _limits(self) -> LimitsService:
        settings = self.settings
        return LimitsService(
            self._ways(),
            undo_kept_us=int(settings.undo_seconds * 1_000_000),
            max_calls=settings.max_calls,
            max_calls_of_all=KEYS_AT_ONCE * settings.max_calls,
            max_uploads=settings.max_uploads,
        )

    def _ways(self) -> Ways:
        """Files are for the programs of the one user of an embedded server."""
        direct, is_disk = self.settings.direct, isinstance(self.stores.blobs, DiskBlobs)
        has_files = is_disk and self.settings.home is not None
        return Ways(
            read_urls=direct != "off" and not is_disk,
            read_paths=direct != "off" and has_files,
            write_paths=direct != "off" and has_files,
            write_urls=direct == "all" and not is_disk,
        )

    def _server(self) -> tuple[grpc.aio.Server, HealthService, "WebServer | None", list[str]]:
        """A server with all services, what says whether they serve, and the same over HTTP with its addresses."""
        services = self._services()
        versions = reflection.versions()
        ours = [name for name, _ in services]
        names = [*ours, *(version.full_name for version in versions), health.SERVICE_NAME]
        resolver, settling = Resolver(Owners(self.database)), Settling(self.outlet)

        async def enter(request: Any, rule: Rule) -> None:
            await resolver(request, rule)
            if self.is_later:
                await settling(request, rule)
            await read_ahead(request)

        interceptor = CallInterceptor(
            self.authenticator,
            self.activity,
            self.stores.room,
            _rules([*ours, health.SERVICE_NAME]) | {PATH: replace(UNKNOWN, method=PATH)},
            Refusals(self.settings.networks),
            enter,
        )
        connections = self.connections // 2 if self.settings.http_listen else self.connections
        server = grpc.aio.server(
            interceptors=[interceptor],
            options=[*OPTIONS, *options(connections)],
            # The outer ring: what is beyond gets no reason, only a status.
            maximum_concurrent_rpcs=2 * (KEYS_AT_ONCE * self.settings.max_calls + limits.WAITING_CALLS),
        )
        entry: Any = Entry(server)
        for _, add in services:
            add(entry)
        checks = {"database": self.database.check, "bucket": self.stores.blobs.check}
        health_service = HealthService(names, checks)
        health_pb2_grpc.add_HealthServicer_to_server(health_service, entry)
        reflection.add(entry, names)
        adds: list[AddService] = [add for _, add in services]
        adds.append(partial(health_pb2_grpc.add_HealthServicer_to_server, health_service))

        def open_web(sockets: list[socket.socket], most: int) -> "WebServer":
            from xpstore_server.web import opened  # here, as it costs time and most servers need it not

            return opened.open_web(self.settings, interceptor, [*ours, health.SERVICE_NAME], adds, sockets, most)

        if self.settings.home is not None:
            self.visits = Visits(self.settings, open_web)
            server.add_generic_rpc_handlers((self.visits.handler(),))
        if not self.settings.http_listen:
            return server, health_service, None, []
        bound = [bind_http(self.settings, address) for address in self.settings.http_listen]
        return server, health_service, open_web([one for one, _ in bound], connections), [where for _, where in bound]

    async def serve(self) -> None:
        """Serves until SIGTERM or SIGINT, or until idle for too long; then drains."""
        server, health_service, web, http_addresses = self._server()
        addresses = [bind(server, self.settings, address) for address in self.settings.listen]

        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        await server.start()
        if web is not None:
            await web.start()
        health_service.start()
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.collect()
        gc.freeze()  # what start made stays; to walk all of it at each full collection held every call for 0.2 s
        lag = Lag(lambda: self.activity.calls > 0)
        lag.start()
        self.ticker.start()
        self.janitor.start()
        self.verifier.start()
        if self.settings.home is not None:
            embedded.announce(self.settings.home, addresses[0])
        self._greet(addresses, http_addresses)
        await self._until_stopped(stopped)
        log.info("draining")
        if self.settings.home is not None:
            embedded.retract(self.settings.home)
        await health_service.drain()
        self.waiting.close()
        ends = [server.stop(self.settings.drain_seconds)]
        if web is not None:
            ends.append(web.stop(self.settings.drain_seconds))
        if self.visits is not None:
            ends.append(self.visits.stop(self.settings.drain_seconds))
        await asyncio.gather(*ends)
        await self.hits.flush()
        lag.stop()
        await loop.run_in_executor(None, self.close)
        for address in (*addresses, *http_addresses):
            if address.startswith(UNIX):
                Path(address.removeprefix(UNIX)).unlink(missing_ok=True)

    async def _until_stopped(self, stopped: asyncio.Event) -> None:
        limit = self.settings.idle_exit_seconds
        while not stopped.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), min(limit / 4, 5) if limit else None)
            if limit and self.activity.idle_seconds() > limit:
                return

    def _greet(self, addresses: list[str], http_addresses: list[str]) -> None:
        for address in addresses:
            print(f"xpstore-server is listening on {shown(address)}", flush=True)
        for address in http_addresses:
            print(f"xpstore-server is listening on {shown(address)} for HTTP", flush=True)
        if self.made_key is not None:
            print(f"API key of the admin, shown only now: {self.made_key}", flush=True)

    def close(self) -> None:
        """Finishes what is queued and closes the stores."""
        self.ticker.stop()
        self.janitor.stop()
        self.verifier.stop()
        self.read_pool.shutdown()
        self.write_pool.shutdown()
        self.stores.close()


def _rules(names: Iterable[str]) -> dict[str, Rule]:
    """The rules of all methods of these services and of reflection, by path."""
    pool = descriptor_pool.Default()
    first, *others = reflection.versions()
    rules = dict(rules_of([first, *map(pool.FindServiceByName, names)]))
    (reflected,) = rules_of([first]).values()
    same = (same_as(reflected, other) for other in others)
    return rules | {rule.method: rule for rule in same}


def grace(settings: Settings) -> Grace:
    """How long things are left alone: what clients rely on, and the undo window."""
    return Grace(undo_us=int(settings.undo_seconds * 1_000_000))
