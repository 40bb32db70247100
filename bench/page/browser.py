"""What a page costs whoever opens it: measured in a Chromium that has not seen it before."""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page, sync_playwright

from bench.figure import Figure

# Drawn by software: no GPU is needed to run this. Other hosts are not to be had, whatever a page asks of them.
FLAGS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
BOUND_SECONDS = 150
SETTLE_SECONDS = 5
HEIGHT = 900
DRAWN = Path(__file__).with_name("drawn.js").read_text()


@dataclass(frozen=True, slots=True)
class Cost:
    """What a page took until some seconds after its first chart.

    Attributes:
        seconds: until the first chart; None where there was none within the bound.
        bytes: as they came over the wire, compressed or not.
        heap_bytes: JavaScript's, after a collection.
        nodes: of the DOM, texts among them.
    """

    seconds: float | None
    bytes: float
    heap_bytes: float
    nodes: float


# Does what a user must before there is a chart, and returns at which millisecond since navigation the wait begins.
Clicks = Callable[[Page], float]
LogIn = Callable[[BrowserContext], None]


def in_chromium(measure: Callable[[Path], list[Figure]], notes: dict[str, str], folder: Path) -> list[Figure]:
    """Measures, or notes that there is no Chromium."""
    if _program() is not None:
        return measure(folder)
    notes["Chromium"] = "skipped: it is not installed (apt-get install chromium)"
    return []


def _program() -> str | None:
    return shutil.which("chromium")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_program(), args=FLAGS)
        yield browser
        browser.close()


def cost_of(
    browser: Browser, address: str, width: int, log_in: LogIn | None = None, clicks: Clicks | None = None
) -> Cost:
    """Opens an address with nothing in any cache, and waits for lines in the window."""
    context = browser.new_context(viewport={"width": width, "height": HEIGHT})
    context.add_init_script(DRAWN)
    if log_in is not None:
        log_in(context)
    page = context.new_page()
    page.set_default_timeout(BOUND_SECONDS * 1000)
    session = context.new_cdp_session(page)
    sizes = _sizes(session)
    with contextlib.closing(context):
        page.goto(address, wait_until="commit")
        began = clicks(page) if clicks is not None else 0.0
        seconds = _seconds(page, began)
        page.wait_for_timeout(SETTLE_SECONDS * 1000)
        session.send("HeapProfiler.collectGarbage")
        session.send("Performance.enable")
        found = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
        return Cost(seconds, sum(sizes.values()), found["JSHeapUsedSize"], found["Nodes"])


def _seconds(page: Page, began: float) -> float | None:
    deadline = time.monotonic() + BOUND_SECONDS
    while time.monotonic() < deadline:
        drawn = page.evaluate(
            "window.drawnAt"
        )  # Playwright's own way to wait needs `eval`, which our page allows nobody
        if drawn is not None:
            seconds = float(drawn - began) / 1000
            return seconds if seconds <= BOUND_SECONDS else None  # a busy page answers late
        page.wait_for_timeout(200)
    return None


def _sizes(session: CDPSession) -> dict[str, float]:
    """How much came for each request: it grows from now on."""
    sizes: dict[str, float] = {}

    def came(event: dict[str, Any]) -> None:
        sizes[event["requestId"]] = sizes.get(event["requestId"], 0) + event["encodedDataLength"]

    def ended(event: dict[str, Any]) -> None:
        sizes[event["requestId"]] = event["encodedDataLength"]  # with its head

    session.on("Network.dataReceived", came)
    session.on("Network.loadingFinished", ended)
    session.send("Network.enable")
    return sizes
