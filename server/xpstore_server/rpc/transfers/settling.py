"""Calls that may show versions wait until what others wrote past the service has been read back."""

from typing import Any, Protocol

from xpstore_server.auth import principal
from xpstore_server.core.roles.acting import KINDS, Within
from xpstore_server.rpc import acting
from xpstore_server.rpc.acting import ids_in
from xpstore_server.rpc.read import Outlet
from xpstore_server.store.transaction import fence

SERVICES = ("/xpstore.v1.ArtifactService/", "/xpstore.v1.MediaService/", "/xpstore.v1.CacheService/")
# They show no version, and what they say of chunks is right as it is.
OTHERS = ("/xpstore.v1.ArtifactService/UploadChunks", "/xpstore.v1.ArtifactService/FindMissingChunks")


class Rule(acting.Rule, Protocol):
    """What a method needs, and which it is."""

    @property
    def method(self) -> str:
        """Its path."""


class Settling:
    """Has the packs read back that versions of a call's project stand on, before the call sees any.

    It is for versions: bytes are nobody's before that, whatever asks for them (`store/chunks.py`).
    """

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet

    async def __call__(self, request: Any, rule: Rule) -> None:
        """Waits.

        Args:
            request: of a call whose fence is set.
            rule: of its method.
        """
        if not rule.method.startswith(SERVICES) or rule.method in OTHERS:
            return
        within, project_id = fence.get(), None
        uid = within.project_uid if isinstance(within, Within) else None
        for path in rule.project if uid is None else ():
            field, named = path.rpartition(".")[2], ids_in(request, path)
            if len(named) == 1 and field != "project_uid" and field not in KINDS:
                project_id = named[0]
        await self._outlet.run(self._outlet.chunks.vouched.settle_versions, principal(), uid, project_id)
