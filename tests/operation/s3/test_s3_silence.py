"""An S3 server that falls silent costs each call a bound, and nothing once it is back: nothing waits for the dead.

XPSTORE_TEST_SILENCE=30 for a long one.
"""

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from s3_server import ACCESS_KEY, SECRET_KEY, SeaweedFS
from support.between.relay import Relay
from xpstore_server.store.blobs.minio import MinioBlobs
from xpstore_server.store.blobs.s3 import line
from xpstore_server.store.errors import StoreUnavailable

SILENCE_SECONDS = float(os.environ.get("XPSTORE_TEST_SILENCE", "0"))
CALLERS = 16
DATA = bytes(range(256)) * 400
# A bound of 10 s, and what a busy machine adds.
LONGEST_SECONDS = 20.0


@pytest.fixture
def relay(seaweedfs: SeaweedFS) -> Iterator[Relay]:
    with Relay(f"127.0.0.1:{seaweedfs.port}") as relay:
        yield relay


@pytest.fixture
def blobs(relay: Relay, seaweedfs: SeaweedFS) -> Iterator[MinioBlobs]:
    name = f"silence-{secrets.token_hex(6)}"
    seaweedfs.create_bucket(name)
    blobs = MinioBlobs.from_url(f"s3://{ACCESS_KEY}:{SECRET_KEY}@{relay.address}/{name}?secure=false", CALLERS)
    blobs.put("packs/x", [DATA])
    yield blobs
    blobs.close()


class Caller(threading.Thread):
    """Reads or writes without end, and notes when each call ended, how long it took, and whether it worked."""

    def __init__(self, blobs: MinioBlobs, number: int, stopped: threading.Event) -> None:
        super().__init__(daemon=True)
        self._blobs = blobs
        self._number = number
        self._stopped = stopped
        self.calls: list[tuple[float, float, bool]] = []

    def run(self) -> None:
        while not self._stopped.wait(0.05):
            began = time.monotonic()
            try:
                self._call()
            except StoreUnavailable:
                is_done = False
            else:
                is_done = True
            self.calls.append((time.monotonic(), time.monotonic() - began, is_done))

    def _call(self) -> None:
        if self._number % 2:
            assert self._blobs.get("packs/x", 1000, 50_000) == DATA[1000:51_000]
        else:
            self._blobs.put(f"packs/{self._number}", [DATA])


def test_sixteen_callers_outlast_a_silence(relay: Relay, blobs: MinioBlobs, monkeypatch: pytest.MonkeyPatch) -> None:
    if not SILENCE_SECONDS:
        monkeypatch.setattr(line, "SILENT_SECONDS", 5.0)  # as long as it takes to know
    stopped = threading.Event()
    callers = [Caller(blobs, number, stopped) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    wait_for(lambda: all(caller.calls for caller in callers))
    relay.swallow()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="does not answer"):
        blobs.check(1.0)
    assert time.monotonic() - began < 5
    # All fail in the end, and once it is known they fail at once: many calls of each.
    wait_for(lambda: sum(not is_done for caller in callers for _, _, is_done in caller.calls) > 5 * CALLERS)
    time.sleep(max(SILENCE_SECONDS - (time.monotonic() - began), 0))
    relay.heal()
    healed = time.monotonic()
    wait_for(lambda: all(any(at > healed and done for at, _, done in caller.calls) for caller in callers))
    first = [min(at for at, _, done in caller.calls if at > healed and done) - healed for caller in callers]
    longest = max(seconds for caller in callers for _, seconds, _ in caller.calls)
    print(f"the first of {CALLERS} callers worked {min(first):.1f} s after the heal, all after {max(first):.1f} s")
    print(f"the longest call took {longest:.1f} s")
    stopped.set()
    for caller in callers:
        caller.join(LONGEST_SECONDS)
        assert not caller.is_alive()
    assert max(seconds for caller in callers for _, seconds, _ in caller.calls) < LONGEST_SECONDS
    blobs.check(5)
    assert [blobs.get(f"packs/{number}", 0, len(DATA)) for number in range(0, CALLERS, 2)] == [DATA] * (CALLERS // 2)


def test_connections_that_died_while_they_rested_are_thrown_away_together(relay: Relay, blobs: MinioBlobs) -> None:
    def all_read() -> float:
        began = time.monotonic()
        readers = [threading.Thread(target=blobs.get, args=("packs/x", 0, 10), daemon=True) for _ in range(CALLERS)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(LONGEST_SECONDS)
            assert not reader.is_alive()
        return time.monotonic() - began

    all_read()
    relay.swallow()
    relay.heal()
    time.sleep(2.5)  # they rest
    before = relay.accepted
    all_read()
    assert relay.accepted > before
    accepted = relay.accepted
    all_read()
    assert blobs.get("packs/x", 0, 10) == DATA[:10]
    assert relay.accepted <= accepted + CALLERS


def test_slow_server_is_left_alone(relay: Relay, blobs: MinioBlobs) -> None:
    """A line that is slow and goes on is not silent: no connection is cut, nothing is asked twice."""
    size = 4 << 20
    blobs.put("packs/large", [secrets.token_bytes(size)])
    relay.limit(size / 5)
    accepted = relay.accepted
    assert len(blobs.get("packs/large", 0, size)) == size
    assert relay.accepted <= accepted + 1


def test_connections_that_are_cut_cost_nothing(relay: Relay, blobs: MinioBlobs) -> None:
    for _ in range(3):
        relay.cut()
        assert blobs.get("packs/x", 5, 5) == DATA[5:10]
        blobs.put("packs/y", [DATA])


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
