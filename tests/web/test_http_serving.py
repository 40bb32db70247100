"""Where HTTP is served, encrypted or not, and how it ends with the server."""

import json
import socket
import ssl
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

import xpstore
from s3_server import free_port
from support.backends import Backend
from support.certificates import make_certificate
from support.homes import Home
from support.operation.operating import run_beside
from support.web.http import JSON, Answer, Http
from support.web.server import WebServer
from xpstore_server.listening import bind_http
from xpstore_server.reaching import NO_ANSWER, ask_health_over_http
from xpstore_server.settings import load

pytestmark = pytest.mark.client

LIMITS = "/xpstore.v1.LimitsService/GetLimits"


class Held:
    """An upload under way whose last bytes come when they are let go."""

    def __init__(self, http: Http, project_id: str) -> None:
        self._go, self._begun = threading.Event(), threading.Event()
        self.answers: list[Answer] = []
        path = f"/files/{quote(project_id)}/held/a"
        self._thread = threading.Thread(target=lambda: self.answers.append(http.ask("PUT", path, self._pieces())))
        self._thread.start()
        assert self._begun.wait(60)

    def _pieces(self) -> Iterator[bytes]:
        yield b"first "
        self._begun.set()
        self._go.wait(60)
        yield b"last"

    def let_go(self) -> Answer:
        self._go.set()
        self._thread.join(60)
        (answer,) = self.answers
        return answer


def made_project(http: Http, name: str) -> str:
    made = {"projectId": name, "name": name, "creationId": str(uuid.uuid4())}
    assert http.call("ProjectService/CreateProject", made).status == 200
    return name


def test_call_under_way_ends_while_the_server_drains(empty: Backend, tmp_path: Path) -> None:
    with WebServer(empty, tmp_path, XPSTORE_DRAIN_SECONDS="60") as server:
        http = Http(server.http_port, server.api_key)
        held = Held(http, made_project(http, "drains"))
        stopping = threading.Thread(target=lambda: server.stop(60))
        stopping.start()
        while True:
            try:
                http.socket().close()
            except ConnectionResetError:
                continue  # it came in the moment in which the server left its port
            except ConnectionRefusedError:
                break
        assert held.let_go().status == 201
        stopping.join(60)
        assert not server.running and server.process is not None and server.process.wait() == 0


def test_call_that_takes_longer_is_told_to_try_again(empty: Backend, tmp_path: Path) -> None:
    with WebServer(empty, tmp_path, XPSTORE_DRAIN_SECONDS="0.5") as server:
        http = Http(server.http_port, server.api_key)
        name = made_project(http, "too long")
        with http.socket() as connection:
            head = f"PUT /files/{quote(name)}/a/b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n"
            connection.sendall(f"{head}Expect: 100-continue\r\nAuthorization: Bearer {http.key}\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100")
            assert server.stop(60) == 0
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        assert answer.startswith(b"HTTP/1.1 503") and b'"UNAVAILABLE"' in answer and b"retry-after: 1" in answer
        assert "Traceback" not in server.log.read_text()


def test_none_by_default(empty: Backend, tmp_path: Path) -> None:
    server = WebServer(empty, tmp_path)
    del server.environment["XPSTORE_HTTP_LISTEN"]
    with server, pytest.raises(ConnectionRefusedError):
        Http(server.http_port).socket()


def test_tls_by_the_same_files_and_a_socket_of_this_machine(tmp_path: Path) -> None:
    chain, key = make_certificate(tmp_path, "localhost")
    port, path = free_port(), tmp_path / "http.sock"
    flags = ("--listen", "127.0.0.1:0", "--tls-cert", str(chain), "--tls-key", str(key))
    listen = f"127.0.0.1:{port},unix:{path}"
    with Home(tmp_path / "h") as home, home.serving(*flags, XPSTORE_HTTP_LISTEN=listen) as process:
        headers = {"Authorization": f"Bearer {(home.folder / 'admin.key').read_text().strip()}", "Content-Type": JSON}
        request = urllib.request.Request(f"https://localhost:{port}{LIMITS}", b"{}", headers)
        trusting = ssl.create_default_context(cafile=str(chain))
        with urllib.request.urlopen(request, context=trusting, timeout=30) as response:
            assert json.load(response)["limits"]["contractVersion"].startswith("1.")
        sent = json.dumps({"key": headers["Authorization"].removeprefix("Bearer ")}).encode()
        said_by_page = {"Content-Type": JSON, "Origin": f"https://localhost:{port}"}
        logged_in = Http(port, authority=chain).ask("POST", "/session", sent, said_by_page)
        assert logged_in.status == 204 and logged_in.headers["set-cookie"].endswith("; Secure")
        with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", port)) as plain:
            ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(3)]
        assert said[1] == f"xpstore-server is listening on https://127.0.0.1:{port} for HTTP\n"
        assert path.stat().st_mode & 0o077 == 0
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {"TLS_CERT": str(chain), "TLS_KEY": str(key), "HTTP_LISTEN": listen}.items():
                patch.setenv(f"XPSTORE_{name}", value)
            asked = {address: ask_health_over_http(load(), address) for address in load().http_listen}
        assert asked == dict.fromkeys(listen.split(","), "SERVING")
        process.terminate()
        process.wait(60)
    assert not path.exists()


def test_status_names_the_port_for_http(empty: Backend, tmp_path: Path) -> None:
    with WebServer(empty, tmp_path) as server:
        health = json.loads(run_beside(server, "status", "--json").stdout)["health"]
        assert health == {server.address: "SERVING", f"http 127.0.0.1:{server.http_port}": "SERVING"}
    assert ask_health_over_http(load(), f"127.0.0.1:{server.http_port}") == NO_ANSWER


def test_sockets_say_their_protocol() -> None:
    """Or asyncio leaves Nagle's algorithm on, and each answer comes 40 ms late."""
    bound, _ = bind_http(load(), "127.0.0.1:0")
    with bound:
        assert bound.proto == socket.IPPROTO_TCP


def test_port_that_is_taken_stops_the_server_with_one_line(empty: Backend, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        server = WebServer(empty, tmp_path, XPSTORE_HTTP_LISTEN=taken)
        with pytest.raises(RuntimeError, match="does not start"):
            server.start()
    assert f"Cannot listen on {taken}" in server.log.read_text()


def test_calls_of_grpc_go_on_beside_large_json(server: WebServer, http: Http, project_id: str) -> None:
    """10,000 points as JSON are a fifth of a second of work, in threads: the loop goes on."""
    project = http.call("ProjectService/GetProject", {"projectId": project_id}).json["project"]
    points = [{"name": "loss", "floatValue": number / 7, "step": str(number)} for number in range(10_000)]
    batch = {"modelId": project["uid"], "writerId": project["uid"], "points": points}
    client = xpstore.Client(server.api_key, server.address)
    threads = [threading.Thread(target=http.call, args=("MetricService/LogMetrics", batch)) for _ in range(4)]
    for thread in threads:
        thread.start()
    count = 0
    while any(thread.is_alive() for thread in threads):
        assert client.project(project_id).open().uid == project["uid"]
        count += 1
    for thread in threads:
        thread.join()
    client.close()
    assert count >= 4, "while each of them was read"
