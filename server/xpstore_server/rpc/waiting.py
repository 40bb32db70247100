"""Waiting for leases: however many callers wait, one query every 200 ms asks for all of them.

A lease that this replica ends wakes its waiters at once. A caller that waits holds no thread.
"""

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any

from xpstore_server.core import lease, project
from xpstore_server.core.lease import Outcome, Sightings, Waited
from xpstore_server.store.database import Database
from xpstore_server.store.transaction import Transaction

log = logging.getLogger("xpstore")

POLL_SECONDS = 0.2

# None: look yourself, nobody can wait here any more.
Told = asyncio.Future[Outcome | None]


class WaitingRoom:
    """Those who wait on this replica: by lease, each with the leases that it holds meanwhile."""

    def __init__(self, database: Database, seen: Sightings) -> None:
        self._database = database
        self._seen = seen
        self._waiting: dict[Waited, dict[Told, frozenset[str]]] = {}
        self._ended: set[str] = set()
        self._wake = asyncio.Event()
        self._poll: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()
        self._is_open = True

    async def wait(self, waited: Waited, seconds: float, held: frozenset[str]) -> Outcome:
        """Returns what became of a lease: `running` if it still goes on after this time."""
        told: Told = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(waited, {})[told] = held  # before the first look: nothing is missed in between
        begun = asyncio.ensure_future(self._begin(waited, held))
        try:
            await asyncio.shield(begun)
            outcome = await self._look(waited)
            if outcome.running is None or not self._is_open:
                return outcome
            self._ensure_poll()
            await asyncio.wait([told], timeout=seconds)
            answer = told.result() if told.done() else None
            return await self._look(waited) if answer is None else answer
        finally:
            self._leave(waited, told)
            if held:
                self._spawn(self._end(begun, waited, held))

    def wake(self, lease_id: str) -> None:
        """Says that a lease has ended here."""
        if self._waiting:
            self._ended.add(lease_id)
            self._wake.set()

    def close(self) -> None:
        """Answers all who wait, so that they ask another replica."""
        self._is_open = False
        for waiters in self._waiting.values():
            _tell(waiters, None)

    async def _begin(self, waited: Waited, held: frozenset[str]) -> None:
        if held:
            await self._database.write_async(lambda tx: lease.begin_wait(tx, held, waited.lease_id))

    async def _end(self, begun: "asyncio.Task[None]", waited: Waited, held: frozenset[str]) -> None:
        """Takes back what `_begin` noted, after it: a caller may be gone before that was written."""
        try:
            await asyncio.wait([begun])
            await self._database.write_async(lambda tx: lease.end_wait(tx, held, waited.lease_id))
        except Exception as error:
            log.warning("the end of a wait was not noted: %s", error)

    async def _look(self, waited: Waited) -> Outcome:
        def unit(tx: Transaction) -> Outcome:
            project.get(tx, project_uid=waited.key.project_uid)
            return lease.outcomes(tx, [waited], self._seen)[waited]

        return await self._database.read_async(unit)

    def _leave(self, waited: Waited, told: Told) -> None:
        waiters = self._waiting[waited]
        del waiters[told]
        if not waiters:
            del self._waiting[waited]

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _ensure_poll(self) -> None:
        if self._poll is None or self._poll.done():
            self._poll = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        """Polls while anybody waits."""
        clock = asyncio.get_running_loop().time
        while self._waiting:
            await self._settle(list(self._waiting))
            until = clock() + POLL_SECONDS
            while self._waiting and (left := until - clock()) > 0:
                await self._settle(await self._woken(left))

    async def _woken(self, seconds: float) -> list[Waited]:
        """Those whose leases end on this replica within a time."""
        try:
            await asyncio.wait_for(self._wake.wait(), seconds)
        except TimeoutError:
            return []
        self._wake.clear()
        ended, self._ended = self._ended, set()
        return [waited for waited in self._waiting if waited.lease_id in ended]

    async def _settle(self, some: list[Waited]) -> None:
        """Tells those who wait what became of their leases, if they have ended."""
        if not some:
            return
        holders = any(held for waited in some for held in self._waiting.get(waited, {}).values())
        try:
            outcomes = await self._database.read_async(partial(lease.outcomes, waited=some, seen=self._seen))
            waits = await self._database.read_async(lease.waits) if holders else {}
        except Exception as error:
            log.warning("leases were not looked at, and are again soon: %s", error)
            return
        for waited, outcome in outcomes.items():
            waiters = self._waiting.get(waited, {})
            if outcome.running is None:
                _tell(waiters, outcome)
            else:
                stuck = [told for told, held in waiters.items() if lease.is_deadlock(waits, waited.lease_id, held)]
                _tell(stuck, Outcome(is_deadlock=True))


def _tell(waiters: Iterable[Told], outcome: Outcome | None) -> None:
    for told in waiters:
        if not told.done():
            told.set_result(outcome)
