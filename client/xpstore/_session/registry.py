"""Who makes the handle of what the server tells of: the one place where handles that name each other are bound late.

A project gives out experiments, these models, these artifacts; and an artifact names its model and project. So that
no file imports another in a circle, what stands above says here how it is made, and what stands below asks.
"""

from collections.abc import Callable
from typing import Any

from xpstore._session.client import ClientBase

_makers: dict[str, Callable[[Any, ClientBase], Any]] = {}


def shows(message: str, make: Callable[[Any, ClientBase], Any]) -> None:
    """Says what makes the handle of a message of this name, such as "Model", on a client."""
    _makers[message] = make


def handle(wire: Any, client: ClientBase) -> Any:
    """The handle of a message."""
    return _makers[wire.DESCRIPTOR.name](wire, client)
