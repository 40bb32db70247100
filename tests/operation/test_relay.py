"""The relay by which other tests here make lines go bad."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from support.between.relay import Relay


@pytest.fixture
def echo() -> Iterator[str]:
    """The address of a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener,), daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket) -> None:
    def answer(end: socket.socket) -> None:
        while piece := end.recv(65536):
            end.sendall(piece)
        end.close()

    while True:
        try:
            end, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=answer, args=(end,), daemon=True).start()


def _connect(relay: Relay) -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.port), 30)


def test_what_was_connected_in_a_silence_stays_dead_and_new_connections_work_after_it(echo: str) -> None:
    with Relay(echo) as relay, _connect(relay) as before:
        before.sendall(b"one")
        assert before.recv(10) == b"one"
        relay.swallow()
        with _connect(relay) as meanwhile:  # its handshake is answered, as by the relay of a host that froze
            while relay.count < 2:
                time.sleep(0.01)
            relay.heal()
            for dead in (before, meanwhile):
                dead.sendall(b"two")
                dead.settimeout(0.3)
                with pytest.raises(TimeoutError):
                    dead.recv(10)
        with _connect(relay) as after:
            after.sendall(b"three")
            assert after.recv(10) == b"three"


def test_a_delay_is_of_the_line_and_not_of_each_piece(echo: str) -> None:
    with Relay(echo) as relay, _connect(relay) as end:
        relay.delay(0.2)
        started = time.monotonic()
        for _ in range(20):
            end.sendall(b"x" * 1000)
            time.sleep(0.005)
        size = 0
        while size < 20_000:
            size += len(end.recv(65536))
        assert 0.4 <= time.monotonic() - started < 4  # one by one they would take 8 s


def test_a_limit_is_shared_by_all_connections(echo: str) -> None:
    with Relay(echo) as relay, _connect(relay) as one, _connect(relay) as other:
        relay.limit(1_000_000)
        started = time.monotonic()
        for end in (one, other):
            end.sendall(b"x" * 250_000)
        for end in (one, other):
            size = 0
            while size < 250_000:
                size += len(end.recv(65536))
        assert time.monotonic() - started >= 0.4


def test_a_cut_ends_both_sides(echo: str) -> None:
    with Relay(echo) as relay, _connect(relay) as end:
        end.sendall(b"x")
        assert end.recv(10) == b"x"
        relay.cut()
        assert end.recv(10) == b""
