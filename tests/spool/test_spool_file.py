"""The spool's files: what a killed process leaves is read to the last whole record, and damage costs only itself."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from xpstore._spool import spool as spools
from xpstore._spool.backlog import Backlog, adopt
from xpstore._spool.record import SLOT_BYTES, RecordType, Target, record, repaired
from xpstore._spool.request import Batch
from xpstore._spool.segment import server_folder
from xpstore._spool.slice import Slice
from xpstore._spool.spool import Spool
from xpstore._values.ids import new_id
from xpstore.errors import InvalidArgument, ResourceExhausted
from xpstore.v1 import ingest_pb2 as pb

HEADER = {"owner": "me", "is_offline": False}
TARGET = Target("model", "project")

LOG = """
import os, signal, sys
from xpstore._spool.record import RecordType, Target
from xpstore._spool.spool import Spool
spool = Spool("writer", "server", {"owner": "me", "is_offline": False}, is_strict=False)
for number in range(int(sys.argv[1])):
    spool.point(Target("model", "project"), "loss", None, float(number), number)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path / "spool"))
    return tmp_path / "spool"


def a_spool(**options: bool) -> Spool:
    return Spool(new_id(), "server", HEADER, is_strict=options.get("is_strict", False))


def log_points(spool: Spool, count: int, target: Target = TARGET) -> None:
    for number in range(count):
        spool.point(target, "loss", "train", float(number), number)


def read_all(backlog: Backlog, limit_bytes: int = 1 << 20) -> list[Slice]:
    found = []
    while slice_ := backlog.read(limit_bytes):
        backlog.advance(slice_)
        found.append(slice_)
    return found


def numbers_of(slices: list[Slice]) -> list[int]:
    return [
        share.first + position for slice_ in slices for share in slice_.shares for position in places(slice_, share)
    ]


def places(slice_: Slice, share: object) -> list[int]:
    (part,) = [each for each in slice_.shares if each is share]
    found: list[int] = []
    batch = Batch(slice_, part, {target: target.model_id for target in part.targets})
    for model in request_of(batch).models:
        for series in model.series:
            packed = series.records
            found += memoryview(packed).cast("I").tolist() if packed else [series.record]
        found += [point.record for point in model.points]
        found += [event.record for event in model.events]
    return sorted(found)


def request_of(batch: Batch) -> pb.IngestRequest:
    return pb.IngestRequest.FromString(b"".join(batch.request(pb.IngestRequest())))


def orphan(root: Path) -> Backlog:
    (backlog,) = adopt(server_folder(root, "server"), owner="me")
    return backlog


def segments(root: Path) -> list[Path]:
    return sorted(root.glob("*/*/*.log"), key=lambda path: int(path.stem))


def test_what_a_killed_process_logged_is_all_there(root: Path) -> None:
    program = subprocess.run([sys.executable, "-c", LOG, "20000"], timeout=60)
    assert program.returncode == -signal.SIGKILL
    backlog = orphan(root)
    assert numbers_of(read_all(backlog)) == list(range(20_000))
    backlog.remove()
    assert list(root.glob("*/*")) == []


def test_folder_is_for_its_owner_alone_and_knows_no_key(root: Path) -> None:
    spool = a_spool()
    log_points(spool, 1)
    for path in (root, *root.glob("**/*")):
        assert path.stat().st_mode & 0o077 == 0, path
    assert json.loads((spool.folder / "lock").read_text()) == HEADER
    spool.close()


def test_spool_of_a_live_writer_is_not_adopted(root: Path) -> None:
    spool = a_spool()
    log_points(spool, 1)
    assert list(adopt(server_folder(root, "server"), owner="me")) == []
    spool.close()
    assert numbers_of(read_all(orphan(root))) == [0]


def test_lock_of_a_live_writer_outlives_its_forked_child(root: Path) -> None:
    spool = a_spool()
    if (child := os.fork()) == 0:
        spool.abandon()
        os._exit(0)
    os.waitpid(child, 0)
    assert list(adopt(server_folder(root, "server"), owner="me")) == []
    log_points(spool, 3)
    assert numbers_of(read_all(Backlog(spool.folder, spool))) == [0, 1, 2]
    spool.close()


def test_spools_of_others_and_those_logged_offline_are_left_alone(root: Path) -> None:
    for header in ({"owner": "other", "is_offline": False}, {"owner": "me", "is_offline": True}):
        spool = Spool(new_id(), "server", header, is_strict=False)
        log_points(spool, 1)
        spool.close()
    assert list(adopt(server_folder(root, "server"), owner="me")) == []
    assert len(list(adopt(server_folder(root, "server"), owner=None))) == 2


@pytest.mark.parametrize("kept_bytes", [1, 15, 16, 30])
def test_torn_tail_is_ignored(root: Path, kept_bytes: int) -> None:
    spool = a_spool()
    log_points(spool, 10)
    end = spool.tail().offset
    spool.close()
    (path,) = segments(root)
    with open(path, "r+b") as file:
        file.seek(end - SLOT_BYTES + kept_bytes)
        file.write(bytes(SLOT_BYTES - kept_bytes))
    assert numbers_of(read_all(orphan(root))) == list(range(9))


def test_damaged_record_costs_only_itself(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    spool = a_spool()
    log_points(spool, 10)
    end = spool.tail().offset
    spool.close()
    (path,) = segments(root)
    with open(path, "r+b") as file:
        file.seek(end - 5 * SLOT_BYTES + 24)
        file.write(b"\xff" * 3)
    assert numbers_of(read_all(orphan(root))) == [0, 1, 2, 3, 4, 6, 7, 8, 9]
    assert "40 bytes" in caplog.text and "damaged" in caplog.text


def test_any_single_damaged_byte_leaves_the_other_records_readable() -> None:
    records = [record(number, RecordType.EVENT, bytes([number]) * 50) for number in range(3)]
    data = b"".join(records)
    for position in range(len(data)):
        damaged = bytearray(data)
        damaged[position] ^= 0x5A
        read, _ = repaired(bytes(damaged))
        expected = [each for number, each in enumerate(records) if position // len(records[0]) != number]
        assert all(each in read for each in expected)


def test_record_that_ends_with_zeros_is_whole(root: Path) -> None:
    spool = a_spool()
    spool.of_series(RecordType.ARRAYS, TARGET, "loss", None, 0, (100).to_bytes(4, "little") + bytes(8 + 800))
    spool.close()
    (slice_,) = read_all(orphan(root))
    assert places(slice_, slice_.shares[0]) == [0]


def test_segments_are_deleted_when_they_are_shipped(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "FIRST_SEGMENT_BYTES", 50 * SLOT_BYTES)
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 100 * SLOT_BYTES)
    spool = a_spool()
    log_points(spool, 1_000)
    assert len(segments(root)) > 5
    backlog = Backlog(spool.folder, spool)
    assert numbers_of(read_all(backlog)) == list(range(1_000))
    assert len(segments(root)) == 1
    log_points(spool, 10)
    assert numbers_of(read_all(backlog)) == list(range(1_000, 1_010))
    spool.close()


def test_adopter_goes_on_where_the_writer_was(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "FIRST_SEGMENT_BYTES", 50 * SLOT_BYTES)
    spool = a_spool()
    log_points(spool, 130)
    backlog = Backlog(spool.folder, spool)
    first = []
    for _ in range(4):
        slice_ = backlog.read(20 * SLOT_BYTES)
        assert slice_ is not None
        backlog.advance(slice_)
        first.append(slice_)
    spool.close()
    rest = read_all(orphan(root), 33 * SLOT_BYTES)
    assert numbers_of(first) + numbers_of(rest) == list(range(130))


def test_numbers_count_for_each_project(root: Path) -> None:
    spool = a_spool()
    other = Target("other", "another project")
    for number in range(10):
        spool.point(TARGET, "loss", None, 0.5, number)
        spool.point(other, "loss", None, 1, None)
    (slice_,) = read_all(Backlog(spool.folder, spool))
    assert [(share.project, share.first, share.count) for share in slice_.shares] == [
        ("project", 0, 10),
        ("another project", 0, 10),
    ]
    spool.close()


def test_every_kind_of_record_has_a_number_and_keeps_its_place(root: Path) -> None:
    spool = a_spool()
    spool.point(TARGET, "loss", "train", 0.5, 1)
    spool.of_series(RecordType.VALUE, TARGET, "text", None, 0, b"")
    spool.of_model(RecordType.EVENT, TARGET, pb.EventRecord(step=7).SerializeToString())
    spool.point(TARGET, "loss", "train", 7, None)
    (slice_,) = read_all(Backlog(spool.folder, spool))
    (share,) = slice_.shares
    (model,) = request_of(Batch(slice_, share, {TARGET: "id"}, 5)).models
    assert [(point.record, point.point.name) for point in model.points] == [(5, "loss"), (6, "text"), (8, "loss")]
    assert [(event.record, event.step) for event in model.events] == [(7, 7)]
    assert (share.first, share.count) == (0, 4)
    spool.close()


def test_arrays_and_points_of_one_series_go_out_in_their_order(root: Path) -> None:
    spool = a_spool()
    arrays = (1).to_bytes(4, "little") + bytes(8) + bytes(8)
    spool.point(TARGET, "loss", None, 0.5, None)
    spool.of_series(RecordType.ARRAYS, TARGET, "loss", None, 0, arrays)
    spool.of_series(RecordType.ARRAYS, TARGET, "loss", None, 0, arrays)
    spool.point(TARGET, "loss", None, 0.5, None)
    slices = read_all(Backlog(spool.folder, spool))
    assert [places(slice_, slice_.shares[0]) for slice_ in slices] == [[0], [0, 1], [0]]
    assert numbers_of(slices) == [0, 1, 2, 3]
    spool.close()


def test_full_spool_drops_the_newest_counts_and_warns_once(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(spools, "FIRST_SEGMENT_BYTES", 300 * SLOT_BYTES)
    monkeypatch.setattr(spools, "SEGMENT_BYTES", 300 * SLOT_BYTES)
    monkeypatch.setenv("XPSTORE_SPOOL_MIB", "0.1")
    spool = a_spool()
    log_points(spool, 5_000)
    assert sum(path.stat().st_size for path in segments(root)) <= 0.1 * (1 << 20)
    backlog = Backlog(spool.folder, spool)
    kept = 5_000 - spool.dropped_count
    assert 0 < kept < 3_000
    assert caplog.text.count("has no room") == 1
    assert numbers_of(read_all(backlog)) == list(range(kept))
    log_points(spool, 10)
    assert numbers_of(read_all(backlog)) == list(range(kept, kept + 10)), "there is room again at once"
    spool.close()


def test_full_spool_raises_when_it_is_strict(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPSTORE_SPOOL_MIB", "0")
    spool = a_spool(is_strict=True)
    with pytest.raises(ResourceExhausted, match="XPSTORE_SPOOL_MIB"):
        log_points(spool, 1)
    spool.close()


@pytest.mark.parametrize("value", ["x", "-1", "nan"])
def test_malformed_bound_is_told(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("XPSTORE_SPOOL_MIB", value)
    with pytest.raises(InvalidArgument, match="XPSTORE_SPOOL_MIB"):
        a_spool()


def test_folder_that_cannot_be_made_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        spool = a_spool()
    assert str(spool.root) in caplog.text
    log_points(spool, 3)
    assert numbers_of(read_all(Backlog(spool.folder, spool))) == [0, 1, 2]
    spool.close()


def test_threads_give_each_record_a_number_of_its_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "FIRST_SEGMENT_BYTES", 500 * SLOT_BYTES)
    spool = a_spool()
    threads = [threading.Thread(target=log_points, args=(spool, 1_000)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers_of(read_all(Backlog(spool.folder, spool))) == list(range(16_000))
    spool.close()


def test_lost_state_only_makes_the_adopter_begin_anew(root: Path) -> None:
    spool = a_spool()
    log_points(spool, 10)
    backlog = Backlog(spool.folder, spool)
    read_all(backlog)
    spool.close()
    (spool.folder / "state.json").write_text("{")
    assert numbers_of(read_all(orphan(root))) == list(range(10))
