"""Keys travel encrypted beyond this machine: TLS works, and plaintext is refused on both sides."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import xpstore
from support.certificates import make_certificate
from support.homes import Home
from xpstore._service.address import parse_address
from xpstore.errors import InvalidArgument, Unauthenticated, Unavailable


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate of this machine and its key, as PEM files."""

    chain: Path
    key: Path


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(*make_certificate(tmp_path_factory.mktemp("tls"), "localhost"))


@pytest.fixture(scope="module")
def home(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A server with TLS on all interfaces: it needs no leave for that."""
    flags = ["--listen", "0.0.0.0:0", "--tls-cert", str(certificate.chain), "--tls-key", str(certificate.key)]
    with Home(tmp_path_factory.mktemp("home") / "h") as home, home.serving(*flags):
        yield home


@pytest.fixture
def port(home: Home) -> str:
    return home.address.rpartition(":")[2]


@pytest.fixture
def api_key(home: Home) -> str:
    return (home.folder / "admin.key").read_text().strip()


@pytest.mark.parametrize("url", ["https://localhost:{}", "grpcs://localhost:{}", "https://127.0.0.1:{}"])
def test_client_that_trusts_the_certificate_connects(
    url: str, port: str, api_key: str, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XPSTORE_TLS_CA", str(certificate.chain))
    client = xpstore.Client(api_key, url.format(port))
    assert client.project("over tls").open().uid


def test_client_that_does_not_trust_the_certificate_sends_no_key(
    port: str, api_key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("XPSTORE_TLS_CA", raising=False)
    with pytest.raises(Unavailable, match="does not answer"):
        xpstore.Client(api_key, f"https://localhost:{port}", timeout_seconds=100)
    assert "tried for another" not in caplog.text, "waiting does not mend it"


def test_wrong_key_is_refused_over_tls(port: str, certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPSTORE_TLS_CA", str(certificate.chain))
    with pytest.raises(Unauthenticated):
        xpstore.Client("xps_wrong-wrong-wrong", f"https://localhost:{port}")


def test_plaintext_client_gets_nothing_from_a_tls_server(port: str, api_key: str) -> None:
    with pytest.raises(Unavailable):
        xpstore.Client(api_key, f"http://localhost:{port}", timeout_seconds=5)


def test_missing_authority_is_named(port: str, api_key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPSTORE_TLS_CA", "/nope.pem")
    with pytest.raises(InvalidArgument, match=r"XPSTORE_TLS_CA = '/nope.pem': No such file"):
        xpstore.Client(api_key, f"https://localhost:{port}")


@pytest.mark.parametrize("url", ["http://192.0.2.1:50051", "grpc://example.org", "http://[2001:db8::1]:50051"])
def test_client_refuses_plaintext_beyond_loopback(url: str) -> None:
    with pytest.raises(InvalidArgument, match="plaintext"):
        xpstore.Client("xps_some-api-key-here", url)


@pytest.mark.parametrize(
    ("url", "target", "is_tls"),
    [
        ("localhost", "localhost:50051", False),
        ("127.0.0.1:7", "127.0.0.1:7", False),
        ("http://[::1]:7", "[::1]:7", False),
        ("unix:/tmp/s", "unix:/tmp/s", False),
        ("example.org", "example.org:50051", True),
        ("https://example.org", "example.org:443", True),
        ("grpcs://example.org/", "example.org:50051", True),
    ],
)
def test_address_says_whether_tls_is_spoken(url: str, target: str, is_tls: bool) -> None:
    address = parse_address(url)
    assert (address.target, address.is_tls) == (target, is_tls)


@pytest.mark.parametrize("url", ["", "https://", "ftp://h", "h:port", "h h:1", "a@b:1", "https://h/api", "h?x"])
def test_address_that_names_no_server_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument, match="api_url"):
        parse_address(url)


def test_server_in_plaintext_beyond_loopback_must_be_asked_for_by_name(tmp_path: Path) -> None:
    """That it is refused otherwise is in test_settings."""
    with Home(tmp_path / "h") as home, home.serving("--listen", "0.0.0.0:0", "--allow-plaintext"):
        key = (home.folder / "admin.key").read_text().strip()
        port = home.address.rpartition(":")[2]
        assert xpstore.Client(key, f"localhost:{port}").limits.server_version
