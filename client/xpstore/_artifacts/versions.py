"""Versions as the server has them: listed, and fetched by id, with what hangs on them."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._session.registry import handle
from xpstore._values.ids import sent_id
from xpstore.errors import DataLoss, NotFound
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
        DataLoss: the server answers with another one.
    """
    request = pb.GetArtifactVersionRequest(version_id=version_id)
    version = client.call(client.stubs.artifacts.GetArtifactVersion, request).version
    if sent_id(version.id) != sent_id(request.version_id):  # one that waited may have become another on the way
        raise DataLoss(f"The server was asked for the version {version_id}, and answered with {version.id}.")
    return version


def get_named_version(client: ClientBase, name: pb.ArtifactName) -> pb.ArtifactVersion:
    """Fetches the version that a name stands for now; raises as `get_version` does."""
    request = pb.GetArtifactVersionRequest(artifact_name=name)
    version = client.call(client.stubs.artifacts.GetArtifactVersion, request).version
    number = name.version if name.HasField("version") else version.version
    if (version.name, version.version) != (name.name, number):
        told = f"{version.name!r}, version {version.version}"
        raise DataLoss(f"The server was asked for {name.name!r}, version {number}, and answered with {told}.")
    return version


def list_files(
    client: ClientBase, version: pb.ArtifactVersion, path: str = "", page_size: int | None = None
) -> Iterator[pb.ArtifactFile]:
    """Yields the files of a version that are at or below a path.

    Raises:
        DataLoss: the server lists others, more than there are, or not in the order of their paths.
    """
    request = pb.ListArtifactFilesRequest(version_id=version.id, path_prefix=path)
    method, last = client.stubs.artifacts.ListArtifactFiles, b""
    for number, file in enumerate(iterate(client, method, request, "files", page_size=page_size)):
        if number >= version.file_count:
            raise DataLoss(f"The server lists more files than {version.name!r} has: {version.file_count}.")
        if not last < file.path.encode() or (path and not f"{file.path}/".startswith(f"{path.rstrip('/')}/")):
            raise DataLoss(f"The server lists {file.path!r} where what is at or below {path!r} should be, in order.")
        last = file.path.encode()
        yield file


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
