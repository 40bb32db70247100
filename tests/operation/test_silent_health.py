"""A database or a bucket that is swallowed shows as NOT_SERVING in 15 s, and as SERVING in 5 s once it answers again.

The server of these tests asks five times as often as a real one and gives up as much sooner; XPSTORE_TEST_SILENCE=30
is the real one, with its times.
"""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy.engine import make_url

from s3_server import ACCESS_KEY, SECRET_KEY, SeaweedFS
from support.between.relay import Relay
from support.services import Postgres, Server
from xpstore_server import health

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
IS_REAL = float(os.environ.get("XPSTORE_TEST_SILENCE", "0")) > 15
CONSTANTS = ("ATTEMPT_SECONDS", "PAUSE_SECONDS", "FAILING_PAUSE_SECONDS", "SILENCE_SECONDS", "SETTLE_SECONDS")
SHARE = 0.2
PATIENT_SECONDS = 60.0


def test_times_add_up_to_what_is_promised() -> None:
    """Each attempt ends in its own time, as `test_the_check_has_its_own_deadline` and its like for S3 show."""
    known = max(health.SILENCE_SECONDS, health.PAUSE_SECONDS + health.ATTEMPT_SECONDS) + health.SETTLE_SECONDS
    assert known + health.ATTEMPT_SECONDS < 15
    # The attempt under way when it comes back ends without an answer; the next one has it.
    assert health.ATTEMPT_SECONDS + health.FAILING_PAUSE_SECONDS + health.SETTLE_SECONDS < 5
    assert health.SILENCE_SECONDS > health.ATTEMPT_SECONDS + health.FAILING_PAUSE_SECONDS  # one attempt alone is none


class Place:
    """A server whose database and bucket are behind relays."""

    def __init__(self, server: Server, relays: dict[str, Relay]) -> None:
        self.server = server
        self.relays = relays
        channel = grpc.insecure_channel(server.address, options=[("grpc.enable_http_proxy", 0)])
        self._stub = health_pb2_grpc.HealthStub(channel)

    def wait_for(self, status: int) -> float:
        """After how many seconds it says so. The answer itself never waits for what is silent."""
        began = time.monotonic()
        while self._stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status != status:
            assert time.monotonic() - began < PATIENT_SECONDS
            time.sleep(0.05)
        return time.monotonic() - began


@pytest.fixture(scope="module")
def place(postgres: Postgres, seaweedfs: SeaweedFS, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    bucket, name = f"silence-{secrets.token_hex(6)}", make_url(postgres.create_database()).database
    seaweedfs.create_bucket(bucket)
    constants = {f"health.{one}": SHARE * getattr(health, one) for one in CONSTANTS}
    with ExitStack() as stack:
        database = stack.enter_context(Relay(postgres.socket))
        s3 = stack.enter_context(Relay(f"127.0.0.1:{seaweedfs.port}"))
        server = Server(
            f"postgresql://postgres@{database.address}/{name}",
            f"s3://{ACCESS_KEY}:{SECRET_KEY}@{s3.address}/{bucket}?secure=false",
            tmp_path_factory.mktemp("server"),
            constants=None if IS_REAL else constants,
        )
        yield Place(stack.enter_context(server), {"database": database, "bucket": s3})


@pytest.mark.parametrize("what", ["database", "bucket"])
def test_what_is_swallowed_is_told_in_time_and_its_return_too(what: str, place: Place) -> None:
    relay = place.relays[what]
    place.wait_for(SERVING)
    relay.swallow()
    known = place.wait_for(NOT_SERVING)
    relay.heal()
    seen = place.wait_for(SERVING)
    print(f"{what}: NOT_SERVING after {known:.1f} s, SERVING {seen:.1f} s after the heal")
    if IS_REAL:
        assert known < 15 and seen < 5
    told = place.server.log.read_text()
    assert f"not serving: the {what} does not answer" in told and f'"the {what} answers again"' in told
