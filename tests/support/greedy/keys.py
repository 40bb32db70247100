"""Further callers of a server, each with a key of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import xpstore
from support.services import Server
from xpstore._values.ids import new_id
from xpstore.client import Client


def new_key(server: Server) -> str:
    """Makes a key by the command for it."""
    command = [sys.executable, "-m", "xpstore_server", "keys", "create", f"other {new_id()}"]
    return subprocess.run(command, env=server.environment, capture_output=True, text=True, check=True).stdout.strip()


@contextmanager
def another(server: Server) -> Iterator[Client]:
    """A client with a new key."""
    client = xpstore.Client(new_key(server), server.address)
    yield client
    client.close()
