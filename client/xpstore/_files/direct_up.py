"""Packs that a client writes into the folder of its embedded server, which takes them as they are."""

from collections.abc import Sequence
from pathlib import Path

from xpstore._files.direct import Broken, Way
from xpstore._service.connection import Connection
from xpstore._values.ids import new_id
from xpstore.errors import Error
from xpstore.format.messages import decode_chunks
from xpstore.format.pack_files import PackWriter
from xpstore.format.packs import encode_footer, packed
from xpstore.v1 import artifact_pb2, transfer_pb2

# Less is sent as fast.
FROM_BYTES = 1 << 20
CHUNKS_FIELD = artifact_pb2.UploadChunksRequest.CHUNKS_FIELD_NUMBER


class DirectWrites:
    """Writes of one project past its server.

    Args:
        connection: to the server.
        project_uid: whose chunks they are.
        way: that is taken.
    """

    def __init__(self, connection: Connection, project_uid: str, way: Way) -> None:
        self._connection = connection
        self._project_uid = project_uid
        self._way = way
        self._writer = PackWriter()

    def store(self, messages: Sequence[bytes]) -> bool:
        """Stores the chunks of messages of UploadChunks as one pack; False if they must be sent."""
        if not self._way.is_open or sum(map(len, messages)) < FROM_BYTES:
            return False
        try:
            self._store(messages)
        except (Broken, OSError, ValueError) as error:
            self._way.failed(error)
        except Error as error:  # whatever it is, UploadChunks meets it too and says it better
            self._way.failed(Broken(f"the server does not take packs ({type(error).__name__})"))
        else:
            self._way.worked()
            return True
        return False

    def _store(self, messages: Sequence[bytes]) -> None:
        chunks = [chunk for message in messages for chunk in decode_chunks(CHUNKS_FIELD, message)]
        parts = [*(chunk.data for chunk in chunks), encode_footer(self._project_uid, list(packed(chunks)))]
        pack_id, stubs = new_id(), self._connection.stubs.transfers
        opening = transfer_pb2.OpenPacksRequest(project_uid=self._project_uid, way=transfer_pb2.TRANSFER_WAY_PATH)
        opening.packs.add(pack_id=pack_id, size_bytes=sum(map(len, parts)))
        (place,) = self._connection.call(stubs.OpenPacks, opening).places
        self._writer.write(Path(place.path), parts)
        closing = transfer_pb2.ClosePacksRequest(project_uid=self._project_uid, pack_ids=[pack_id])
        if not all(self._connection.call(stubs.ClosePacks, closing).stored):
            raise Broken("the server does not take what was written into its folder")
