"""Sending what waits in the spool: logged offline, or left by programs that are gone."""

from dataclasses import dataclass

from xpstore._service.retry import Patience
from xpstore._spool.backlog import Backlog, adopt
from xpstore._spool.segment import server_folder, spool_root
from xpstore._spool.sender import Sender
from xpstore.client import Client
from xpstore.errors import DeadlineExceeded, Unavailable


@dataclass(frozen=True, kw_only=True, slots=True)
class Synced:
    """What became of the spool.

    Attributes:
        sent: how many records are stored now.
        dropped: how many of them are not, and never will be: their model or project is deleted.
        busy: how many writers are still running, and send what they have themselves.
    """

    sent: int
    dropped: int
    busy: int


def sync(client: Client) -> Synced:
    """Sends everything that waits for a client's server, whoever logged it on this machine, each record once.

    Raises:
        Unavailable: the server went away. What is not sent stays.
    """
    folder = server_folder(spool_root(), client.recorder.server)
    sender = Sender(client, client.recorder.server, None)
    for backlog in adopt(folder, owner=None):
        try:
            _ship_all(client, sender, backlog)
            backlog.remove()
        finally:
            backlog.release()
    busy = sum(not entry.name.startswith(".") for entry in folder.iterdir()) if folder.exists() else 0
    return Synced(sent=sender.shipped_count - sender.dropped_count, dropped=sender.dropped_count, busy=busy)


def _ship_all(client: Client, sender: Sender, backlog: Backlog) -> None:
    patience = Patience(client)
    while True:
        try:
            if not sender.ship(backlog):
                return
            patience.renew()
        except (Unavailable, DeadlineExceeded):
            if not patience.wait():
                raise
