"""Lists that come in pages."""

from collections.abc import Callable, Iterator
from typing import Any

from xpstore._service.connection import Connection


def iterate(
    connection: Connection, method: Callable[..., Any], request: Any, field: str, *, page_size: int | None = None
) -> Iterator[Any]:
    """Yields what all pages of a list hold in `field`. `page_size` is by default the most the server gives."""
    request.page_size = page_size or connection.limits.max_page_size
    while True:
        response = connection.call(method, request)
        yield from getattr(response, field)
        if not response.next_page_token:
            return
        request.page_token = response.next_page_token
