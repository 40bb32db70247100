"""What somebody sees of models in training: media by step, what a run prints, and alerts."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlparse

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from support.web.http import Http
from support.web.page_data import make_experiment
from support.web.page_media import CAPTION, Training
from support.web.server import WebServer
from support.web.visits import visit
from xpstore import Client

PROJECT = "watched"
EVERY_MS = 6_000  # longer than all that is followed is left alone
GAP = 123_456
KIB = 1 << 10


class Watched:
    """Two models: the first runs, the second failed after its first step."""

    def __init__(self, client: Client, http: Http) -> None:
        experiment = make_experiment(http, PROJECT)
        self.first, self.second = (Training(client, http, experiment, name) for name in ("first", "second"))
        self.first.show_all(0)
        self.first.show_all(10)
        self.second.show("samples/first", "text", 4, "text.txt", b"of the second")
        self.first.print("\x1b[1mthe start\x1b[0m\nLine 7\n")
        for number in range(6):  # more than is loaded at once
            self.first.print("".join(f"part {number} {place:02} ".ljust(KIB - 1) + "\n" for place in range(60)))
        self.first.print("10%\r50%\r\x1b[32mgreen\x1b[0m <b>bold</b>\x1b]0;title\x07\n", gap=GAP)
        self.second.print("of the second\n")
        self.second.end("FAILED", "Traceback\nMemoryError: out of memory")


@pytest.fixture(scope="module")
def watched(server: WebServer) -> Iterator[Watched]:
    client = Client(server.api_key, server.address)
    yield Watched(client, Http(server.http_port, server.api_key))
    client.close()


def query(page: Page, name: str) -> str:
    return parse_qs(urlparse(page.url).query).get(name, [""])[0]


def card(page: Page, name: str) -> Locator:
    return page.locator(".media").get_by_role("region", name=name, exact=True)


def test_media_are_those_of_a_step_and_side_by_side(page: Page, watched: Watched) -> None:
    """Of each name the newest at or before it; what lies further down is not loaded; what is logged comes by itself."""
    read: list[str] = []
    page.on("request", lambda one: read.append(one.url) if "/files/" in one.url else None)
    page.clock.install()
    page.set_viewport_size({"width": 400, "height": 700})
    page.goto(f"/m/{watched.first.id}?v=media")
    expect(card(page, "curve").get_by_role("img", name="Precision by recall, precision, chance")).to_be_visible()
    expect(card(page, "curve")).to_contain_text("Not drawn here: heatmap.")
    assert not [url for url in read if url.endswith((".wav", "table.json"))]
    page.set_viewport_size({"width": 1440, "height": 1200})
    expect(card(page, "found").get_by_role("img", name="seen, found")).to_be_visible()
    expect(card(page, "weights").get_by_role("img", name="histogram of 13 values from 0 to 4")).to_be_visible()
    expect(card(page, "weights")).to_contain_text("2 more are NaN or infinite.")
    expect(card(page, "words").get_by_role("cell")).to_have_text(["<b>bold</b>", "12345678901234567890", "two", ""])
    expect(card(page, "said").locator("pre")).to_have_text("<b>step</b> 10\nsecond line")
    expect(card(page, "voice").locator("audio")).to_have_js_property("duration", 0.1)
    picture = card(page, "samples/first").get_by_role("img")
    expect(picture).to_have_accessible_name(f"samples/first, step 10: {CAPTION}")
    expect(card(page, "samples/first").locator("figcaption")).to_have_text(CAPTION)
    expect(picture).to_have_js_property("naturalWidth", 30)
    page.keyboard.press("ArrowLeft")
    expect(picture).to_have_js_property("naturalWidth", 20)
    expect(card(page, "said").locator("pre")).to_contain_text("step</b> 0")
    assert query(page, "step") == "0"
    page.get_by_role("slider", name="Step").press("ArrowRight")
    expect(picture).to_have_js_property("naturalWidth", 30)
    assert query(page, "step") == ""  # the newest, also of what comes
    watched.first.show("samples/first", "text", 12, "text.txt", b"<i>a new one</i>")
    page.clock.fast_forward(EVERY_MS)
    expect(card(page, "samples/first").locator("pre")).to_have_text("<i>a new one</i>")
    page.goto(f"/p/{PROJECT}?v=media&step=3&mn=samples")
    both = card(page, "samples/first").get_by_role("figure")
    expect(both).to_have_count(2)
    expect(both.filter(has_text="second")).to_contain_text("Nothing yet: the first is of step 4.")
    expect(both.filter(has=page.get_by_role("link", name="first", exact=True))).to_contain_text("step 0")
    page.get_by_role("slider", name="Step").press("ArrowRight")
    expect(both.filter(has_text="second").locator("pre")).to_have_text("of the second")


def test_log_is_followed_and_older_lines_come_when_one_scrolls_up(page: Page, watched: Watched) -> None:
    page.clock.install()
    page.goto(f"/m/{watched.first.id}?v=log")
    console = page.get_by_role("region", name="What the run printed")
    expect(console.get_by_text("green", exact=True)).to_have_class("c2")
    green = console.locator(".printed > div").last
    expect(green).to_have_text("green <b>bold</b>")  # the line as it was written last
    expect(console).to_contain_text("... 123,456 bytes were left out ...")
    expect(console).not_to_contain_text("the start")
    watched.first.print("more\n")
    page.clock.fast_forward(EVERY_MS)
    expect(console.get_by_text("more", exact=True)).to_be_in_viewport()
    console.evaluate("box => { box.scrollTop = 0 }")
    expect(console).to_contain_text("the start")
    watched.first.print("not seen by who looks at the start\n")
    page.clock.fast_forward(EVERY_MS)
    page.get_by_label("Search").fill("LINE 7")
    expect(page.get_by_role("status")).to_have_text("1 of 1 line")
    expect(console.locator(".current")).to_be_in_viewport()
    page.get_by_role("button", name="Newest").click()
    expect(console.get_by_text("not seen by who")).to_be_in_viewport()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    text = download.value.path().read_text()
    assert text.startswith("the start\nLine 7\npart 0 00")
    end = "... 123,456 bytes were left out ...\ngreen <b>bold</b>\nmore\nnot seen by who looks at the start\n"
    assert text.endswith(f"\n{end}")
    page.goto(f"/m/{watched.second.id}?v=log")
    expect(console).to_have_text("of the second")


def test_alerts_are_counted_and_lead_to_their_models(page: Page, watched: Watched) -> None:
    page.clock.install()
    page.goto(f"/p/{PROJECT}")
    bell = page.get_by_role("button", name="Alerts")
    expect(bell).to_have_text("Alerts 1 1 new")
    watched.first.alert("Loss <b>spikes</b>", text="From 0.1 to 33.", step=120)
    page.clock.fast_forward(EVERY_MS)
    expect(bell).to_have_text("Alerts 2 2 new")
    bell.click()
    alerts = page.get_by_role("dialog", name=f"Alerts of {PROJECT}").get_by_role("listitem")
    expect(alerts).to_have_count(2)
    expect(alerts.nth(0)).to_contain_text("warning Loss <b>spikes</b>")
    expect(alerts.nth(0)).to_contain_text("From 0.1 to 33.")
    expect(alerts.nth(1)).to_contain_text("error MemoryError: out of memory")
    alerts.nth(0).get_by_role("link", name="first").click()
    strip = page.get_by_role("region", name="Alerts")
    expect(strip.get_by_role("listitem")).to_have_count(1)
    for number in range(4):
        watched.first.alert(f"alert {number}", "INFO")
    page.clock.fast_forward(EVERY_MS)
    expect(strip.get_by_role("listitem").first).to_contain_text("info alert 3")
    strip.get_by_role("button", name="2 more alerts").click()
    expect(strip.get_by_role("listitem")).to_have_count(5)
    page.goto(f"/p/{PROJECT}")
    expect(bell).to_have_text("Alerts 6 4 new")


def test_what_is_watched_is_for_everybody(
    chromium: Browser, signed_in: BrowserContext, origin: str, watched: Watched
) -> None:
    """Nothing that axe finds in either theme, and nothing wider than a telephone."""
    media, log = (f"/m/{watched.first.id}?v={pane}" for pane in ("media", "log"))
    for scheme, width, views in (("light", 1440, [log, f"/p/{PROJECT}?v=media"]), ("dark", 400, [media, log])):
        with visit(chromium, signed_in, origin, scheme, width) as page:
            for view in views:
                page.goto(view)
                expect(page.locator(".media figure, .console .printed").first).to_be_visible()
                expect(page.locator("#page")).not_to_contain_text("Loading…")
                assert page.evaluate("document.documentElement.scrollWidth") == width
                if view == log:
                    page.get_by_label("Search").fill("green")
                if view.startswith("/p/"):
                    page.get_by_role("button", name="Alerts").click()
                    expect(page.get_by_role("dialog").get_by_role("listitem").first).to_be_visible()
                found = Axe().run(page)
                assert found.violations_count == 0, f"{scheme} {view}: {found.generate_report()}"
