"""Deletion frees bytes: purge, sweep and repack, in this order, by the janitor of each server and by hand."""

import logging
from functools import partial

from xpstore_server.core import cache, lease, verification
from xpstore_server.core.garbage.reachability import Needs
from xpstore_server.core.garbage.repack import Repack
from xpstore_server.core.roles import session
from xpstore_server.store.blobs.store import BlobStore
from xpstore_server.store.chunks import ChunkStore
from xpstore_server.store.database import Database
from xpstore_server.store.errors import StoreFull
from xpstore_server.store.preview import dying_versions, has_edge, preview
from xpstore_server.store.purge import purge
from xpstore_server.store.repack.candidates import Candidates
from xpstore_server.store.repack.rewrite import Rewriter
from xpstore_server.store.sweep import Ends, Grace, IsStopped, Swept, condemn, give_up, remove_trash

log = logging.getLogger("xpstore")


class GarbageCollector:
    """Frees bytes that nothing needs. Any number may run at the same time, beside servers."""

    def __init__(self, database: Database, chunks: ChunkStore, blobs: BlobStore, needs: Needs) -> None:
        self._database = database
        self._blobs = blobs
        self._needs = needs
        self._rewriter = Rewriter(database, chunks, blobs)

    def collect(
        self,
        grace: Grace | Ends,
        *,
        repack_all: bool = False,
        marked: bool = False,
        is_stopped: IsStopped = lambda: False,
    ) -> Swept:
        """Does all there is to do, or what can be done until it is stopped. A grace ends by the database's clock.

        Args:
            repack_all: rewrite every pack with a dead byte.
            marked: look for needless packs among the suspect ones only (`sweep.condemn`).
        """
        swept, ends = Swept(), self._ends(grace)
        purge(self._database, ends, swept, is_stopped)
        give_up(self._database, ends)
        self._forget(ends, is_stopped)
        condemn(self._database, ends, swept, is_stopped, marked=marked)
        is_short, removed = True, -1
        while is_short and swept.removed_objects > removed:
            removed = swept.removed_objects
            is_short = not self._repack(ends, swept, repack_all, is_stopped)
            remove_trash(self._database, self._blobs, ends, swept, is_stopped)
        return swept

    def _repack(self, ends: Ends, swept: Swept, repack_all: bool, is_stopped: IsStopped) -> bool:
        """Writes packs again; False if the disk has no room for more of them before others are removed."""
        candidates = Candidates(ends.condemn_us, repack_all)
        try:
            Repack(self._database, self._needs, self._rewriter, candidates, swept, is_stopped=is_stopped).run()
        except StoreFull as error:
            log.warning("packs are not written again: %s", error)
            return False
        return True

    def _ends(self, grace: Grace | Ends) -> Ends:
        return grace if isinstance(grace, Ends) else grace.ends(self._database.read(lambda tx: tx.now_us()))

    def _forget(self, ends: Ends, is_stopped: IsStopped) -> None:
        """Removes old leases and verifications of the cache, entries past their time by the undo window; sessions."""
        old = [partial(one.forget, now_us=ends.now_us) for one in (lease, verification, session)]
        # An entry may be past its time in a minute from now: no undo window does not make it go before.
        entries = partial(cache.forget, end_us=min(ends.undo_us, ends.now_us))
        for some in (*old, entries):
            while not is_stopped() and self._database.write(some):
                pass

    def preview(self, grace: Grace | Ends, *, repack_all: bool = False) -> Swept:
        """What `collect` would do, with all that goes later because of it counted as freed. Changes nothing."""
        ends = self._ends(grace)
        swept = self._database.read(lambda tx: preview(tx, ends))
        dying = dying_versions(ends)
        candidates = Candidates(ends.condemn_us, repack_all, suspects=has_edge(dying), only=has_edge(~dying))
        Repack(self._database, self._needs, None, candidates, swept, without=dying).run()
        return swept
