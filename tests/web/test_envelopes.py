"""Streams of messages in a body: cut anywhere, in base64, and in thousands at once."""

import asyncio
import base64

import pytest

from support.web.http import envelope
from xpstore_server.core.errors import InvalidArgument, ResourceExhausted
from xpstore_server.web.envelopes import Envelopes, Text


class Pieces:
    """A body that comes so many bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._pieces = [data[start : start + size] for start in range(0, len(data), size)]

    async def next(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


async def read(envelopes: Envelopes) -> list[tuple[int, bytes]]:
    found = []
    while (one := await envelopes.next()) is not None:
        found.append(one)
    return found


MESSAGES = [(0, b""), (1, b"abc"), (0, bytes(300)), (2, b"\0")]
BODY = b"".join(envelope(flags, data) for flags, data in MESSAGES)


@pytest.mark.parametrize("size", [1, 2, 5, 7, 100, 1_000])
def test_messages_are_found_wherever_the_body_is_cut(size: int) -> None:
    assert asyncio.run(read(Envelopes(Pieces(BODY, size), 300))) == MESSAGES
    whole = base64.b64encode(BODY)
    apart = b"".join(base64.b64encode(envelope(flags, data)) for flags, data in MESSAGES)
    for text in (whole, apart):
        assert asyncio.run(read(Envelopes(Text(Pieces(text, size)), 300))) == MESSAGES


@pytest.mark.parametrize("size", [1, 4, 5, 6, len(BODY) - 1])
def test_body_that_ends_within_a_message_is_refused(size: int) -> None:
    with pytest.raises(InvalidArgument, match="ends within a message"):
        asyncio.run(read(Envelopes(Pieces(envelope(0, bytes(400))[:size], 100), 400)))


def test_message_that_is_too_large_is_refused_by_its_head() -> None:
    with pytest.raises(ResourceExhausted):
        asyncio.run(read(Envelopes(Pieces(envelope(0, bytes(400))[:5], 100), 399)))


def test_others_go_on_beside_thousands_of_messages() -> None:
    async def count(envelopes: Envelopes) -> int:
        turns, reading = 0, asyncio.ensure_future(read(envelopes))
        while not reading.done():
            await asyncio.sleep(0)
            turns += 1
        assert len(await reading) == 20_000
        return turns

    body = envelope(0, b"") * 20_000
    assert asyncio.run(count(Envelopes(Pieces(body, len(body)), 0))) > 200
