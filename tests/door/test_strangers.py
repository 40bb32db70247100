"""Callers without a key cost next to nothing, whatever they send; callers with one go on beside them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from support.door.calls import Caller, calling, ended, log_of
from support.services import Server
from xpstore_server.core import access
from xpstore_server.door import refusals

pytestmark = pytest.mark.client

LIMITS = "/xpstore.v1.LimitsService/GetLimits"
HEALTH = "/grpc.health.v1.Health"
MIB = 1 << 20
MESSAGES = 50
CALLERS = 10
GROWTH = 64 * MIB
# Of each connection to an open method one message of 4 MiB is read at a time, and gRPC has it three times.
READ = 3 * 4 * MIB * CALLERS
# Empty messages in a repeated field of each: two bytes on the wire, an object of 68 in memory.
HEAVY = {
    "/xpstore.v1.IngestService/Ingest": b"\x2a\x00",
    "/xpstore.v1.MetricService/LogMetrics": b"\x22\x00",
    "/xpstore.v1.MetricService/ReadSeries": b"\x0a\x00",
    "/xpstore.v1.ArtifactService/CommitArtifact": b"\x22\x02\x0a\x00",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": b"\x0a\x00",
    f"{HEALTH}/Check": b"\x0a\x00",
    f"{HEALTH}/Watch": b"\x12\x00",
}


class Peak:
    """The most memory that a server had while this lasted."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.before = self.most = server.rss_bytes()

    def _run(self) -> None:
        while not self._stopped.wait(0.005):
            self.most = max(self.most, self._server.rss_bytes())

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        return self.most - self.before


def wait_until_given_back(server: Server, peak: Peak) -> None:
    deadline = time.monotonic() + 60
    while server.rss_bytes() - peak.before > 32 * MIB:
        assert time.monotonic() < deadline, "it is not given back"
        time.sleep(0.5)


def heavy(piece: bytes) -> bytes:
    return piece * (4 * MIB // len(piece))


def answers(server: Server, path: str, data: bytes, key: str | None = None) -> set[grpc.StatusCode]:
    """What 50 calls over ten connections are answered, all at once."""
    callers = [Caller(server.address, key) for _ in range(CALLERS)]
    try:
        calls = [callers[number % CALLERS].begin(path, [data]) for number in range(MESSAGES)]
        return {ended(call).code for call in calls}
    finally:
        for caller in callers:
            caller.channel.close()


@pytest.mark.parametrize("path", HEAVY)
def test_fifty_large_messages_of_a_stranger_are_not_taken(path: str, server: Server) -> None:
    with Peak(server) as peak:
        found = answers(server, path, heavy(HEAVY[path]))
    print(f"{path}: {peak.growth / MIB:.0f} MiB")
    is_open = path.startswith(HEALTH)
    assert is_open or found == {grpc.StatusCode.UNAUTHENTICATED}
    # 36 to 47 MiB were seen of an open method, and most of the bound on a crowded machine, where messages wait longer.
    assert peak.growth <= GROWTH + (READ if is_open else 0)
    wait_until_given_back(server, peak)


def test_large_messages_again_and_again_leave_nothing_behind(server: Server) -> None:
    """Of a request that is refused nothing is kept, in whatever circle its error and its frames are."""
    path = f"{HEALTH}/Check"
    with Peak(server) as peak:
        for _ in range(6):
            answers(server, path, heavy(HEAVY[path]))
    print(f"six times: {peak.growth / MIB:.0f} MiB")
    assert peak.growth <= GROWTH + READ, "six times take no more than once"
    wait_until_given_back(server, peak)


@pytest.mark.parametrize("path", [path for path in HEAVY if not path.startswith(HEALTH)])
def test_heavy_messages_with_a_key_are_refused_before_they_are_parsed(path: str, server: Server) -> None:
    with Peak(server) as peak:
        found = answers(server, path, heavy(HEAVY[path]), server.api_key)
    print(f"{path}: {peak.growth / MIB:.0f} MiB")
    assert found <= {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert peak.growth <= 12 * MESSAGES * MIB, "no more than the bytes themselves, which gRPC has three times"


@pytest.fixture
def flood(server: Server) -> Iterator[list[int]]:
    """Four connections that call with unknown keys of a sound form as fast as they can; how many were refused."""
    stopped, refused = threading.Event(), [0]

    def run() -> None:
        with calling(server) as caller:
            while not stopped.is_set():
                caller.metadata = (("authorization", f"Bearer {access.new_key()}"),)
                answer = caller.call(LIMITS, b"")
                assert answer.reason == "UNAUTHENTICATED"
                refused[0] += 1

    with ThreadPoolExecutor(4) as pool:
        ends = [pool.submit(run) for _ in range(4)]
        yield refused
        stopped.set()
        for end in ends:
            end.result()


def test_known_keys_work_beside_a_flood_of_unknown_ones_which_is_a_few_lines(server: Server, flood: list[int]) -> None:
    before = len(log_of(server))
    with calling(server, server.api_key) as caller:
        while flood[0] < 100:
            assert caller.call(LIMITS, b"").code == grpc.StatusCode.OK
    lines = [line for line in log_of(server)[before:] if line.get("message") == "refused"]
    assert len(lines) < 5
    assert len([line for line in log_of(server)[before:] if line.get("message") == "call"]) == 0


def test_who_was_refused_too_often_waits_for_the_next_refusal(server: Server) -> None:
    with calling(server) as caller:
        for _ in range(2 * refusals.HOLD_AFTER):
            began = time.monotonic()
            assert caller.call(LIMITS, b"").reason == "UNAUTHENTICATED"
            if time.monotonic() - began >= refusals.HOLD_SECONDS:
                break
        else:
            pytest.fail("each was refused at once")
    with calling(server, server.api_key) as caller:  # from the same address, with a key that is known
        assert caller.call(LIMITS, b"").code == grpc.StatusCode.OK


def test_first_refusal_of_an_address_is_told_with_where_and_why(server: Server) -> None:
    with calling(server) as caller:
        caller.call(LIMITS, b"")
    lines = [line for line in log_of(server) if line.get("message") == "refused"]
    assert lines and (lines[0]["peer"], lines[0]["level"]) == ("127.0.0.1", "INFO")
    assert {"count", "method", "reason"} <= lines[0].keys()


def test_key_that_is_mistyped_is_told_as_such(server: Server) -> None:
    key = access.new_key()
    wrong = key[:-1] + ("A" if key[-1] != "A" else "B")
    with calling(server, wrong) as caller:
        assert "mistyped" in caller.call(LIMITS, b"").text
    with calling(server, key) as caller:
        assert "not known here" in caller.call(LIMITS, b"").text


def test_those_who_watch_without_a_key_are_so_many(server: Server) -> None:
    with calling(server) as caller:
        calls = []
        for _ in range(64):
            calls.append(caller.begin(f"{HEALTH}/Watch", [b""]))
            assert next(calls[-1]), "its first answer: 16 checks of an address may be on their way at once"
        refused = ended(caller.begin(f"{HEALTH}/Watch", [b""]))
        assert (refused.code, refused.metadata["limit"]) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "max_watchers")
        assert caller.call(f"{HEALTH}/Check", b"").code == grpc.StatusCode.OK
        calls[0].cancel()
        deadline = time.monotonic() + 60
        while True:
            again = caller.begin(f"{HEALTH}/Watch", [b""])
            try:
                next(again)
                break
            except grpc.RpcError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
