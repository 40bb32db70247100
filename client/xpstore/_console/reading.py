"""Reading what runs printed."""

from collections.abc import Iterable, Iterator, Sequence

from xpstore._session.client import ClientBase
from xpstore.errors import InvalidArgument
from xpstore.v1 import run_pb2 as pb

# Of one answer: the most that the server gives.
ANSWER_BYTES = 1 << 20


def read(
    client: ClientBase, run_id: str, offset: int | None = None, max_bytes: int = ANSWER_BYTES
) -> pb.ReadConsoleResponse:
    """A part of what a run printed, from an offset in bytes on; None: so that it ends with the newest."""
    request = pb.ReadConsoleRequest(run_id=run_id, offset=offset, max_bytes=max_bytes)
    return client.call(client.stubs.runs.ReadConsole, request)


def read_on(client: ClientBase, run_id: str, offset: int) -> Iterator[pb.ConsolePiece]:
    """All pieces from there on."""
    while True:
        answer = read(client, run_id, offset)
        yield from answer.pieces
        if not answer.pieces or answer.next_offset >= answer.end_offset:
            return
        offset = answer.next_offset


def joined(pieces: Iterable[pb.ConsolePiece], offset: int) -> Iterator[str]:
    """The texts of pieces that follow an offset, with a line that says so where something was left out."""
    is_in_line = False
    for piece in pieces:
        if (missing_bytes := piece.offset - offset) > 0:
            yield "\n" * is_in_line + f"... {missing_bytes:,} bytes were left out ...\n"
        yield piece.text
        offset = piece.offset + len(piece.text.encode())
        is_in_line = not piece.text.endswith("\n")


def text_of(client: ClientBase, run_id: str, tail_bytes: int | None = None) -> str:
    """All that is kept of what a run printed, or the last bytes of it.

    Raises:
        InvalidArgument: `tail_bytes` is not positive.
    """
    if tail_bytes is None:
        return "".join(joined(read_on(client, run_id, 0), 0))
    if tail_bytes <= 0:
        raise InvalidArgument(f"tail_bytes = {tail_bytes!r}: must be positive, or None for all")
    if tail_bytes <= ANSWER_BYTES:
        pieces = list(read(client, run_id, None, tail_bytes).pieces)
    else:
        pieces = _tail(list(read_on(client, run_id, 0)), tail_bytes)
    return "".join(joined(pieces, pieces[0].offset)) if pieces else ""


def _tail(pieces: Sequence[pb.ConsolePiece], size: int) -> list[pb.ConsolePiece]:
    kept = list[pb.ConsolePiece]()
    for piece in reversed(pieces):
        if size <= 0:
            break
        data = piece.text.encode()
        text = data[-size:].decode("utf-8", "ignore")  # of a character that is cut nothing
        cut_bytes = len(data) - len(text.encode())
        kept.append(pb.ConsolePiece(offset=piece.offset + cut_bytes, text=text))
        size -= len(data)
    return kept[::-1]
