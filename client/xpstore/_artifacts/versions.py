"""Versions as the server has them: listed, and fetched by id, with what hangs on them."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._session.registry import handle
from xpstore.errors import NotFound
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import model_pb2

T = TypeVar("T")


def list_versions(
    client: ClientBase, request: pb.ListArtifactVersionsRequest, page_size: int | None = None
) -> Iterator[pb.ArtifactVersion]:
    """Yields versions of all pages of a list."""
    return iterate(client, client.stubs.artifacts.ListArtifactVersions, request, "versions", page_size=page_size)


def get_version(client: ClientBase, version_id: str) -> pb.ArtifactVersion:
    """Fetches a version.

    Raises:
        NotFound: there is none.
    """
    request = pb.GetArtifactVersionRequest(version_id=version_id)
    return client.call(client.stubs.artifacts.GetArtifactVersion, request).version


def get_model(client: ClientBase, model_id: str) -> Any:
    """Fetches a model that a version is linked to, as a `Model`.

    Raises:
        NotFound: it was deleted.
    """
    request = model_pb2.GetModelRequest(model_id=model_id)
    return handle(client.call(client.stubs.models.GetModel, request).model, client)


def found(get: Callable[[str], T], ids: Iterable[str]) -> Iterator[T]:
    """Yields what there still is of some ids."""
    for id_ in ids:
        with contextlib.suppress(NotFound):
            yield get(id_)
