"""Media that wait for a server, in a file of their own beside the artifacts that do (`store.py`).

A training loop logs many, and must not wait for the disk: in SQLite's write-ahead mode what is stored is in the page
cache when a call returns. It stays when the program is killed; when the power fails the last may be lost, and nothing
that was stored before.
"""

from collections.abc import Iterable, Sequence

from xpstore._offline.store import COLUMNS, MEDIA_FILE_NAME, ArtifactStore, Waiting, add_version, remove_versions
from xpstore.format.messages import WireChunk


class MediaStore(ArtifactStore):
    """What waits for one server."""

    file_name = MEDIA_FILE_NAME
    file_pragma, pragma = "journal_mode = WAL", "synchronous = NORMAL"

    def keep(self, version: Waiting, chunks: Sequence[WireChunk]) -> None:
        """Stores a version with all that it needs, in one transaction.

        Raises:
            ResourceExhausted: the bound or the disk is met; nothing is stored.
        """
        with self._write() as database:
            self._put(database, chunks)
            add_version(database, version, [chunk.digest for chunk in chunks])

    def some(self, number: int, most: int) -> list[Waiting]:
        """The first versions behind a number, in their order."""
        with self._open() as database:
            query = f"SELECT {COLUMNS} FROM version WHERE number > ? ORDER BY number LIMIT ?"
            return [Waiting(*row) for row in database.execute(query, (number, most))]

    def remove_all(self, versions: Iterable[Waiting]) -> None:
        """Lets go of versions, and of the chunks that no other needs."""
        with self._write() as database:
            remove_versions(database, [version.number for version in versions])
