"""Bytes of requests in flight: who waits is served in order, gives back what it had, and is told when it is long."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from xpstore_server.core.errors import ResourceExhausted
from xpstore_server.door import bounds
from xpstore_server.door.bounds import RequestBytes, Share

TOTAL = 100


def run(scenario: Callable[[RequestBytes], Awaitable[None]]) -> None:
    async def inside() -> None:
        room = RequestBytes(TOTAL)
        await scenario(room)
        await asyncio.wait_for(Share(room).take(TOTAL, patient=True), 10)  # all of it is there again

    asyncio.run(inside())


def test_those_who_wait_are_served_in_order_and_none_is_passed_over() -> None:
    async def scenario(room: RequestBytes) -> None:
        first, large, small = (Share(room) for _ in range(3))
        await first.take(60, patient=True)
        waiting = [asyncio.ensure_future(share.take(size, patient=True)) for share, size in ((large, 80), (small, 10))]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not any(one.done() for one in waiting), "the small one stands behind the large one"
        first.give_back()
        await asyncio.wait_for(asyncio.gather(*waiting), 10)
        large.give_back()
        small.give_back()
        small.give_back()

    run(scenario)


def test_request_of_a_stream_stands_for_the_one_before_it() -> None:
    async def scenario(room: RequestBytes) -> None:
        share = Share(room)
        for _ in range(5):
            await asyncio.wait_for(share.take(90, patient=True), 10)
        share.give_back()

    run(scenario)


def test_who_waits_too_long_is_told_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "BYTES_WAIT_SECONDS", 0.05)

    async def scenario(room: RequestBytes) -> None:
        first, second = Share(room), Share(room)
        await first.take(60, patient=False)
        with pytest.raises(ResourceExhausted) as caught:
            await second.take(60, patient=False)
        assert caught.value.metadata == {"limit": "max_request_bytes", "expected": str(TOTAL)}
        assert caught.value.retry_seconds == 1.0
        first.give_back()

    run(scenario)


def test_who_leaves_while_waiting_takes_nothing_along() -> None:
    async def scenario(room: RequestBytes) -> None:
        first, gone, last = (Share(room) for _ in range(3))
        await first.take(60, patient=True)
        leaving = asyncio.ensure_future(gone.take(60, patient=True))
        staying = asyncio.ensure_future(last.take(30, patient=True))
        await asyncio.sleep(0.01)
        leaving.cancel()
        await asyncio.wait_for(staying, 10)
        first.give_back()
        last.give_back()

    run(scenario)
