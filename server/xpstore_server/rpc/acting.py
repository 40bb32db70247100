"""Finds the project that a call acts in, by what its request names (`core/roles/acting.py`)."""

import uuid
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, Protocol

from google.protobuf.message import Message

from xpstore.format.messages import Malformed, fields
from xpstore.v1 import artifact_pb2
from xpstore_server.auth import principal
from xpstore_server.core import limits
from xpstore_server.core.roles.acting import KINDS, Owners, Role, denied, nowhere
from xpstore_server.store.transaction import Fence, fence

# Of a message that are looked at for its project: more than it may have.
FIELDS = 2 * limits.CHUNKS


class Rule(Protocol):
    """What a method needs of its caller, by its option in the contract."""

    @property
    def role(self) -> int:
        """The least role in the project that the call acts in."""

    @property
    def project(self) -> Sequence[str]:
        """Paths of the fields of a request that say which project that is."""


class Resolver:
    """Gives each call its fence, before anything is answered."""

    def __init__(self, owners: Owners) -> None:
        self._owners = owners

    async def __call__(self, request: Any, rule: Rule) -> None:
        """Says for the rest of the call which projects it sees.

        Args:
            request: of a stream each, of one of serialized messages the first.
            rule: of its method.

        Raises:
            PermissionDenied: the caller may see the project, and not do this in it.
        """
        who, needed = principal(), Role(rule.role)
        if not rule.project:
            if self._owners.role(who, None) < needed:
                raise denied(needed)
            fence.set(self._owners.anywhere(who, needed))
            return
        for path in rule.project:
            if named := ids_in(request, path):
                fence.set(await self._fence(who, needed, path.rpartition(".")[2], named))
                return
        if fence.get() is None:  # of a stream it may have been said before
            fence.set(nowhere)

    async def _fence(self, who: str, needed: Role, field: str, named: list[str]) -> Fence:
        # Many ids may be of many projects: those of others are left out. The text id of a project is looked up anyway.
        if len(named) > 1 or (field != "project_uid" and field not in KINDS):
            return self._owners.anywhere(who, needed)
        try:
            id_ = str(uuid.UUID(named[0]))
        except ValueError:
            return nowhere  # the method says so
        return await self._owners.fence(who, needed, field, id_)


def ids_in(request: Any, path: str) -> list[str]:
    """What a request has in the field of a path."""
    return list(filter(None, _named(request, _split(path))))


@cache
def _split(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))


def _named(request: Any, names: tuple[str, ...]) -> Iterator[str]:
    """What a request has there: nothing where it is not set."""
    if isinstance(request, bytes):
        yield from _project_uid(request)
        return
    name, rest = names[0], names[1:]
    value = getattr(request, name)
    is_one = isinstance(value, str | Message)
    if is_one and request.DESCRIPTOR.fields_by_name[name].has_presence and not request.HasField(name):
        return
    for one in [value] if is_one else value:
        if rest:
            yield from _named(one, rest)
        else:
            yield one


def _project_uid(message: bytes) -> Iterator[str]:
    """Of a serialized request of UploadChunks, the one method that takes such."""
    number, uid = artifact_pb2.UploadChunksRequest.PROJECT_UID_FIELD_NUMBER, b""
    try:
        for found, value in islice(fields(message), FIELDS):
            if found == number and not isinstance(value, int):
                uid = bytes(value)
    except Malformed:
        return  # the method says so
    if uid:
        yield str(uid, "utf-8", "replace")
