"""What runs print: appended once and in order, bounded by leaving out the middle, read in any part."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.raw_ingest import send
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.experiment import Experiment
from xpstore.model import Model
from xpstore.v1 import ingest_pb2 as pb
from xpstore.v1 import run_pb2

KEPT, HEAD, MOST = 2 << 20, 256 << 10, 64 << 10
Pieces = list[tuple[int, str]]


@pytest.fixture
def run_id(client: Client, model: Model) -> str:
    request = run_pb2.CreateRunRequest(model_id=str(model.id), run_id=new_id())
    return client.call(client.stubs.runs.CreateRun, request).run.id


class Printer:
    """A writer that prints as a run."""

    def __init__(self, client: Client, model: Model, run_id: str) -> None:
        self._client, self._model, self._run_id = client, model, run_id
        self.writer, self.next = new_id(), 0

    def print(self, *pieces: tuple[int, str]) -> pb.IngestResponse:
        events = [
            pb.EventRecord(record=place, console=pb.ConsoleEvent(run_id=self._run_id, offset=offset, text=text))
            for place, (offset, text) in enumerate(pieces)
        ]
        records = pb.ModelRecords(model_id=str(self._model.id), events=events)
        answer = send(self._client, self._model.project_uid, self.writer, self.next, len(events), records)
        self.next = answer.next_record
        return answer


@pytest.fixture
def printer(client: Client, model: Model, run_id: str) -> Printer:
    return Printer(client, model, run_id)


def read(client: Client, run_id: str, offset: int | None = None, max_bytes: int = 0) -> run_pb2.ReadConsoleResponse:
    request = run_pb2.ReadConsoleRequest(run_id=run_id, offset=offset, max_bytes=max_bytes)
    return client.call(client.stubs.runs.ReadConsole, request)


def pieces(answer: run_pb2.ReadConsoleResponse) -> Pieces:
    return [(piece.offset, piece.text) for piece in answer.pieces]


def whole(client: Client, run_id: str, max_bytes: int = 1 << 20) -> Pieces:
    """All that is kept, read in parts that are put together where they meet."""
    found: Pieces = []
    offset = 0
    while True:
        answer = read(client, run_id, offset, max_bytes)
        for start, text in pieces(answer):
            if found and found[-1][0] + len(found[-1][1].encode()) == start:
                found[-1] = found[-1][0], found[-1][1] + text
            else:
                found.append((start, text))
        offset = answer.next_offset
        if offset >= answer.end_offset:
            return found


def test_pieces_are_joined_in_order_and_what_is_there_is_skipped(client: Client, run_id: str, printer: Printer) -> None:
    assert pieces(read(client, run_id)) == []
    printer.print((0, "one\n"), (4, "two\n"))
    printer.print((8, "three\n"))
    again = Printer(client, printer._model, run_id)  # a writer that does not know how far another one got
    assert not again.print((0, "one\ntwo\n"), (4, "two\nthree\nfour\n"), (2, "e")).dropped
    answer = read(client, run_id)
    assert pieces(answer) == [(0, "one\ntwo\nthree\nfour\n")]
    assert (answer.next_offset, answer.end_offset) == (19, 19)


def test_repeated_and_cut_anew_each_byte_is_stored_once(client: Client, run_id: str, printer: Printer) -> None:
    chance = random.Random(3)
    text = "".join(chance.choice(["a", "\n", "\r", "ü", "€", "𝄞", "\x1b[1m", "\x00"]) for _ in range(90_000))
    data, at = text.encode(), 0
    while at < len(data):
        start = max(at - chance.choice([0, 0, 7, 20_000]), 0)
        size = chance.choice([1, 300, 5_000, 50_000])
        part = data[start : start + size].decode("utf-8", "ignore")  # what is cut is no character
        skipped = len(data[start : start + size]) - len(data[start : start + size].lstrip(bytes(range(0x80, 0xC0))))
        printer.print((start + skipped, part))
        at = max(at, start + skipped + len(part.encode()))
    for max_bytes in (4_001, 1 << 20):
        assert whole(client, run_id, max_bytes) == [(0, text)]


def test_gap_stays_between_two_pieces(client: Client, run_id: str, printer: Printer) -> None:
    printer.print((0, "begin\n"), (1_000, "later\n"), (500, "too late\n"))
    assert pieces(read(client, run_id)) == [(0, "begin\n"), (1_000, "later\n")]
    assert pieces(read(client, run_id, 6)) == [(1_000, "later\n")]
    assert pieces(read(client, run_id, 0, 8)) == [(0, "begin\n"), (1_000, "la")]
    answer = read(client, run_id, 5_000)
    assert (pieces(answer), answer.next_offset, answer.end_offset) == ([], 5_000, 1_006)


def test_tail_and_parts_end_between_characters(client: Client, run_id: str, printer: Printer) -> None:
    printer.print((0, "a€" * 5))
    assert pieces(read(client, run_id, None, 6)) == [(16, "a€")]
    assert pieces(read(client, run_id, None, 5)) == [(16, "a€")]
    assert pieces(read(client, run_id, None, 1)) == [(16, "a€")]
    assert pieces(read(client, run_id, 2, 6)) == [(4, "a€a")]
    answer = read(client, run_id, 0, 6)
    assert (pieces(answer), answer.next_offset) == ([(0, "a€a")], 5)


def test_long_log_keeps_its_start_and_its_end(client: Client, run_id: str, printer: Printer) -> None:
    lines = [f"{number:07} {'x' * 55}\n" for number in range(70_000)]  # 64 bytes each, 4.3 MiB
    text, at = "".join(lines), 0
    while at < len(text):
        some: list[tuple[int, str]] = []
        while at < len(text) and len(some) < 20:
            some.append((at, text[at : at + MOST]))
            at += MOST
        printer.print(*some)
    head, tail = whole(client, run_id)
    assert head[0] == 0 and len(head[1]) == HEAD and text.startswith(head[1])
    assert tail[0] + len(tail[1]) == len(text) and text.endswith(tail[1])
    assert KEPT - MOST - HEAD < len(tail[1]) <= KEPT - HEAD
    printer.print((len(text), "the end\n"))
    assert pieces(read(client, run_id, None, 8)) == [(len(text), "the end\n")]


def test_tiny_pieces_that_do_not_meet_are_bounded_too(client: Client, run_id: str, printer: Printer) -> None:
    for start in range(0, 3_000, 100):
        printer.print(*((10 * number, "x") for number in range(start, start + 100)))
    found = whole(client, run_id)
    assert 400 < len(found) <= 512
    assert found[0] == (0, "x") and found[-1] == (29_990, "x")


def test_writers_of_one_run_at_once_leave_whole_pieces(client: Client, run_id: str, model: Model) -> None:
    text = "".join(f"{number:05}\n" for number in range(4_000))

    def write(_: int) -> None:
        printer = Printer(client, model, run_id)
        for start in range(0, len(text), 3_000):
            assert not printer.print((start, text[start : start + 3_000])).dropped

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(4)))
    assert whole(client, run_id) == [(0, text)]


def test_run_of_another_model_or_none_is_dropped_and_told(
    client: Client, experiment: Experiment, model: Model, run_id: str
) -> None:
    missing = new_id()
    for its, id_ in ((experiment.model("other"), run_id), (model, missing)):
        (dropped,) = Printer(client, its, id_).print((0, "a"), (1, "b")).dropped
        assert (dropped.count, dropped.reason) == (2, f"There is no run {id_!r}.")
    assert pieces(read(client, run_id)) == []


@pytest.mark.client
@pytest.mark.parametrize(
    ("field", "event"),
    [
        ("run_id", {"run_id": "nonsense"}),
        ("offset", {"run_id": new_id(), "offset": -1}),
        ("offset", {"run_id": new_id(), "offset": (1 << 62) + 1}),
        ("text", {"run_id": new_id(), "text": "ü" * (MOST // 2) + "x"}),
    ],
)
def test_bad_piece_is_refused(client: Client, model: Model, field: str, event: dict[str, Any]) -> None:
    records = pb.ModelRecords(model_id=str(model.id), events=[pb.EventRecord(console=pb.ConsoleEvent(**event))])
    with pytest.raises(errors.InvalidArgument) as caught:
        send(client, model.project_uid, new_id(), 0, 1, records)
    assert caught.value.metadata["field"] == f"models[0].events[0].console.{field}"
