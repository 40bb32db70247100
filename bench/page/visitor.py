"""What somebody sees of the page in Chromium, measured by Chromium's own clock. It draws by software."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Browser, BrowserContext, Page

WIDE = {"width": 1440, "height": 900}
ROW = "[role=row][aria-selected]"
# Notes when things are first there, from the very start of a page. A chart is drawn when its canvas was painted with as
# many lines as it says it has, in the frame after.
WATCH = """
  const seen = (globalThis.seen = {});
  const paint = (one) => one.name === "first-contentful-paint" && (seen.paint = one.startTime);
  new PerformanceObserver((list) => list.getEntries().forEach(paint)).observe({ type: "paint", buffered: true });
  const rows = () => document.querySelector("[role=row][aria-selected]");
  const look = (at) => {
    if (seen.rows === undefined && rows()) seen.rows = at;
    if (seen.rows === undefined) requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
"""
# The policy of the page allows no text to be made a condition of Playwright's.
SEEN = """async () => {
  while (seen.rows === undefined || seen.paint === undefined) await new Promise(requestAnimationFrame);
  return seen;
}"""
# Frames for so long, and what happens meanwhile: a step is called in each.
FRAMES = """async ([what, milliseconds]) => {
  const list = document.querySelector("[role=grid]");
  const heads = [...document.querySelectorAll("[role=columnheader] button")].slice(0, 5);
  const steps = {
    scroll: (at) => { list.scrollTop = ((at / milliseconds) * 0.9 * (list.scrollHeight - list.clientHeight)); },
    wheel: () => { list.scrollTop += 120; },
    sort: (at, state) => { if (at >= state.next) { heads[state.count++ % heads.length].click(); state.next += 1000; } },
    rest: () => undefined,
  };
  const longTasks = [];
  const keep = (one) => longTasks.push(one.duration);
  const observer = new PerformanceObserver((found) => found.getEntries().forEach(keep));
  observer.observe({ type: "longtask" });
  const frames = [];
  const state = { next: 0, count: 0 };
  const began = performance.now();
  let before;
  await new Promise((resolve) => {
    const frame = (now) => {
      if (before !== undefined) frames.push(now - before);
      before = now;
      const at = performance.now() - began;
      if (at > milliseconds) return resolve();
      steps[what](at, state);
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  observer.disconnect();
  return { frames, longTasks };
}"""
# From now until every chart has its lines and one frame more was drawn.
DRAWN = """async ([charts, lines]) => {
  const all = () => [...document.querySelectorAll("section.chart")];
  const isDrawn = (one) => Number(one.dataset.lines) === lines && one.querySelector("canvas");
  const done = () => all().length === charts && all().every(isDrawn);
  while (!done()) await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now();
}"""


@dataclass(slots=True)
class Frames:
    """Times between frames and tasks of more than 50 ms, in milliseconds."""

    frames: list[float] = field(default_factory=list)
    long_tasks: list[float] = field(default_factory=list)

    def at(self, share: float) -> float:
        return sorted(self.frames)[int(len(self.frames) * share)]


class Visitor:
    """Somebody in Chromium who has logged in."""

    def __init__(self, browser: Browser, origin: str, api_key: str) -> None:
        self._browser = browser
        self._origin = origin
        context = browser.new_context(base_url=origin, viewport=WIDE)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto("/")
        page.get_by_label("API key").fill(api_key)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Projects").wait_for()
        self._state: Any = context.storage_state()
        context.close()

    @contextmanager
    def page(self, height: int = 900) -> Iterator[Page]:
        """A new page with nothing in its cache."""
        viewport = {**WIDE, "height": height}
        context: BrowserContext = self._browser.new_context(
            base_url=self._origin,
            viewport=viewport,  # type: ignore[arg-type]
            storage_state=self._state,
        )
        context.set_default_timeout(120_000)
        context.add_init_script(WATCH)
        try:
            yield context.new_page()
        finally:
            context.close()

    def first_view(self, project: str) -> tuple[float, float]:
        """Seconds from the navigation to the first contentful paint and to the first rows."""
        with self.page() as page:
            page.goto(f"/p/{quote(project)}")
            seen = page.evaluate(SEEN)
            return seen["paint"] / 1000, seen["rows"] / 1000

    def frames(self, project: str, what: str, seconds: float) -> Frames:
        """Frames while the list is scrolled or sorted."""
        with self.page() as page:
            page.goto(f"/p/{quote(project)}")
            page.locator(ROW).first.wait_for()
            quiet(page)
            found = page.evaluate(FRAMES, [what, seconds * 1000])
        return Frames(found["frames"], found["longTasks"])

    def lines(self, project: str, models: list[str], metrics: list[str], height: int) -> tuple[float, float]:
        """Seconds until the charts of some metrics have a line of each model: from a click in a page that is there, and
        from the navigation to it."""
        path, shown = f"/p/{quote(project)}", f"m={quote(','.join(metrics))}"
        with self.page(height) as page:
            page.goto(f"{path}?{shown}&s=-")
            page.locator(ROW).first.wait_for()
            quiet(page)
            began = page.evaluate(
                """(to) => {
                    const now = performance.now();
                    history.replaceState(history.state, "", to);
                    dispatchEvent(new PopStateEvent("popstate"));
                    return now;
                }""",
                f"{path}?{shown}&s={','.join(models)}",
            )
            chosen = page.evaluate(DRAWN, [len(metrics), len(models)]) - began
            page.goto("about:blank")
            page.goto(f"{path}?{shown}&s={','.join(models)}")
            return chosen / 1000, page.evaluate(DRAWN, [len(metrics), len(models)]) / 1000


def quiet(page: Page) -> None:
    """Returns when the page has asked for nothing for a second: all fields are known and charts are drawn."""
    page.wait_for_load_state("networkidle")
    time.sleep(1)
    page.wait_for_load_state("networkidle")
