"""Sending what waits in the spool: logged offline, or left by programs that are gone."""

from dataclasses import dataclass

from xpstore._machine.settings import spool_folder
from xpstore._service.connection import Connection
from xpstore._spool.backlog import Backlog, adopt
from xpstore._spool.segment import server_folder
from xpstore._spool.shipper import Shipper


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


def sync(connection: Connection) -> Synced:
    """Sends everything that waits for a server, whoever logged it on this machine, each record once.

    Raises:
        Unavailable: the server went away. What is not sent stays.
    """
    folder = server_folder(spool_folder(), connection.server)
    shipper = Shipper(connection)
    for backlog in adopt(folder, owner=None):
        try:
            _ship_all(connection, shipper, backlog)
            backlog.remove()
        finally:
            backlog.release()
    busy = sum(not entry.name.startswith(".") for entry in folder.iterdir()) if folder.exists() else 0
    dropped = shipper.dropped_count
    return Synced(sent=shipper.shipped_count - dropped, dropped=dropped, busy=busy)


def _ship_all(connection: Connection, shipper: Shipper, backlog: Backlog) -> None:
    for attempt in connection.attempts():
        with attempt:
            while shipper.ship(backlog):
                attempt.renew()
