"""A certificate of an authority that nobody else knows, and proxies that have it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.between.documented import KINDS, Proxy
from support.certificates import make_certificate
from support.services import Server

Start = Callable[..., Proxy]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"), "localhost", "xpstore.test")


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def start(
    server: Server, certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Start]:
    """Starts a proxy before the server; clients trust its authority."""
    monkeypatch.setenv("XPSTORE_TLS_CA", str(certificate[0]))
    with ExitStack() as stack:

        def started(kind: str, **options: Any) -> Proxy:
            return stack.enter_context(Proxy(kind, server.address, certificate, tmp_path / "proxy", **options))

        yield started
