"""A browser logs in by a key once: its cookie acts as that key, from this server's own page alone, until it ends."""

import json
import secrets
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import func, select, update

from support.backends import Backend
from support.door.calls import log_of
from support.web.browser import Browser
from support.web.http import JSON, Http, envelope, envelopes
from support.web.server import ORIGIN, WebServer
from xpstore import __version__
from xpstore_server.core import access
from xpstore_server.core.roles import session
from xpstore_server.store import tables
from xpstore_server.store.database import Database

LIMITS = "/xpstore.v1.LimitsService/GetLimits"
NAMED = "/xpstore.v1.ProjectService/GetProject"
STREAM = "/xpstore.v1.MetricService/ReadSeries"
# So long what was looked up is believed, and not ten seconds.
BELIEVED = 0.2


@pytest.fixture(scope="module")
def server(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    folder = tmp_path_factory.mktemp("server")
    with WebServer(backend, folder, {"auth.CACHE_SECONDS": BELIEVED}, page=folder / "none") as server:
        yield server


@pytest.fixture(scope="module")
def database(backend: Backend, server: WebServer) -> Iterator[Database]:
    """The server's own."""
    database = Database(backend.database_url)
    yield database
    database.close()


@pytest.fixture
def files(project_id: str) -> str:
    """Where the files of a project are."""
    return f"/files/{quote(project_id)}"


@pytest.fixture
def browser(server: WebServer) -> Browser:
    """One that the admin is logged in with."""
    browser = Browser(server.http_port)
    assert browser.log_in(server.api_key).status == 204
    return browser


def status_of(browser: Browser, **how: Any) -> int:
    return browser.ask("POST", LIMITS, b"{}", {"Content-Type": JSON, **how.pop("headers", {})}, **how).status


def test_key_is_sent_once_and_a_cookie_acts_as_it(server: WebServer, database: Database) -> None:
    name = f"alice {secrets.token_hex(4)}"
    key = database.write(lambda tx: access.create(tx, name))
    browser = Browser(server.http_port)
    assert browser.ask("GET", "/session").why[:2] == (401, "UNAUTHENTICATED")
    answer = browser.log_in(key)
    assert (answer.status, answer.body, answer.headers["cache-control"]) == (204, b"", "no-store")
    cookie, *parts = answer.headers["set-cookie"].split("; ")
    assert len(cookie.partition("=")[2]) == session.LENGTH and key not in cookie
    assert {*parts} == {"Path=/", "HttpOnly", "SameSite=Strict", "Max-Age=604800"}
    assert browser.ask("GET", "/session").json == {"name": name, "version": __version__}
    made = {"projectId": name, "name": "web", "creationId": str(uuid.uuid4())}
    assert browser.call("ProjectService/CreateProject", made).json["project"]["createdBy"] == name
    ended = browser.ask("DELETE", "/session")
    assert ended.status == 204 and "Max-Age=0" in ended.headers["set-cookie"] and not browser.cookies
    assert browser.ask("GET", "/session").status == 401


def test_cookie_is_for_encrypted_connections_where_there_are_some(server: WebServer) -> None:
    """Before a proxy that encrypts too: the browser's origin says it."""
    sent = {"Content-Type": JSON, "Origin": "https://page.example"}
    body = json.dumps({"key": server.api_key}).encode()
    answer = Browser(server.http_port).ask("POST", "/session", body, sent)
    assert answer.status == 204 and answer.headers["set-cookie"].endswith("; Secure")


def test_all_that_is_called_over_http_takes_the_cookie(browser: Browser, project_id: str, files: str) -> None:
    asked = json.dumps({"projectId": project_id}).encode()
    assert browser.ask("POST", NAMED, asked, {"Content-Type": JSON}).status == 200
    assert browser.ask("GET", f"{LIMITS}?encoding=json&message={{}}").status == 200
    stream = {"Content-Type": "application/connect+json"}
    answer = browser.ask("POST", STREAM, envelope(0, b'{"keys": []}'), stream)
    assert b"unauthenticated" not in answer.body and answer.status == 200
    web = browser.ask("POST", LIMITS, envelope(0, b""), {"Content-Type": "application/grpc-web+proto"})
    assert b"grpc-status: 0" in envelopes(web.body)[-1][1].lower().replace(b":", b": ").replace(b":  ", b": ")
    assert browser.ask("PUT", f"{files}/a/b.png", b"picture").status == 201
    for how in ({}, {"Sec-Fetch-Dest": "image"}, {"Sec-Fetch-Dest": "document"}):
        answer = browser.ask("GET", f"{files}/a/b.png", headers=how)
        assert (answer.status, answer.body) == (200, b"picture")
        assert "cookie" in answer.headers["vary"], "or a browser shows it to whoever logs in next"
    link = browser.ask("GET", f"{files}/a/b.png", site="none")
    assert link.status == 200, "a link from a terminal"


@pytest.mark.parametrize("use", ["script", "style", "worker", "serviceworker", "embed"])
def test_what_somebody_saved_is_no_part_of_the_page(use: str, browser: Browser, files: str) -> None:
    assert browser.ask("PUT", f"{files}/evil/evil.js", b"alert(1)").status == 201
    answer = browser.ask("GET", f"{files}/evil/evil.js", headers={"Sec-Fetch-Dest": use})
    assert answer.status == 403 and b"alert" not in answer.body


@pytest.mark.parametrize(
    ("site", "origin"),
    [
        ("cross-site", ""),
        ("same-site", ""),
        ("cross-site", "https://evil.example"),
        ("same-site", ORIGIN),
        ("nonsense", ""),
        ("same-origin, cross-site", ""),
        ("", "https://evil.example"),
        ("", "null"),
        ("", ORIGIN),
        ("", "https://127.0.0.1:{port}"),
        ("", "http://127.0.0.1"),
        ("", "http://127.0.0.1:{port}.evil.example"),
        ("", "http://localhost:{port}"),
        ("", ""),
    ],
)
def test_cookie_counts_from_this_servers_own_page_alone(site: str, origin: str, browser: Browser, files: str) -> None:
    """Whatever a browser sends it with: of another site, of another port of this machine, of a page that may call."""
    said = {"Origin": origin.format(port=browser.port)} if origin else {}
    file = f"{files}/a/forged"
    wants = [
        ("POST", NAMED, b"{}", JSON),
        ("POST", "/xpstore.v1.ProjectService/DeleteProject", b"{}", "text/plain"),
        ("POST", STREAM, envelope(0, b"{}"), "application/connect+json"),
        ("POST", LIMITS, envelope(0, b""), "application/grpc-web+proto"),
        ("GET", f"{LIMITS}?encoding=json&message={{}}", None, ""),
        ("PUT", file, b"forged", ""),
        ("GET", file, None, ""),
        ("HEAD", file, None, ""),
        ("GET", "/session", None, ""),
        ("DELETE", "/session", None, ""),
    ]
    for verb, path, body, type_ in wants:
        answer = browser.ask(verb, path, body, {**said, **({"Content-Type": type_} if type_ else {})}, site=site)
        assert answer.status == 403, (verb, path, answer.body)
        assert "access-control-allow-credentials" not in answer.headers
    assert status_of(browser) == 200, "it is still logged in"
    assert browser.ask("GET", file).status == 404


def test_address_line_reads_and_changes_nothing(browser: Browser, files: str) -> None:
    assert status_of(browser, site="none") == 403
    assert browser.ask("PUT", f"{files}/a/b", b"", site="none").status == 403
    assert browser.ask("DELETE", "/session", site="none").status == 403
    assert browser.ask("GET", "/session", site="none").status == 200


def test_browser_that_says_its_origin_alone_may_call(browser: Browser) -> None:
    for host in ("127.0.0.1", "LOCALHOST"):
        place = f"{host}:{browser.port}"
        sent = {"Host": place, "Origin": f"http://{place.lower()}"}
        assert status_of(browser, site="", headers=sent) == 200
    proxied = {"Host": "page.example:8443", "Origin": ORIGIN}
    cookie = {"Cookie": f"xpstore_session_8443={next(iter(browser.cookies.values()))}"}
    assert status_of(browser, site="", headers={**proxied, **cookie}) == 200, "the settings name it, before a proxy"


def test_cookie_of_another_port_is_another(browser: Browser) -> None:
    """Browsers give the cookies of a machine to each of its ports: servers on two of them do not log each other out."""
    token = next(iter(browser.cookies.values()))
    browser.cookies = {"xpstore_session_1": token, "xpstore_session": token, "other": token}
    assert status_of(browser) == 401


def test_page_of_another_may_not_log_in(server: WebServer) -> None:
    body = json.dumps({"key": server.api_key}).encode()
    stranger = Browser(server.http_port)
    for site, origin in (("cross-site", "https://evil.example"), ("same-site", ORIGIN), ("", ORIGIN), ("none", "")):
        sent = {"Content-Type": JSON, **({"Origin": origin} if origin else {})}
        answer = stranger.ask("POST", "/session", body, sent, site=site)
        assert answer.status == 403 and "set-cookie" not in answer.headers
    form = {"Content-Type": "text/plain"}
    assert stranger.ask("POST", "/session", body, form, site="").status == 415


def test_key_counts_as_before_beside_a_cookie(server: WebServer, browser: Browser) -> None:
    bearer = {"Authorization": f"Bearer {server.api_key}"}
    assert status_of(browser, site="cross-site", headers=bearer) == 200
    wrong = {"Authorization": f"Bearer {access.new_key()}"}
    assert status_of(browser, headers=wrong) == 401
    assert Http(server.http_port, server.api_key).ask("GET", "/session").json["name"] == "admin"
    assert Http(server.http_port, server.api_key).ask("DELETE", "/session").status == 401


def test_token_is_a_cookie_and_nothing_else(server: WebServer, browser: Browser) -> None:
    token = next(iter(browser.cookies.values()))
    for scheme in ("Bearer", "Session"):
        stranger = Http(server.http_port)
        assert stranger.ask("GET", "/session", headers={"Authorization": f"{scheme} {token}"}).status == 401
    with Http(server.http_port).socket() as connection:
        head = f"GET /session HTTP/1.1\r\nHost: 127.0.0.1\r\n:session: {token}\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(4_096).startswith(b"HTTP/1.1 4")


def test_wrong_keys_are_refused_and_told_and_no_secret_is_logged(server: WebServer) -> None:
    before = len(log_of(server))
    wrong = [access.new_key(), access.new_key()[:-1], "short", "", "é" * 50, "a\r\nSet-Cookie: b=c" + "d" * 40]
    stranger = Browser(server.http_port)
    for key in wrong:
        answer = stranger.log_in(key)
        assert answer.why[:2] == (401, "UNAUTHENTICATED") and "set-cookie" not in answer.headers
        assert not key or key.encode() not in answer.body
    browser = Browser(server.http_port)
    browser.log_in(server.api_key)
    text = server.log.read_text()
    lines = [line for line in log_of(server)[before:] if line.get("message") == "refused"]
    assert all(line["method"] for line in lines)
    for secret in (*[key for key in wrong if len(key) > 8], server.api_key, *browser.cookies.values()):
        assert secret not in text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"xps_"',
        b'{"key": 1}',
        b'{"key": null}',
        b'{"Key": "a"}',
        b'{"key": "a", "name": "b"}',
        b"{" * 8_000,
        b"[" * 8_000,
        b"\xff\xfe",
        b'{"key": "\xff"}',
    ],
)
def test_body_that_has_no_key_is_refused(body: bytes, server: WebServer) -> None:
    answer = Browser(server.http_port).ask("POST", "/session", body, {"Content-Type": JSON})
    assert answer.why == (400, "INVALID_ARGUMENT", "request")


def test_body_is_bounded(server: WebServer) -> None:
    body = json.dumps({"key": "a" * 9_000}).encode()
    answer = Browser(server.http_port).ask("POST", "/session", body, {"Content-Type": JSON})
    assert answer.why[:2] == (429, "RESOURCE_EXHAUSTED")


def test_other_verbs_are_told_so(browser: Browser) -> None:
    for verb in ("PUT", "PATCH", "HEAD"):
        answer = browser.ask(verb, "/session")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, POST, DELETE")


def test_session_that_ended_is_nobodys(browser: Browser) -> None:
    stolen = Browser(browser.port)
    stolen.cookies = dict(browser.cookies)
    assert status_of(stolen) == 200
    assert browser.ask("DELETE", "/session").status == 204
    assert status_of(stolen) == 401, "at once"
    assert stolen.ask("DELETE", "/session").status == 401 and not stolen.cookies


@pytest.mark.parametrize("token", ["", "a", "a" * session.LENGTH, "é" * session.LENGTH, "a" * 10_000, '"quoted"'])
def test_token_that_is_none_is_nobodys(token: str, server: WebServer) -> None:
    browser = Browser(server.http_port)
    browser.cookies = {f"xpstore_session_{server.http_port}": token}
    assert status_of(browser) == 401


def until_refused(browser: Browser) -> None:
    """Waits for what was believed to be asked again: a few times, as each try takes a moment."""
    for _ in range(2_000):
        if (status := status_of(browser)) != 200:
            break
    assert status == 401


def test_session_ends_with_its_key(server: WebServer, database: Database) -> None:
    name = f"gone {secrets.token_hex(4)}"
    key = database.write(lambda tx: access.create(tx, name))
    browser = Browser(server.http_port)
    assert browser.log_in(key).status == 204 and status_of(browser) == 200
    database.write(lambda tx: access.revoke(tx, name))
    until_refused(browser)
    assert browser.log_in(key).status == 401


def test_session_ends_in_time(database: Database, browser: Browser) -> None:
    hash_ = access.key_hash(next(iter(browser.cookies.values())))
    past = update(tables.session).where(tables.session.c.hash == hash_)
    database.write(lambda tx: tx.execute(past.values(ends_at_us=tx.now_us())))
    until_refused(browser)


def test_session_that_is_used_goes_on(database: Database, browser: Browser) -> None:
    """Written down now and then, beside the calls."""
    hash_ = access.key_hash(next(iter(browser.cookies.values())))
    one = tables.session.c.hash == hash_
    soon = database.write(
        lambda tx: tx.execute(
            update(tables.session)
            .where(one)
            .values(ends_at_us=tx.now_us() + session.HOUR_US)
            .returning(tables.session.c.ends_at_us)
        ).scalar_one()
    )
    for _ in range(2_000):
        assert status_of(browser) == 200
        ends = database.read(lambda tx: tx.execute(select(tables.session.c.ends_at_us).where(one)).scalar_one())
        if ends != soon:
            break
    assert ends - soon > 10 * session.HOUR_US


def begun(database: Database, key: bytes) -> str:
    """The token of a session."""
    token = session.new_token(b"secret")
    database.write(lambda tx: session.begin(tx, key, token))
    return token


def test_tokens_are_signed() -> None:
    """So those that strangers make up cost no look-up."""
    token = session.new_token(b"old")
    assert session.is_possible(token, [b"new", b"old"]) and not session.is_possible(token, [b"new"])
    for place in range(0, session.LENGTH - 1, 7):
        other = "A" if token[place] != "A" else "B"
        assert not session.is_possible(token[:place] + other + token[place + 1 :], [b"old"])


def test_session_lasts_for_seven_days_at_most(database: Database) -> None:
    hash_ = access.key_hash(begun(database, b"key"))
    one = tables.session.c.hash == hash_

    def age(us: int) -> None:
        created = {"created_at_us": tables.session.c.created_at_us - us}
        database.write(lambda tx: tx.execute(update(tables.session).where(one).values(created)))

    def left() -> int | None:
        found = database.read(lambda tx: session.find(tx, hash_))
        return None if found is None else found[1]

    assert 0 <= session.IDLE_US - (left() or 0) < session.HOUR_US
    age(7 * 24 * session.HOUR_US - 6 * session.HOUR_US)
    database.write(lambda tx: session.renew(tx, hash_))
    assert left() is not None and session.IDLE_US - (left() or 0) < session.HOUR_US, "what it has is not taken"
    ends = {"ends_at_us": tables.session.c.ends_at_us - 11 * session.HOUR_US}
    database.write(lambda tx: tx.execute(update(tables.session).where(one).values(ends)))
    database.write(lambda tx: session.renew(tx, hash_))
    assert 5 * session.HOUR_US < (left() or 0) <= 6 * session.HOUR_US


def test_sessions_of_a_key_are_bounded_and_old_ones_go(database: Database) -> None:
    key = secrets.token_bytes(32)
    of_key = tables.session.c.key_hash == key
    tokens = [begun(database, key) for _ in range(session.MOST + 3)]
    count = select(func.count()).select_from(tables.session).where(of_key)
    assert database.read(lambda tx: tx.execute(count).scalar()) == session.MOST
    for token in tokens[:3]:
        assert database.read(partial(session.find, hash_=access.key_hash(token))) is None
    some = select(tables.session.c.hash).where(of_key).limit(10)
    past = update(tables.session).where(tables.session.c.hash.in_(some)).values(ends_at_us=1)
    database.write(lambda tx: tx.execute(past))
    while database.write(lambda tx: session.forget(tx, tx.now_us())):
        pass
    assert database.read(lambda tx: tx.execute(count).scalar()) == session.MOST - 10


def test_wrong_keys_are_counted_as_everywhere(empty: Backend, tmp_path: Path) -> None:
    """Told by the address, which looks up no more after some; who is known goes on from there."""
    with WebServer(empty, tmp_path, page=tmp_path / "none") as server:
        stranger, browser = Browser(server.http_port), Browser(server.http_port)
        assert browser.log_in(server.api_key).status == 204
        for _ in range(40):
            assert stranger.log_in(access.new_key()).status == 401
        (line,) = [line for line in log_of(server) if line.get("message") == "refused"]
        assert (line["method"], line["peer"], line["count"]) == ("POST /session", "127.0.0.1", 1)
        late = Browser(server.http_port)
        assert late.log_in(server.api_key).status == 204 and status_of(late) == 200 and status_of(browser) == 200
        server.restart()
        assert status_of(browser) == 200, "it outlives the server"
