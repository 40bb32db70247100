"""Lists that come in pages."""

from collections.abc import Callable, Iterator
from typing import Any

from xpstore._service.connection import Connection
from xpstore.errors import DataLoss

# Pages without anything on them, in a row, after which a server is taken to say nothing for ever.
EMPTY_PAGES = 1_000


def iterate(
    connection: Connection, method: Callable[..., Any], request: Any, field: str, *, page_size: int | None = None
) -> Iterator[Any]:
    """Yields what all pages of a list hold in `field`. `page_size` is by default the most the server gives.

    Raises:
        DataLoss: the server's pages lead back to each other, or are empty again and again.
    """
    request.page_size = page_size or connection.limits.max_page_size
    number, empty, mark, marked = 0, 0, 1, ""
    while True:
        response = connection.call(method, request)
        some = getattr(response, field)
        yield from some
        token = response.next_page_token
        if not token:
            return
        number, empty = number + 1, 0 if some else empty + 1
        if token == marked or empty > EMPTY_PAGES:
            raise DataLoss(f"The server's list of {field} does not end: its pages lead back or are empty.")
        if number == mark:  # of a circle, however long, a page is met again that was marked in it
            mark, marked = 2 * mark, token
        request.page_token = token
