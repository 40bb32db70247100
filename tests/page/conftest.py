"""The page of a real server in a real Chromium."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from support.backends import Backend, sqlite_url
from support.needs import needs
from support.web.http import Http
from support.web.page_data import fill_large, fill_small
from support.web.page_files import fill_files
from support.web.server import WebServer
from xpstore import Client

# Nothing but this machine: other names are not looked up.
FLAGS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"]
TIMEOUT_MS = 30_000
expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    folder = tmp_path_factory.mktemp("server")
    url = sqlite_url(folder / "xpstore.db")
    backend = Backend(name="sqlite-disk", database_url=url, blob_url=(folder / "blobs").as_uri())
    with WebServer(backend, folder) as server:
        client = Client(server.api_key, server.address)
        fill_small(client, Http(server.http_port, server.api_key), folder / "files")
        fill_large(client, url)
        fill_files(client, folder / "kinds")
        client.close()
        yield server


@pytest.fixture(scope="session")
def origin(server: WebServer) -> str:
    return f"http://127.0.0.1:{server.http_port}"


# Of a module: until Playwright ends, its loop is the running one of the thread, and no test could have one of its own.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = needs("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, server: WebServer, origin: str) -> Iterator[BrowserContext]:
    """A browser that has logged in."""
    context = chromium.new_context(base_url=origin, viewport={"width": 1440, "height": 900}, color_scheme="light")
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    page.goto("/")
    page.get_by_label("API key").fill(server.api_key)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Projects", exact=True).wait_for()
    page.close()
    yield context
    context.close()


@pytest.fixture
def page(signed_in: BrowserContext) -> Iterator[Page]:
    page = signed_in.new_page()
    yield page
    page.close()
