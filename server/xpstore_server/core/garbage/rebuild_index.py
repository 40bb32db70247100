"""The index made anew from the footers of packs, and the edges of versions from their manifests."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.exc import IntegrityError

from xpstore.format.packs import DamagedPack, PackedChunk, read_footer
from xpstore_server.core.garbage.reachability import UNREADABLE, Needs
from xpstore_server.store.batches import batches
from xpstore_server.store.blobs.store import BlobStore
from xpstore_server.store.bucket import Object, Report, listed, look_up
from xpstore_server.store.chunks import ChunkStore, add_to_index
from xpstore_server.store.database import Database
from xpstore_server.store.encoded import BadChunk, read_back
from xpstore_server.store.errors import BlobMissing, MissingChunks
from xpstore_server.store.ids import NIL, is_of_client
from xpstore_server.store.packs import pack_key
from xpstore_server.store.tables import artifact_pack, artifact_version, pack_pending
from xpstore_server.store.transaction import Transaction

log = logging.getLogger("xpstore")

VERSIONS = 200
DIGESTS = 10_000
EDGES = 1_000


@dataclass(slots=True)
class Rebuilt:
    """What was looked at, and what was lacking."""

    objects: int = 0
    added_packs: int = 0
    added_chunks: int = 0
    added_edges: int = 0
    damaged_objects: int = 0
    incomplete_versions: int = 0


class IndexBuilder:
    """Adds what the index lacks. It takes nothing out, and may run again, also beside servers."""

    def __init__(self, database: Database, chunks: ChunkStore, blobs: BlobStore, needs: Needs) -> None:
        self._database = database
        self._chunks = chunks
        self._blobs = blobs
        self._needs = needs
        self._report: Report = log.warning

    def run(self, report: Report) -> Rebuilt:
        """Adds everything; `report` gets a line for each object or version that is not whole."""
        self._report = report
        rebuilt = Rebuilt()
        for objects, _ in listed(self._blobs):
            # After the listing: what has no row now has been unknown all the time, or is gone.
            known = self._database.read(partial(look_up, objects=objects))
            ours = [found for found in objects if found.pool in known.pools and found.id not in known.pending]
            for found in ours:
                self._index(found, rebuilt)
            rebuilt.objects += len(ours)
        last = NIL
        while versions := self._database.read(partial(_versions, after=last)):
            for row in versions:
                self._connect(row, rebuilt)
            last = versions[-1].id
        return rebuilt

    def _index(self, found: Object, rebuilt: Rebuilt) -> None:
        try:
            placed = self._footer(found)
            packs, chunks = self._database.write(partial(_add, found=found, placed=placed))
        except DamagedPack as error:
            rebuilt.damaged_objects += 1
            self._report(f"pack {found.id} of project {found.pool} is damaged: {error}")
        except (BlobMissing, IntegrityError):
            pass  # swept or repacked since it was listed
        else:
            rebuilt.added_packs += packs
            rebuilt.added_chunks += chunks

    def _footer(self, found: Object) -> list[PackedChunk]:
        key = pack_key(found.pool, found.id)
        fetch = partial(self._blobs.get, key)
        try:
            pool, placed = read_footer(found.size_bytes, fetch)
        except DamagedPack:  # a bad read, or a bad pack: the second time tells
            pool, placed = read_footer(found.size_bytes, fetch)
        if pool != found.pool:
            raise DamagedPack(f"its footer names project {pool}")
        if is_of_client(found.id):  # which the index may never have named: it says what its chunks are, and may lie
            try:
                read_back(self._blobs, found.pool, found.id, placed)
            except BadChunk as error:
                raise DamagedPack(f"a chunk {error}") from None
        return placed

    def _connect(self, version: Row[Any], rebuilt: Rebuilt) -> None:
        """Gives a version the edges that it lacks."""
        lost = 0
        try:
            for page in self._needs.pages(version.id):
                lost += self._connect_chunks(version, [page], rebuilt)
                for some in batches(list(dict.fromkeys(self._needs.of_page(version.project_uid, page))), DIGESTS):
                    lost += self._connect_chunks(version, some, rebuilt)
        except UNREADABLE as error:
            self._report(f"version {version.id} of project {version.project_uid} cannot be read: {error}")
            rebuilt.incomplete_versions += 1
        except IntegrityError:
            pass  # the version was purged, or its packs repacked, by somebody who keeps its edges
        else:
            if lost:
                self._report(f"version {version.id} of project {version.project_uid} lacks {lost} chunks")
            rebuilt.incomplete_versions += lost > 0

    def _connect_chunks(self, version: Row[Any], digests: Sequence[bytes], rebuilt: Rebuilt) -> int:
        """Returns how many of the chunks are lost."""
        lost: set[bytes] = set()
        try:
            places = self._chunks.resolve(version.project_uid, digests)
        except MissingChunks as error:
            lost = set(error.digests)
            places = self._chunks.resolve(version.project_uid, [one for one in digests if one not in lost])
        for some in batches(sorted({row.pack_id for row in places.values()}), EDGES):
            if lacking := self._database.read(partial(_lacking, version_id=version.id, pack_ids=some)):
                edges = [{"version_id": version.id, "pack_id": pack_id} for pack_id in lacking]
                rebuilt.added_edges += self._database.write(partial(_insert_edges, edges=edges))
        return len(lost)


def _versions(tx: Transaction, after: str) -> Sequence[Row[Any]]:
    version = artifact_version
    query = select(version.c.id, version.c.project_uid).where(version.c.id > after)
    kept = query.where(version.c.state != "committing", version.c.purged_at_us.is_(None))
    return tx.execute(kept.order_by(version.c.id).limit(VERSIONS)).all()


def _add(tx: Transaction, found: Object, placed: Sequence[PackedChunk]) -> tuple[int, int]:
    pending = select(pack_pending.c.id).where(pack_pending.c.id == found.id)
    if tx.execute(pending).first() is not None:
        return 0, 0  # condemned since it was listed
    return add_to_index(tx, found.pool, found.id, found.size_bytes, placed)


def _lacking(tx: Transaction, version_id: str, pack_ids: Sequence[str]) -> list[str]:
    edges = select(artifact_pack.c.pack_id).where(artifact_pack.c.version_id == version_id)
    present = set(tx.execute(edges.where(artifact_pack.c.pack_id.in_(pack_ids))).scalars())
    return [pack_id for pack_id in pack_ids if pack_id not in present]


def _insert_edges(tx: Transaction, edges: Sequence[dict[str, Any]]) -> int:
    return tx.insert_ignore(artifact_pack, *edges)
