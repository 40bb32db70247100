"""TransferService."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from xpstore.v1 import transfer_pb2 as pb
from xpstore.v1 import transfer_pb2_grpc
from xpstore_server.auth import principal
from xpstore_server.core import artifact, project
from xpstore_server.core.errors import AlreadyExists, Conflict, InvalidArgument, NotFound
from xpstore_server.rpc.fields import a_uuid, digests_of
from xpstore_server.rpc.limits import Ways
from xpstore_server.rpc.read import Outlet
from xpstore_server.store.blobs.store import Spot
from xpstore_server.store.database import Database
from xpstore_server.store.encoded import Place, extent_of, neighbours
from xpstore_server.store.errors import MissingChunks
from xpstore_server.store.ids import is_of_client
from xpstore_server.store.transaction import Unit, fenced
from xpstore_server.store.transfers.announced import NewPack, PackTaken
from xpstore_server.store.transfers.client_packs import PACK_BYTES, PACKS, ClientPacks

T = TypeVar("T")

# How long a URL is good. Several S3 servers refuse signatures of a quarter of an hour, and an object stays for an hour
# after it left the index.
SECONDS = 300
# Packs that are read back at a time: the threads for that are those that others read by.
CLOSING = 4
EXTENT_BYTES = 8 << 20
EXTENT_BYTES_MAX = 64 << 20


class TransferService(transfer_pb2_grpc.TransferServiceServicer):
    def __init__(self, database: Database, outlet: Outlet, packs: ClientPacks, ways: Ways) -> None:
        self._database = database
        self._outlet = outlet
        self._packs = packs
        self._closing = asyncio.Semaphore(CLOSING)
        self._reads = {pb.TRANSFER_WAY_URL: ways.read_urls, pb.TRANSFER_WAY_PATH: ways.read_paths}
        self._writes = {pb.TRANSFER_WAY_URL: ways.write_urls, pb.TRANSFER_WAY_PATH: ways.write_paths}

    async def LocateChunks(self, request: pb.LocateChunksRequest, context: Any) -> pb.LocateChunksResponse:
        version_id = a_uuid("version_id", request.version_id)
        digests = digests_of("digests", request.digests)
        if request.max_extent_bytes < 0:
            raise InvalidArgument("max_extent_bytes", request.max_extent_bytes, "must not be negative")
        _check_way(self._reads, request.way, "ReadChunks")
        size = min(request.max_extent_bytes or EXTENT_BYTES, EXTENT_BYTES_MAX)
        row = await self._database.read_async(lambda tx: artifact.get(tx, version_id))
        answer: pb.LocateChunksResponse = await self._outlet.run(self._locate, row.project_uid, digests, size)
        return answer

    async def OpenPacks(self, request: pb.OpenPacksRequest, context: Any) -> pb.OpenPacksResponse:
        uid = a_uuid("project_uid", request.project_uid)
        if len(request.packs) > PACKS:
            raise InvalidArgument("packs", len(request.packs), f"must be at most {PACKS}")
        packs = [NewPack(_a_pack_id(one.pack_id), one.size_bytes, one.crc32) for one in request.packs]
        for _, size, _ in packs:
            if not 0 < size <= PACK_BYTES:
                raise InvalidArgument("packs.size_bytes", size, f"must be between 1 and {PACK_BYTES}")
        _check_way(self._writes, request.way, "UploadChunks")
        now_us = time.time_ns() // 1_000
        run = partial(self._packs.open, uid, principal(), packs, SECONDS)
        try:
            spots: list[Spot] | None = await self._outlet.run(self._entered, _entering(uid), run)
        except PackTaken as error:
            raise AlreadyExists("pack", "packs.pack_id", str(error), "Make a new id for each pack.") from None
        if spots is None:
            raise _not_offered("UploadChunks")
        answer = pb.OpenPacksResponse(expires_at_us=now_us + SECONDS * 1_000_000, now_us=now_us)
        for spot in spots:
            _set_place(answer.places.add(), spot)
        return answer

    async def ClosePacks(self, request: pb.ClosePacksRequest, context: Any) -> pb.ClosePacksResponse:
        uid = a_uuid("project_uid", request.project_uid)
        if len(request.pack_ids) > PACKS:
            raise InvalidArgument("pack_ids", len(request.pack_ids), f"must be at most {PACKS}")
        ids = [a_uuid("pack_ids", one) for one in request.pack_ids]
        if not any(self._writes.values()):
            raise _not_offered("UploadChunks")
        entering, stored = _entering(uid), list[bool]()
        if not ids:
            await self._database.read_async(entering)
        for pack_id in ids:
            async with self._closing:
                close = partial(self._packs.close, uid, principal(), pack_id)
                stored.append(await self._outlet.run(self._entered, entering, close))
        return pb.ClosePacksResponse(stored=stored)

    def _entered(self, entering: Unit[object], run: Callable[[], T]) -> T:
        """Runs what is for a project in the thread in which that is looked up: each hand-over costs as much."""
        self._database.read(entering)
        return run()

    def _locate(self, pool: str, digests: Sequence[bytes], size: int) -> pb.LocateChunksResponse:
        try:
            places = self._outlet.chunks.resolve(pool, digests)
        except MissingChunks as error:
            raise NotFound("chunk", error.digests[0].hex()) from None
        positions = dict[bytes, int]()
        for position, digest in enumerate(digests):
            positions.setdefault(digest, position)
        now_us = time.time_ns() // 1_000
        answer = pb.LocateChunksResponse(expires_at_us=now_us + SECONDS * 1_000_000, now_us=now_us)
        for near in _extents([places[digest] for digest in positions], size):
            spot = self._outlet.chunks.spot(pool, near, SECONDS)
            if spot is None:
                raise _not_offered("ReadChunks")
            _add(answer, spot, near, positions)
        return answer


def _entering(project_uid: str) -> Unit[object]:
    """What finds a project for the call under way, in whichever thread."""
    return fenced(partial(project.get, project_uid=project_uid))


def _check_way(offered: Mapping[pb.TransferWay, bool], way: pb.TransferWay, instead: str) -> None:
    if way not in offered:
        raise InvalidArgument("way", way, "must be TRANSFER_WAY_URL or TRANSFER_WAY_PATH")
    if not offered[way]:
        raise _not_offered(instead)


def _not_offered(instead: str) -> Conflict:
    return Conflict(f"This server offers no such way: GetLimits says which, {instead} always works.")


def _a_pack_id(value: str) -> str:
    """The index is made anew without a second look at packs of servers: so no client's may pass for one."""
    id_ = a_uuid("packs.pack_id", value)
    if not is_of_client(id_):
        raise InvalidArgument("packs.pack_id", value, "must be a random UUID, of version 4")
    return id_


def _set_place(message: pb.Extent | pb.PackPlace, spot: Spot) -> None:
    if spot.url:
        message.url = spot.url
    else:
        message.path = spot.path
    for name, value in spot.headers:
        message.headers.add(name=name, value=value)


def _extents(places: list[Place], size: int) -> list[list[Place]]:
    """As the request has them, that a client can use them as they come, if that costs not many more."""
    as_asked = list(neighbours(places, size))
    as_they_lie = list(neighbours(sorted(places, key=lambda place: (place.pack_id, place.offset)), size))
    return as_asked if len(as_asked) <= 2 * len(as_they_lie) else as_they_lie


def _add(answer: pb.LocateChunksResponse, spot: Spot, near: Sequence[Place], positions: dict[bytes, int]) -> None:
    first = near[0]
    extent = answer.extents.add(offset=first.offset, size_bytes=extent_of(near))
    _set_place(extent, spot)
    for place in near:
        extent.chunks.add(
            position=positions[place.digest],
            offset=place.offset - first.offset,
            stored_size_bytes=place.stored_size,
            raw_size_bytes=place.raw_size,
            codec=place.codec,
        )
