"""Requests are weighed on their bytes: as the parser would count, never more strictly, and in bounded time."""

import os
import random
import time

import pytest
from google.protobuf.message import DecodeError, Message

from support.door.messages import entries, made, requests, spoilt
from xpstore.v1 import ingest_pb2, project_pb2
from xpstore_server.door.weight import Malformed, TooHeavy, plan_of, weigh

SEED = int(os.environ.get("XPSTORE_TEST_SEED", "15"))
MANY = 1 << 40
TYPES = sorted({kind.DESCRIPTOR.full_name: kind for kind in requests().values()}.items())
MESSAGE_BYTES = 4 << 20


@pytest.fixture(params=[kind for _, kind in TYPES], ids=[name for name, _ in TYPES])
def kind(request: pytest.FixtureRequest) -> type[Message]:
    found: type[Message] = request.param
    return found


def test_sound_message_weighs_what_is_in_it(kind: type[Message]) -> None:
    chance, plan = random.Random(SEED), plan_of(kind.DESCRIPTOR)
    for number in range(20):
        message = made(kind, chance)
        data, count = message.SerializeToString(), entries(message)
        assert weigh(plan, data, count) == count, f"seed {SEED}, message {number}"
        if count:
            with pytest.raises(TooHeavy):
                weigh(plan, data, count - 1)


def test_what_the_parser_takes_is_never_malformed_and_weighs_no_less(kind: type[Message]) -> None:
    chance, plan = random.Random(SEED), plan_of(kind.DESCRIPTOR)
    for number in range(20):
        for data in spoilt(made(kind, chance).SerializeToString(), chance):
            try:
                message = kind.FromString(data)
            except DecodeError:
                continue
            told = f"seed {SEED}, message {number}: {data.hex()}"
            try:
                assert weigh(plan, data, MANY) >= entries(message), told
            except Malformed:
                pytest.fail(f"refused: {told}")


def test_what_is_given_again_and_again_counts() -> None:
    plan = plan_of(project_pb2.CreateProjectRequest.DESCRIPTOR)
    again = project_pb2.CreateProjectRequest(project_id="p").SerializeToString() * 1000
    assert project_pb2.CreateProjectRequest.FromString(again).project_id == "p"
    assert 1000 > weigh(plan, again, MANY) > 900
    unknown = b"\xf8\x7f\x01" * 1000  # a field of number 2047
    assert 1000 > weigh(plan, unknown, MANY) > 900


@pytest.mark.parametrize(
    "piece",
    [b"\x2a\x00", b"\x2a\x02\x12\x00", b"\x08\x01", b"\xf8\x7f\x01", b"\xfb\x7f\xfc\x7f", b"\x0a\x01a", b"\x32\x00"],
)
@pytest.mark.parametrize("most", [100, 50_000])
def test_no_request_takes_long_to_refuse(piece: bytes, most: int) -> None:
    """Empty messages, those in others, fields that are no entries, unknown ones, groups, texts: 4 MiB of them."""
    plan = plan_of(ingest_pb2.IngestRequest.DESCRIPTOR)
    data = piece * (MESSAGE_BYTES // len(piece))
    started = time.process_time()
    with pytest.raises(TooHeavy):
        weigh(plan, data, most)
    seconds = time.process_time() - started
    assert seconds < 2, f"{seconds:.3f} s"  # 0.0 to 0.03 s on a quiet machine: bounded by entries, not by bytes


def test_depth_is_bounded_as_a_parser_bounds_it() -> None:
    plan = plan_of(project_pb2.CreateProjectRequest.DESCRIPTOR)
    start, end = b"\xfb\x7f", b"\xfc\x7f"
    assert weigh(plan, start * 90 + end * 90, MANY) > 0
    for depth in (150, 100_000):
        with pytest.raises(Malformed):
            weigh(plan, start * depth + end * depth, MANY)
