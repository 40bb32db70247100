"""A visit of the page by somebody who has logged in, in which the browser may complain of nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Page


@contextmanager
def visit(
    browser: Browser, signed_in: BrowserContext, origin: str, scheme: str, width: int, height: int = 900
) -> Iterator[Page]:
    """Asserts in the end that nothing was wrong in the console, and no error was left alone."""
    context = browser.new_context(
        base_url=origin,
        storage_state=signed_in.storage_state(),
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": height},
    )
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    assert said == []
    context.close()
