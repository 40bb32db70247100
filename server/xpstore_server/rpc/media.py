"""MediaService."""

from typing import Any

from xpstore.v1 import media_pb2 as pb
from xpstore.v1 import media_pb2_grpc
from xpstore_server.core.versions import media
from xpstore_server.core.versions.media import KINDS, Medium, MediumName, Steps
from xpstore_server.rpc.fields import a_name, a_step, a_uuid, if_set
from xpstore_server.rpc.paging import Pager
from xpstore_server.store.database import Database

# As messages take them: by their names.
_KINDS = {kind: f"MEDIA_KIND_{kind.upper()}" for kind in KINDS}


class MediaService(media_pb2_grpc.MediaServiceServicer):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def ListMediaNames(self, request: pb.ListMediaNamesRequest, context: Any) -> pb.ListMediaNamesResponse:
        model_id = a_uuid("model_id", request.model_id)
        pager = Pager("media names", model_id)
        page = pager.page(request.page_size, request.page_token)
        names, key = await self._database.read_async(lambda tx: media.list_names(tx, model_id, page))
        return pb.ListMediaNamesResponse(names=map(_name_to_wire, names), next_page_token=pager.token(key))

    async def ListMedia(self, request: pb.ListMediaRequest, context: Any) -> pb.ListMediaResponse:
        model_id = a_uuid("model_id", request.model_id)
        names = [a_name(f"names[{n}]", name, media.NAME_LENGTH) for n, name in enumerate(request.names)]
        steps = Steps(if_set(request, "from_step", a_step), if_set(request, "to_step", a_step))
        pager = Pager("media", model_id, names, steps.start, steps.stop, descending=request.descending)
        page = pager.page(request.page_size, request.page_token)
        some, key = await self._database.read_async(lambda tx: media.list_media(tx, model_id, names, steps, page))
        return pb.ListMediaResponse(media=map(_to_wire, some), next_page_token=pager.token(key))


def _to_wire(medium: Medium) -> pb.Media:
    row, shown = medium.row, medium.shown
    return pb.Media(
        version_id=row.version_id,
        name=medium.name,
        kind=_KINDS.get(shown.kind),
        step=row.step,
        caption=shown.caption,
        path=shown.path,
        size_bytes=row.size_bytes,
        created_at_us=row.created_at_us,
    )


def _name_to_wire(name: MediumName) -> pb.MediaName:
    return pb.MediaName(
        name=name.name,
        kind=_KINDS.get(name.kind),
        count=name.count,
        first_step=name.first_step,
        last_step=name.last_step,
    )
