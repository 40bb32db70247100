"""The page in a frame of a notebook: let in by a token, and framed by nobody else."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, expect

from support.homes import Home
from support.notebooks import Notebook

CELL = """
import xpstore
xpstore.init()
project = xpstore.set_project(xpstore.Project("campaign 7/ü"))
model = project.experiment("mnist").model("h1", "resnet")
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    folder = tmp_path_factory.mktemp("framed")
    with Home(folder / "home") as home, home.serving(), Notebook(folder, home.environment) as notebook:
        notebook.run(CELL)
        yield notebook


class Around:
    """A page of another origin, as a notebook's is, that shows what a cell displayed."""

    def __init__(self) -> None:
        around = self
        self.html = ""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(f"<!doctype html><h1>A notebook</h1>{around.html}".encode())

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever).start()

    def url(self, host: str) -> str:
        return f"http://{host}:{self._server.server_port}/"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def around() -> Iterator[Around]:
    around = Around()
    yield around
    around.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_cell_shows_the_page_of_a_project_and_of_a_model(
    host: str, notebook: Notebook, around: Around, chromium: Browser
) -> None:
    context = chromium.new_context()
    page = context.new_page()
    around.html = notebook.displayed("project.page()")["text/html"]
    page.goto(around.url(host))
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("link", name="resnet")).to_be_visible()
    frame.get_by_role("link", name="resnet").click()
    expect(frame.get_by_role("heading", name="resnet")).to_be_visible()

    page.reload()  # as where a notebook is opened again: the token was used, the session is there
    expect(page.frame_locator("iframe").get_by_role("link", name="resnet")).to_be_visible()

    around.html = notebook.displayed("model.page(300)")["text/html"]
    page.goto(around.url(host))
    expect(page.frame_locator("iframe[height='300']").get_by_role("heading", name="resnet")).to_be_visible()
    context.close()


def test_page_without_a_token_is_in_no_frame(notebook: Notebook, around: Around, chromium: Browser) -> None:
    context = chromium.new_context()
    page = context.new_page()
    shown = notebook.displayed("project.page()")["text/html"]
    page.goto(shown.partition('src="')[2].partition('"')[0].replace("&amp;", "&").replace("&frame=1", ""))
    page.get_by_role("link", name="resnet").wait_for()  # its own page has a session, which no frame gets
    origin = page.url.partition("/p/")[0]
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    around.html = f'<iframe src="{origin}/"></iframe>'
    page.goto(around.url("127.0.0.1"))
    expect(page.get_by_role("heading", name="A notebook")).to_be_visible()
    assert any("frame-ancestors" in text for text in refused), refused
    context.close()
