"""Which packs hold bytes that no version needs, and the rewrite of those that hold enough of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, select

from xpstore_server.core.garbage.reachability import Needs
from xpstore_server.store.batches import batches
from xpstore_server.store.database import Database
from xpstore_server.store.ids import NIL
from xpstore_server.store.packs import SMALL_BYTES
from xpstore_server.store.repack.candidates import Candidates, Plan, choose, digests, groups, looked_at, plan
from xpstore_server.store.repack.rewrite import Rewriter
from xpstore_server.store.sweep import IsStopped, Swept
from xpstore_server.store.tables import artifact_pack, artifact_version
from xpstore_server.store.transaction import Transaction

QUERY_IDS = 1_000
# Versions of a pack that are asked first, and from how many on it is shared by very many.
SAMPLE = 20
SHARED = 1_000


@dataclass(frozen=True, slots=True)
class _Survey:
    """What was found out about a batch of packs."""

    plans: list[Plan]
    needed: set[bytes]
    versions: set[str]


class Repack:
    """One run over candidates, a batch at a time: memory does not grow with their number."""

    def __init__(
        self,
        database: Database,
        needs: Needs,
        rewriter: Rewriter | None,
        candidates: Candidates,
        swept: Swept,
        *,
        without: ColumnElement[bool] | None = None,
        is_stopped: IsStopped = lambda: False,
    ) -> None:
        """Without a rewriter nothing is changed, and `swept` says what would be; `without` some versions."""
        self._database = database
        self._needs = needs
        self._rewriter = rewriter
        self._candidates = candidates
        self._swept = swept
        self._without = without
        self._is_stopped = is_stopped

    def run(self) -> None:
        last = NIL
        while pools := self._database.read(partial(self._candidates.pools, after=last)):
            for pool in pools:
                self._repack_pool(pool)
            last = pools[-1]

    def _repack_pool(self, pool: str) -> None:
        merges = self._database.read(lambda tx: self._candidates.merges(tx, pool))
        last: Row[Any] | None = None
        while not self._is_stopped():
            packs = self._database.read(partial(self._candidates.batch, pool=pool, after=last, merges=merges))
            if not packs:
                return
            last = packs[-1]
            packs = self._doubtful(pool, packs, merges)
            survey = self._survey(pool, packs)
            chosen = choose(survey.plans, self._candidates.everything, merges)
            if self._rewriter is None:
                self._count(chosen)
                continue
            ids = {one.pack.id for one in chosen}
            sound = [one.pack for one in survey.plans if one.pack.id not in ids]
            self._database.write(partial(looked_at, packs=sound))
            self._rewrite(self._rewriter, pool, survey, chosen)

    def _doubtful(self, pool: str, packs: Sequence[Row[Any]], merges: bool) -> Sequence[Row[Any]]:
        """Those of the packs that all their versions must be asked about; the others stay as they are.

        To ask takes as long as there are versions: so first a few of each pack. If these need so much that it is not
        worth a rewrite, the others need not be asked. A small pack that very many share is left alone: to give them
        another one takes more than it frees.
        """
        if self._candidates.everything or not packs:
            return packs
        edges = self._database.read(lambda tx: {row.id: _some_edges(tx, row.id) for row in packs})
        left = [row for row in packs if len(edges[row.id]) == SHARED and row.size_bytes < SMALL_BYTES]
        asked = [row for row in packs if row not in left and len(edges[row.id]) > SAMPLE]
        some = sorted({version_id for row in asked for version_id in edges[row.id][:SAMPLE]})
        some = self._database.read(lambda tx: self._known(tx, some))
        needed = self._needs.among(pool, some, self._database.read(lambda tx: digests(tx, asked))).needed
        for row in asked:
            one = self._database.read(partial(plan, row=row, needed=needed))
            if not one.is_worth(everything=False) and not (merges and one.is_small):
                left.append(row)
        if self._rewriter is not None and left:
            self._database.write(partial(looked_at, packs=left))
        return [row for row in packs if row not in left]

    def _known(self, tx: Transaction, version_ids: Sequence[str]) -> list[str]:
        """Those of the versions of which it is known what they need."""
        version, found = artifact_version, list[str]()
        known = [version.c.state != "committing", version.c.purged_at_us.is_(None)]
        for some in batches(version_ids, QUERY_IDS):
            query = select(version.c.id).where(version.c.id.in_(some), *known)
            found += tx.execute(query if self._without is None else query.where(~self._without)).scalars()
        return found

    def _survey(self, pool: str, packs: Sequence[Row[Any]]) -> _Survey:
        ids = [row.id for row in packs]
        readable, others = self._database.read(lambda tx: self._versions(tx, ids))
        answer = self._needs.among(pool, readable, self._database.read(lambda tx: digests(tx, packs)))
        others |= answer.unread
        # What a version needs that is being committed, or that cannot be read, nobody knows.
        unknown = self._database.read(lambda tx: _packs_of(tx, ids, others))
        known = [row for row in packs if row.id not in unknown]
        plans = [self._database.read(partial(plan, row=row, needed=answer.needed)) for row in known]
        return _Survey(plans, answer.needed, readable - answer.unread)

    def _versions(self, tx: Transaction, pack_ids: Sequence[str]) -> tuple[set[str], set[str]]:
        """The versions with edges to packs: those whose manifests say what they need, and others."""
        version = artifact_version
        is_readable = and_(version.c.state != "committing", version.c.purged_at_us.is_(None)).label("is_readable")
        query = select(version.c.id, is_readable).join(artifact_pack, artifact_pack.c.version_id == version.c.id)
        query = query.where(artifact_pack.c.pack_id.in_(pack_ids)).distinct()
        if self._without is not None:
            query = query.where(~self._without)
        readable, others = set[str](), set[str]()
        for row in tx.execute(query):
            (readable if row.is_readable else others).add(row.id)
        return readable, others

    def _rewrite(self, rewriter: Rewriter, pool: str, survey: _Survey, chosen: Sequence[Plan]) -> None:
        for group in groups(chosen):
            if self._is_stopped():
                return
            packs, size_bytes = rewriter.rewrite(pool, group, survey.needed, survey.versions)
            self._swept.repacked_packs += packs
            self._swept.written_bytes += size_bytes

    def _count(self, chosen: Sequence[Plan]) -> None:
        self._swept.repacked_packs += len(chosen)
        self._swept.removed_objects += len(chosen)
        self._swept.written_bytes += sum(one.needed_bytes for one in chosen)
        self._swept.freed_bytes += sum(one.pack.size_bytes for one in chosen)


def _some_edges(tx: Transaction, pack_id: str) -> Sequence[str]:
    """Versions with an edge to a pack, or some if there are very many."""
    query = select(artifact_pack.c.version_id).where(artifact_pack.c.pack_id == pack_id).limit(SHARED)
    return tx.execute(query).scalars().all()


def _packs_of(tx: Transaction, pack_ids: Sequence[str], version_ids: set[str]) -> set[str]:
    """Those of these packs that have an edge from one of these versions."""
    found = set[str]()
    for some in batches(sorted(version_ids), QUERY_IDS):
        edges = select(artifact_pack.c.pack_id).where(artifact_pack.c.pack_id.in_(pack_ids))
        found.update(tx.execute(edges.where(artifact_pack.c.version_id.in_(some)).distinct()).scalars())
    return found
