"""`xpstore open`: the embedded service listens for HTTP once it is asked, and lets in who has the address, once."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import grpc
import psutil
import pytest
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import StringValue

from support.homes import Home
from support.operation.hasty_server import CONSTANTS
from support.web.browser import Browser
from xpstore import errors
from xpstore._cli.page import address_of
from xpstore._session.page import METHOD
from xpstore.client import Client
from xpstore_server.core import access

pytestmark = pytest.mark.client


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home(tmp_path_factory.mktemp("opened") / "home") as home:
        address(home)  # which starts it
        yield home


def opened(home: Home, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """The command, run."""
    command = [sys.executable, "-m", "xpstore.cli", "open", *words]
    environment = {**home.environment, **settings}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def address(home: Home, *words: str) -> str:
    result = opened(home, "--no-browser", *words)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def asked(home: Home, key: str | None = None) -> str:
    """What the command asks the service, by a caller of its own."""
    key = key or (home.folder / "admin.key").read_text().strip()
    with grpc.insecure_channel(home.address) as channel:
        method = channel.unary_unary(METHOD, Empty.SerializeToString, StringValue.FromString)
        return str(method(Empty(), metadata=(("authorization", f"Bearer {key}"),), timeout=30).value)


def visit(where: str, site: str = "none") -> tuple[Browser, int, str]:
    """A browser that was led to an address, what it was answered, and where to."""
    parts = urlsplit(where)
    browser = Browser(parts.port or 0)
    answer = browser.ask("GET", f"{parts.path}?{parts.query}", site=site)
    return browser, answer.status, answer.headers.get("location", "")


def listening(home: Home) -> list[str]:
    connections = psutil.Process(home.pid).net_connections("tcp")
    return [one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN]


def test_command_starts_what_is_needed_and_its_address_logs_in_once(home: Home) -> None:
    where = address(home)
    assert listening(home) == ["127.0.0.1"]
    browser, status, location = visit(where)
    assert (status, location) == (303, "/") and browser.cookies
    assert browser.ask("GET", "/session").json["name"] == "admin"
    rebound = {"Host": f"evil.example:{browser.port}"}
    assert browser.ask("GET", "/session", headers=rebound).status == 421
    again, status, location = visit(where)
    assert (status, location, again.cookies) == (303, "/", {}), "it was used"
    assert again.ask("GET", "/session").status == 401
    other, _, _ = visit(where.replace("token=", "token=a"))
    assert not other.cookies
    assert asked(home) != where and len(listening(home)) == 1, "another token for the same port"
    assert browser.ask("GET", "/session").status == 200
    key = (home.folder / "admin.key").read_text().strip()
    assert key not in where and key not in home.log and parse_qs(urlsplit(where).query)["token"][0] not in home.log


def test_nothing_listens_for_http_before_somebody_asks(tmp_path: Path) -> None:
    with Home(tmp_path / "home") as home, home.serving():
        assert listening(home) == []


def test_address_is_for_who_has_the_key(home: Home) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        asked(home, access.new_key())
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_it_leads_to_a_project_or_a_model(home: Home) -> None:
    client = Client((home.folder / "admin.key").read_text().strip(), home.address)
    project = client.project("campaign 7/ü&a=b")
    model = project.experiment("mnist").model("h1")
    wanted = {project.id: f"/p/{quote(project.id, safe='')}", str(model.id): f"/m/{model.id}"}
    client.close()
    for what, place in wanted.items():
        browser, status, location = visit(address(home, what))
        assert (status, location) == (303, place) and browser.cookies
    result = opened(home, "--no-browser", str(uuid.uuid4()))
    assert (result.returncode, result.stdout) == (1, "") and "There is no project" in result.stderr


@pytest.mark.parametrize(
    "place",
    [
        "//evil.example",
        "https://evil.example/p/a",
        "/\\evil.example",
        "/p/\\..\\evil",
        "/p/a\r\nSet-Cookie: a=b",
        "/page/app.js",
        "/files/p/a/b",
        "/session",
        "p/a",
        "/p/ü",
        "",
    ],
)
def test_it_leads_to_the_page_and_nowhere_else(place: str, home: Home) -> None:
    browser = Browser(urlsplit(asked(home)).port or 0)
    answer = browser.ask("GET", f"/?token=a&next={quote(place, safe='')}", site="none")
    assert (answer.status, answer.headers["location"]) == (303, "/") and "set-cookie" not in answer.headers


def test_browser_is_shown_the_address(home: Home, tmp_path: Path) -> None:
    program, told = tmp_path / "browser", tmp_path / "told"
    program.write_text(f'#!/bin/sh\necho "$1" > {told}\n')
    program.chmod(0o755)
    result = opened(home, BROWSER=str(program))
    deadline = time.monotonic() + 20
    while not told.exists() or not told.read_text():
        assert time.monotonic() < deadline, result.stderr
        time.sleep(0.05)
    assert told.read_text() == result.stdout and "/?token=" in result.stdout


def test_address_is_good_for_a_minute(tmp_path: Path) -> None:
    """And here for no time at all."""
    with Home(tmp_path / "home") as home:
        command = [sys.executable, "-m", "support.operation.hasty_server", "serve", "--home", str(home.folder)]
        constants = {CONSTANTS: json.dumps({"web.logins.TICKET_SECONDS": 0})}
        environment = {**home.environment, **constants, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            deadline = time.monotonic() + 30
            while not home.announced:
                assert time.monotonic() < deadline and process.poll() is None
                time.sleep(0.05)
            browser, status, _ = visit(asked(home))
            assert status == 303 and not browser.cookies
            process.terminate()


def test_service_at_an_address_has_its_page_where_it_is_said(home: Home) -> None:
    named = {"XPSTORE_API_URL": "localhost:1", "XPSTORE_API_KEY": "a" * 40}
    result = opened(home, "--no-browser", **named)
    assert result.returncode == 1 and "XPSTORE_PAGE_URL" in result.stderr and len(result.stderr.splitlines()) == 1
    said = opened(home, "--no-browser", **named, XPSTORE_PAGE_URL="https://page.example:8443/")
    assert (said.returncode, said.stdout) == (0, "https://page.example:8443/\n")


@pytest.mark.parametrize(
    "bad", ["page.example", "file:///etc/passwd", "https://a b", "https://a/b", "https://u:p@a", ""]
)
def test_address_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="XPSTORE_PAGE_URL"):
        address_of(None, bad)
