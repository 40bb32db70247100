"""Whose turn it is to upload, in steps: counts of work, no seconds."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.raw import chunk_of
from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core import limits
from xpstore_server.core.errors import DeadlineExceeded, ResourceExhausted, ServiceError
from xpstore_server.rpc.uploads import feed
from xpstore_server.rpc.uploads.feed import Feed
from xpstore_server.rpc.uploads.packing import Budget, Packer
from xpstore_server.rpc.uploads.turns import Turn, Turns
from xpstore_server.rpc.uploads.upload_chunks import ChunksUpload


async def breathe() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def taken(turns: Turns, *names: str) -> list[Turn]:
    made = [Turn(turns, name) for name in names]
    for turn in made:
        turn.waiter = asyncio.ensure_future(turn.take())  # type: ignore[attr-defined]
    return made


def in_loop(run: Callable[[], Awaitable[Any]]) -> None:
    asyncio.run(run())  # type: ignore[arg-type]


def test_a_key_has_its_number_and_all_have_theirs() -> None:
    async def run() -> None:
        turns = Turns(of_one=2, in_all=3, waiting=10)
        mine = taken(turns, "a", "a", "a")
        others = taken(turns, "b", "b", "c")
        await breathe()
        assert [turn.is_held for turn in mine] == [True, True, False]
        assert [turn.is_held for turn in others] == [True, False, False]
        assert mine[0].is_wanted and others[0].is_wanted
        mine[0].give_back()  # the next of the same key is first in line
        await breathe()
        assert [turn.is_held for turn in (*mine, *others)] == [False, True, True, True, False, False]
        others[0].give_back()
        mine[1].give_back()
        await breathe()
        assert [turn.is_held for turn in (*mine, *others)] == [False, False, True, False, True, True]
        assert not others[1].is_wanted
        for turn in (*mine, *others):
            turn.give_back()
        assert not turns._held and not turns._waiting

    in_loop(run)


def test_who_is_gone_while_he_waits_leaves_no_trace() -> None:
    async def run() -> None:
        turns = Turns(of_one=1, in_all=1, waiting=10)
        first, second, third = taken(turns, "a", "b", "c")
        await breathe()
        second.waiter.cancel()  # type: ignore[attr-defined]
        await breathe()
        second.give_back()
        first.give_back()
        await breathe()
        assert third.is_held and not turns._waiting
        # Granted and cancelled in the same moment: nobody has it afterwards.
        (fourth,) = taken(turns, "d")
        await breathe()
        third.give_back()
        fourth.waiter.cancel()  # type: ignore[attr-defined]
        await breathe()
        fourth.give_back()
        assert not turns._held

    in_loop(run)


def test_when_too_many_wait_the_slowest_goes_or_the_last_is_refused() -> None:
    async def run() -> None:
        turns = Turns(of_one=1, in_all=1, waiting=2)
        first, second, third = taken(turns, "a", "b", "c")
        await breathe()
        with pytest.raises(ResourceExhausted) as caught:
            await Turn(turns, "d").take()
        assert caught.value.metadata["limit"] == "max_uploads" and caught.value.retry_seconds
        ended: list[ServiceError] = []
        first.end = ended.append
        first.park()  # second goes on, first and third wait
        await breathe()
        assert second.is_held and not ended
        (fourth,) = taken(turns, "d")
        await breathe()
        assert isinstance(ended[0], DeadlineExceeded) and ended[0].retry_seconds
        for turn in (first, second, third, fourth):
            turn.give_back()
        assert not turns._held and not turns._parked

    in_loop(run)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(feed, "SILENCE_SECONDS", 0.1)
    monkeypatch.setattr(feed, "HASTY_SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(limits, "UPLOAD_PACE_SECONDS", 0.4)


class NoStore:
    """A store of chunks that nobody writes to here."""

    def write_pack(self, pool: str, chunks: list[Any]) -> tuple[int, int]:
        return 0, 0


def fed(turn: Turn, executor: ThreadPoolExecutor) -> Feed[bytes]:
    packer = Packer("pool", NoStore(), Budget(64 << 20), executor)  # type: ignore[arg-type]
    return Feed[bytes](turn, packer, packer.seal)


async def again_and_again(turns: Turns) -> None:
    """Somebody who uploads something small, always anew."""
    while True:
        with turns.turn("a") as turn:
            await turn.take()
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("hasty")
def test_slow_stream_ends_when_others_wait_and_not_before() -> None:
    async def run() -> None:
        turns, others = Turns(of_one=1, in_all=1, waiting=2), list[asyncio.Task[None]]()
        with ThreadPoolExecutor(1) as executor, turns.turn("a") as slow:
            await slow.take()
            stream, drops = fed(slow, executor), 0

            async def dropping() -> AsyncIterator[bytes]:
                while True:
                    yield b"x"
                    await asyncio.sleep(0.01)

            async def take(message: bytes) -> bool:
                nonlocal drops
                drops += 1
                stream.came(len(message))
                if drops == 80:  # for twice the time in which it must bring something
                    others.append(asyncio.ensure_future(again_and_again(turns)))
                return False

            with pytest.raises(DeadlineExceeded) as caught:
                await stream.each(dropping(), take)
            assert drops >= 80 and caught.value.metadata["limit"] == "max_uploads"
        others[0].cancel()

    in_loop(run)


@pytest.mark.usefixtures("hasty")
def test_silent_stream_lets_others_go_first_and_goes_on_later() -> None:
    async def run() -> None:
        turns = Turns(of_one=1, in_all=1, waiting=2)
        with ThreadPoolExecutor(1) as executor, turns.turn("a") as silent:
            await silent.take()
            stream, went_on = fed(silent, executor), asyncio.Event()

            async def two() -> AsyncIterator[bytes]:
                yield b"first"
                (other,) = taken(turns, "a")
                while not other.is_held:
                    await asyncio.sleep(0.01)
                assert not silent.is_held
                asyncio.get_running_loop().call_later(0.05, other.give_back)
                yield b"second"

            async def take(message: bytes) -> bool:
                assert silent.is_held
                went_on.set()
                return message == b"second"

            assert await stream.each(two(), take)

    in_loop(run)


def test_event_loop_is_freed_every_64_chunks() -> None:
    """4,096 tiny chunks in one message: whoever else waits for the loop has it as often as they are counted."""

    async def run() -> None:
        steps = 0

        async def somebody_else() -> None:
            nonlocal steps
            while True:
                steps += 1
                await asyncio.sleep(0)

        other = asyncio.ensure_future(somebody_else())
        with ThreadPoolExecutor(1) as executor, Turns(1).turn("a") as turn:
            upload = ChunksUpload(None, turn)  # type: ignore[arg-type]
            upload._packer = Packer("pool", NoStore(), Budget(64 << 20), executor)  # type: ignore[arg-type]
            upload._feed = Feed[bytes](turn, upload._packer, upload._packer.seal)
            chunks = [chunk_of(number.to_bytes(8, "little")) for number in range(limits.CHUNKS)]
            await upload._take(pb.UploadChunksRequest(chunks=chunks).SerializeToString())
            assert upload._packer.size_bytes == limits.CHUNKS * (8 + 256)
            upload._packer.close()
        assert steps >= limits.CHUNKS // 64
        other.cancel()

    in_loop(run)
