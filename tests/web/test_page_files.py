"""The page: its files as they were built, safe headers with each, and nothing beside them."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.backends import Backend, sqlite_url
from support.web.http import Http
from support.web.server import WebServer

pytestmark = pytest.mark.client

INDEX = b"<!doctype html><title>page</title>"
SCRIPT = b"console.log('a page')\n" * 100
SECRET = "what nobody may read"


@pytest.fixture(scope="module")
def page_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    folder = tmp_path_factory.mktemp("page")
    (folder / "secret.txt").write_text(SECRET)
    page = folder / "page"
    (page / "inner").mkdir(parents=True)
    (page / "inner" / "secret.txt").write_text(SECRET)
    (page / "index.html").write_bytes(INDEX)
    (page / "app-1f2e3d.js").write_bytes(SCRIPT)
    (page / "app-1f2e3d.js.gz").write_bytes(gzip.compress(SCRIPT))
    (page / "app-4c5b6a.css").write_bytes(b"body { margin: 0 }")
    url, blobs = sqlite_url(folder / "xpstore.db"), (folder / "blobs").as_uri()
    store = Backend(name="sqlite-disk", database_url=url, blob_url=blobs)
    with WebServer(store, folder, page=page) as server:
        yield server


@pytest.fixture
def visitor(page_server: WebServer) -> Http:
    return Http(page_server.http_port)


@pytest.mark.parametrize(
    "path", ["/", "/?q=a.token=1", "/login", "/p/mnist", "/p/a%20b/artifacts?x=step", "/m/0123/files"]
)
def test_views_are_the_index(path: str, visitor: Http) -> None:
    answer = visitor.ask("GET", path)
    assert (answer.status, answer.body) == (200, INDEX)
    wanted = {
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "content-security-policy": "default-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' blob:; base-uri 'none'; form-action 'self'; object-src 'none'; frame-ancestors 'none'",
    }
    assert wanted.items() <= answer.headers.items()
    head = visitor.ask("HEAD", path)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(INDEX)))
    again = visitor.ask("GET", path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert visitor.ask("GET", path, headers={"If-None-Match": '"another"'}).status == 200


def test_files_are_kept_for_ever_and_sent_packed(visitor: Http) -> None:
    plain = visitor.ask("GET", "/page/app-1f2e3d.js")
    packed = visitor.ask("GET", "/page/app-1f2e3d.js", headers={"Accept-Encoding": "br, gzip"})
    assert plain.body == SCRIPT and gzip.decompress(packed.body) == SCRIPT
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    for answer in (plain, packed):
        assert answer.headers["content-type"].endswith("javascript; charset=utf-8")
        assert (answer.headers["cache-control"], answer.headers["vary"]) == (
            "public, max-age=31536000, immutable",
            "accept-encoding",
        )
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'self'" in answer.headers["content-security-policy"]
    style = visitor.ask("GET", "/page/app-4c5b6a.css", headers={"Accept-Encoding": "gzip"})
    assert (style.headers["content-type"], style.body) == ("text/css; charset=utf-8", b"body { margin: 0 }")


@pytest.mark.parametrize(
    "path",
    [
        "/page/",
        "/page/app-000000.js",
        "/page/app-1f2e3d.js.gz",
        "/page/inner",
        "/page/inner/secret.txt",
        "/page/../secret.txt",
        "/page/..%2Fsecret.txt",
        "/page/%2e%2e/secret.txt",
        "/page/..\\secret.txt",
        "/page//etc/passwd",
        "/page/./index.html",
        "/page/index.html%00.js",
        "/page/page/../../secret.txt",
    ],
)
def test_nothing_else_is_served(path: str, visitor: Http) -> None:
    for verb in ("GET", "HEAD"):
        answer = visitor.ask(verb, path)
        assert answer.status == 404 and SECRET.encode() not in answer.body


def test_page_is_only_read(visitor: Http) -> None:
    for verb in ("POST", "PUT", "DELETE", "PATCH"):
        for path in ("/", "/p/mnist", "/page/app-1f2e3d.js"):
            answer = visitor.ask(verb, path, b"")
            assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_page_is_of_no_other_name(visitor: Http) -> None:
    """A page of a stranger may have its own name lead to this machine."""
    for path in ("/", "/login", "/page/app-1f2e3d.js", "/session", "/?token=a"):
        answer = visitor.ask("GET", path, headers={"Host": f"evil.example:{visitor.port}"})
        assert answer.status == 421 and "set-cookie" not in answer.headers


def test_server_without_a_page_says_so(empty: Backend, tmp_path: Path) -> None:
    with WebServer(empty, tmp_path, page=tmp_path / "none") as server:
        visitor = Http(server.http_port)
        for path in ("/", "/p/mnist"):
            answer = visitor.ask("GET", path)
            assert (answer.status, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
            assert b"has no page" in answer.body
        assert visitor.ask("GET", "/page/app.js").status == 404
        assert visitor.ask("GET", "/openapi.json").status == 200
