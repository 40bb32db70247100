"""What a notebook asks the server when it shows an object: few calls, each once, in a short time together."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from xpstore._service.retry import LAST_ATTEMPT_SECONDS
from xpstore._session.client import ClientBase

Response = TypeVar("Response")

# A cell that takes longer seems to hang.
GLANCE_SECONDS = 4.0


class Glance:
    """Calls whose answers may be missing: all of them together end in `GLANCE_SECONDS`.

    Args:
        client: who asks.
    """

    def __init__(self, client: ClientBase) -> None:
        self._client = client
        self._end = time.monotonic() + GLANCE_SECONDS

    @property
    def _left_seconds(self) -> float:
        return max(self._end - time.monotonic(), LAST_ATTEMPT_SECONDS)

    def call(self, method: Callable[..., Response], request: Any) -> Response:
        """Makes a unary call; raises as `ClientBase.call` does."""
        return self._client.call(method, request, timeout_seconds=self._left_seconds)

    def stream(self, method: Callable[..., Any], request: Any) -> list[Any]:
        """Returns the messages of a streaming answer; raises as `ClientBase.stream` does."""
        return list(self._client.stream(method, request, timeout_seconds=self._left_seconds))
