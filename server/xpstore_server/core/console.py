"""What runs print: pieces of their console logs, of a long one the first and the newest.

A row has up to 32 KiB of text, compressed, and begins where the row before it ends, unless something was left out.
Text is cut between characters only.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import zstandard
from sqlalchemy import bindparam, select

from xpstore_server.core import limits, run
from xpstore_server.core.errors import NotFound
from xpstore_server.store import tables
from xpstore_server.store.transaction import Transaction

ROW_BYTES = 32 << 10
# What a row counts as at least, so that rows are bounded too: 512 of a run.
LEAST_BYTES = 4 << 10
CHARACTER_BYTES = 4  # in UTF-8 at most

console = tables.run_console
_IS_OF_MODEL = select(tables.run.c.id).where(
    tables.run.c.id == bindparam("key"), tables.run.c.model_id == bindparam("owner")
)
_OF_RUN = console.c.run_id == bindparam("key")
_LAST = select(console).where(_OF_RUN).order_by(console.c.start.desc()).limit(1)
_PLACES = select(console.c.start, console.c.stop).where(_OF_RUN).order_by(console.c.start)
_BETWEEN = (
    select(console)
    .where(_OF_RUN, console.c.start >= bindparam("first"), console.c.start <= bindparam("last"))
    .order_by(console.c.start)
)
_ONE = console.c.start == bindparam("at")
_REPLACE = console.update().where(_OF_RUN, _ONE)
_REMOVE = console.delete().where(_OF_RUN, _ONE)


@dataclass(frozen=True, slots=True)
class Printed:
    """A piece of what a run printed.

    Attributes:
        offset: where it begins in all that the run printed, in bytes.
        text: in UTF-8.
    """

    offset: int
    text: bytes

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.offset + len(self.text)

    def since(self, offset: int) -> "Printed":
        """What of it begins there or later."""
        start = _boundary(self.text, max(offset - self.offset, 0))
        return Printed(self.offset + start, self.text[start:])

    def cut(self, size: int) -> "Printed":
        """So many bytes of its start, or up to three less."""
        return Printed(self.offset, self.text[: _boundary_before(self.text, size)])


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of what a run printed.

    Attributes:
        pieces: in order; between two something was left out.
        next_offset: where to go on.
        end_offset: where the log ends for now.
    """

    pieces: Sequence[Printed]
    next_offset: int
    end_offset: int


def append(tx: Transaction, *, model_id: str, run_id: str, pieces: Iterable[Printed]) -> None:
    """Adds what a run printed: without what is there already, and what goes too far from both ends.

    The caller holds the lock of the model: whoever appends to one run waits for who does.

    Raises:
        NotFound: the model has no such run.
    """
    if tx.execute(_IS_OF_MODEL, {"key": run_id, "owner": model_id}).first() is None:
        raise NotFound("run", run_id)
    last = tx.execute(_LAST, {"key": run_id}).first()
    before = Printed(last.start, _unpacked(last.body)) if last is not None else None
    joined = _joined(before, pieces)
    if before is not None and joined and joined[0].offset == before.offset:
        row, *joined = joined
        tx.execute(_REPLACE, {"key": run_id, "at": row.offset, **_body(row)})
    if joined:
        tx.insert(console, *({"run_id": run_id, "start": row.offset, **_body(row)} for row in joined))
        _leave_out_middle(tx, run_id)


def _joined(last: Printed | None, pieces: Iterable[Printed]) -> list[Printed]:
    """The rows that are new or, the first, the last one with more in it; nothing if there is nothing new."""
    end, is_new = last.end if last is not None else 0, False
    together = [] if last is None or len(last.text) >= ROW_BYTES else [last]
    for piece in pieces:
        new = piece.since(end)
        if not new.text:
            continue
        is_new, end = True, new.end
        if together and together[-1].end == new.offset:
            new = Printed(together[-1].offset, together.pop().text + new.text)
        together.extend(_rows(new))
    return together if is_new else []


def _rows(piece: Printed) -> Iterator[Printed]:
    while piece.text:
        row = piece.cut(ROW_BYTES)
        yield row
        piece = Printed(row.end, piece.text[len(row.text) :])


def _body(row: Printed) -> dict[str, Any]:
    return {"stop": row.end, "body": zstandard.ZstdCompressor().compress(row.text)}


def _unpacked(body: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(body)


def _leave_out_middle(tx: Transaction, run_id: str) -> None:
    places = [(row.start, row.stop) for row in tx.execute(_PLACES, {"key": run_id})]
    if middle := _middle(places):
        tx.execute(_REMOVE, [{"key": run_id, "at": start} for start in middle])


def _middle(places: Sequence[tuple[int, int]]) -> list[int]:
    """Where the rows begin that go, the oldest after the head: that ends where something was left out before."""
    sizes = [max(stop - start, LEAST_BYTES) for start, stop in places]
    sizes[-1] = ROW_BYTES  # it grows to that before this is asked again
    over, head = sum(sizes) - limits.CONSOLE_BYTES, 0
    if over <= 0:
        return []
    first = 0
    for first, size in enumerate(sizes):
        head += size
        if head > limits.CONSOLE_HEAD_BYTES or (first and places[first - 1][1] < places[first][0]):
            break
    middle = []
    for (start, _), size in zip(places[first:-1], sizes[first:], strict=False):
        if over <= 0:
            break
        middle.append(start)
        over -= size
    return middle


def read(tx: Transaction, run_id: str, offset: int | None, max_bytes: int) -> Excerpt:
    """Reads a part of what a run printed.

    Args:
        offset: where to begin; None: so that it ends with the newest.
        max_bytes: most bytes of text; one character is read in any case.

    Raises:
        NotFound: there is no such run.
    """
    run.get(tx, run_id)
    max_bytes = max(max_bytes, CHARACTER_BYTES)
    places = [(row.start, row.stop) for row in tx.execute(_PLACES, {"key": run_id})]
    end = places[-1][1] if places else 0
    if offset is None:
        offset = _tail(places, max_bytes)
    wanted = _within(places, offset, max_bytes)
    if not wanted:
        return Excerpt([], max(offset, end), end)
    rows = tx.execute(_BETWEEN, {"key": run_id, "first": wanted[0][0], "last": wanted[-1][0]})
    pieces = _merged(_cut([Printed(row.start, _unpacked(row.body)) for row in rows], offset, max_bytes))
    return Excerpt(pieces, pieces[-1].end if pieces else end, end)


def _tail(places: Sequence[tuple[int, int]], size: int) -> int:
    """Where the last bytes begin."""
    for start, stop in reversed(places):
        if size <= stop - start:
            return stop - size
        size -= stop - start
    return 0


def _within(places: Sequence[tuple[int, int]], offset: int, size: int) -> list[tuple[int, int]]:
    """The rows that have so many bytes from there on."""
    wanted = []
    for start, stop in places:
        if stop > offset and size > 0:
            wanted.append((start, stop))
            size -= stop - max(start, offset)
    return wanted


def _cut(rows: Iterable[Printed], offset: int, size: int) -> Iterator[Printed]:
    for row in rows:
        piece = row.since(offset)
        cut = piece.cut(size)
        if cut.text:
            yield cut
        if len(cut.text) < len(piece.text):
            return
        size -= len(cut.text)


def _merged(pieces: Iterable[Printed]) -> list[Printed]:
    found = list[list[Printed]]()
    for piece in pieces:
        if found and found[-1][-1].end == piece.offset:
            found[-1].append(piece)
        else:
            found.append([piece])
    return [Printed(some[0].offset, b"".join(piece.text for piece in some)) for some in found]


def _boundary(text: bytes, place: int) -> int:
    """The first place there or later where a character begins, or the end."""
    while place < len(text) and text[place] & 0xC0 == 0x80:
        place += 1
    return min(place, len(text))


def _boundary_before(text: bytes, place: int) -> int:
    """The last place there or earlier where a character begins, or the end."""
    if place >= len(text):
        return len(text)
    while place > 0 and text[place] & 0xC0 == 0x80:
        place -= 1
    return max(place, 0)
