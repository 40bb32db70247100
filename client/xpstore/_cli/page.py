"""`xpstore open`: where the page is, and what shows it."""

import re
import webbrowser
from urllib.parse import quote
from uuid import UUID

import xpstore
from xpstore._cli.service import ask, home, named_by
from xpstore._session.page import ticket_address
from xpstore.errors import InvalidArgument, NotFound, Unavailable
from xpstore.model import Model
from xpstore.project import Project

_ADDRESS = re.compile(r"https?://[^\s/?#\\@]+")


def address_of(what: str | None, page_url: str | None) -> str:
    """The address of the page.

    Args:
        what: the id of a project or model that it shows; None for its start.
        page_url: where it is; None for the embedded service, which is started if it does not run.

    Raises:
        InvalidArgument: another service is named, and not where its page is; or that is no address.
        NotFound: there is no such project or model.
    """
    if page_url is not None:
        found = page_url.rstrip("/")
        if not _ADDRESS.fullmatch(found):
            raise InvalidArgument(f"XPSTORE_PAGE_URL = {page_url!r}: must be like https://host:8443, without a path")
        if what is None:
            return f"{found}/"
        ask()
        return found + _view(what)
    if home() is None:
        raise InvalidArgument(
            f"the service is named by {named_by()}, and nothing says where its page is: set XPSTORE_PAGE_URL, or "
            "--page-url, to where it listens for HTTP, as https://host:8443."
        )
    client = xpstore.init()
    view = "" if what is None else f"&next={quote(_view(what))}"
    return ticket_address(client) + view


def _view(what: str) -> str:
    """The path of what shows a project or a model."""
    try:
        return f"/m/{Model.get_by_id(UUID(what)).id}"
    except (ValueError, NotFound):  # it is no id of a model
        return f"/p/{quote(Project.get_by_id(what).id, safe='')}"


def show(address: str) -> None:
    """Opens a browser.

    Raises:
        Unavailable: there is none.
    """
    if not webbrowser.open(address):
        raise Unavailable("no browser was found on this machine: open the address that is printed.")
