"""The page in a notebook: a frame below the cell, for as long as the kernel's machine serves it."""

import os
from html import escape
from urllib.parse import quote

from xpstore._notebook.html import shown
from xpstore._session.client import ClientBase
from xpstore._session.page import ticket_address
from xpstore.errors import InvalidArgument, Unimplemented


class Frame:
    """The page of a project or a model, shown where it is displayed.

    Args:
        client: of the service that has it.
        kind: "p" for a project, "m" for a model.
        id_: of it.
        height: of the frame, in pixels.
    """

    def __init__(self, client: ClientBase, kind: str, id_: str, height: int) -> None:
        if not 100 <= height <= 10_000:
            raise InvalidArgument(f"height = {height!r}: must be 100 to 10,000 pixels")
        self._client = client
        self._path = f"/{kind}/{quote(id_, safe='')}"
        self._height = height

    def __repr__(self) -> str:
        return f"Frame(path={self._path!r}, height={self._height})"

    def _repr_html_(self) -> str:
        """A frame of the embedded service's page; of another service, whose page no other may frame, a link."""
        return shown(lambda: f"Page {self._path}", self._parts())

    def _parts(self) -> "list[str]":
        try:
            address = f"{ticket_address(self._client)}&frame=1&next={quote(self._path)}"
        except Unimplemented:  # it is no embedded service
            address = os.environ.get("XPSTORE_PAGE_URL", "").rstrip("/")
            if not address:
                return ["<div>Set XPSTORE_PAGE_URL to where the service listens for HTTP.</div>\n"]
            link = escape(address + self._path)
            return [f'<div><a href="{link}" target="_blank">{link}</a></div>\n']
        size = f'width="100%" height="{self._height}"'
        # It has a place of its own in the page around it: nothing of that is in reach of either.
        return [f'<iframe src="{escape(address)}" {size} style="border: 1px solid #8888" title="xpstore"></iframe>\n']
