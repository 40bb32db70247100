"""Sending what waits in the spool: logged and saved offline, or left by programs that are gone."""

from dataclasses import dataclass, field

from xpstore._machine.settings import spool_folder
from xpstore._offline.media_shipper import MediaShipper, ShippedMedia
from xpstore._offline.media_store import MediaStore
from xpstore._offline.shipper import ArtifactShipper, Shipped
from xpstore._offline.store import ArtifactStore
from xpstore._service.connection import Connection
from xpstore._spool.backlog import Backlog, adopt
from xpstore._spool.segment import server_folder
from xpstore._spool.shipper import Shipper


@dataclass(frozen=True, kw_only=True, slots=True)
class Synced:
    """What became of the spool.

    Attributes:
        sent: how many records are stored now.
        dropped: how much is not stored, and never will be: its model or project is deleted.
        busy: how many writers are still running, and send what they have themselves.
        artifacts: how many versions of artifacts the server has now.
        media: how many media of models the server has now. Those that it does not take count as dropped.
        waiting: how many others wait for a program that is running, or for a computation that is.
        refused: why the server does not take others, by their names. They stay in the spool.
    """

    sent: int
    dropped: int
    busy: int
    artifacts: int = 0
    media: int = 0
    waiting: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def sync(connection: Connection, *, is_discarding: bool = False) -> Synced:
    """Sends everything that waits for a server, whoever logged or saved it on this machine, each of it once.

    Args:
        connection: to the server.
        is_discarding: whether to let go of artifacts that the server does not take.

    Raises:
        Unavailable: the server went away. What is not sent stays.
    """
    folder = server_folder(spool_folder(), connection.server)
    shipper, stores = Shipper(connection), (ArtifactStore(folder), MediaStore(folder))
    for backlog in adopt(folder, owner=None):
        try:
            _ship_all(connection, shipper, backlog)
            for store in stores:
                if store.count(backlog.writer_id):
                    store.note(backlog.state.became)  # the artifacts go to the same models, were this cut off now
            backlog.remove()
        finally:
            backlog.release()
    busy = sum(not entry.name.startswith(".") for entry in folder.iterdir()) if folder.exists() else 0
    artifacts = _ship_artifacts(connection, stores[0], is_discarding)
    media = _ship_media(connection, stores[1])
    return Synced(
        sent=shipper.shipped_count - shipper.dropped_count,
        dropped=shipper.dropped_count + media.dropped,
        busy=busy,
        artifacts=artifacts.sent,
        media=media.sent,
        waiting=artifacts.later + media.later,
        refused=artifacts.refused,
    )


def _ship_artifacts(connection: Connection, store: ArtifactStore, is_discarding: bool) -> Shipped:
    """After the records: links name models and iterations that those make."""
    if not store.path.exists():
        return Shipped()
    return ArtifactShipper(connection, store).ship(is_discarding=is_discarding)


def _ship_media(connection: Connection, store: MediaStore) -> ShippedMedia:
    if not store.path.exists():
        return ShippedMedia()
    try:
        return MediaShipper(connection, store).ship()
    finally:
        store.close()


def _ship_all(connection: Connection, shipper: Shipper, backlog: Backlog) -> None:
    for attempt in connection.attempts():
        with attempt:
            while shipper.ship(backlog):
                attempt.renew()
