"""Browsers call from pages of origins that are named, whole and exactly; requests are for a name of this machine."""

import pytest

from support.web.http import JSON, Answer, Http
from support.web.server import ORIGIN, WebServer
from xpstore_server.settings import load
from xpstore_server.web.opened import hosts_of

pytestmark = pytest.mark.client

LIMITS = "/xpstore.v1.LimitsService/GetLimits"
WANTED = "authorization,connect-protocol-version,content-type"


def preflight(stranger: Http, origin: str) -> Answer:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": WANTED}
    return stranger.ask("OPTIONS", LIMITS, headers={"Origin": origin, **asked})


def test_page_of_a_named_origin_may_call(http: Http, stranger: Http) -> None:
    asked = preflight(stranger, ORIGIN)
    assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, ORIGIN)
    assert asked.headers["access-control-allow-headers"] == WANTED
    assert {"GET", "POST", "PUT"} <= {*asked.headers["access-control-allow-methods"].split(", ")}
    answer = http.ask("POST", LIMITS, b"{}", {"Content-Type": JSON, "Origin": ORIGIN})
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    failed = stranger.ask("POST", LIMITS, b"{}", {"Content-Type": JSON, "Origin": ORIGIN})
    assert failed.headers["access-control-allow-origin"] == ORIGIN, "or the page is not told why"


@pytest.mark.parametrize(
    "origin", ["https://page.example", ORIGIN.upper(), f"{ORIGIN}.evil", "null", "http://page.example:8443"]
)
def test_page_of_another_origin_may_not(origin: str, http: Http, stranger: Http) -> None:
    assert preflight(stranger, origin).status == 403
    answer = http.ask("POST", LIMITS, b"{}", {"Content-Type": JSON, "Origin": origin})
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_request_for_another_name_is_refused(http: Http) -> None:
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::2]:80", ""):
        answer = http.ask("POST", LIMITS, b"{}", {"Content-Type": JSON, "Host": host})
        assert answer.status == 421, host
    for host in ("localhost", f"LOCALHOST:{http.port}", "[::1]:1", "page.example", "page.example:8443"):
        assert http.ask("POST", LIMITS, b"{}", {"Content-Type": JSON, "Host": host}).status == 200


def test_names_count_on_this_machine_alone() -> None:
    here = load(http_listen=["127.0.0.1:1"], http_origins=["https://a.example", "http://[::5]:1"])
    assert hosts_of(here) == frozenset({"127.0.0.1", "localhost", "[::1]", "a.example", "[::5]"})
    assert hosts_of(load(http_listen=["127.0.0.1:1", "10.0.0.1:1"], allow_plaintext=True)) is None


def test_description_is_for_everybody(stranger: Http, server: WebServer) -> None:
    answer = stranger.ask("GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, JSON)
    packed = stranger.ask("GET", "/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip" and len(packed.body) < len(answer.body) / 3
    assert stranger.ask("POST", "/openapi.json", b"").status == 405
