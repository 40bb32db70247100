"""`xpstore://project/artifact@version/path`: files of artifacts for whatever reads through fsspec, such as pandas.

A slash or a percent sign in a name, and an @ in that of an artifact, are written percent-encoded: `xpstore://a%2Fb/...`.
`@3` and `@v3` are a version, `@name` is an alias; without one, or with `@latest`, it is the newest version at the
moment of each call: all that one call lists, gets and reads is of that version. Where several calls must see the same
files, name one: it never changes.
"""

import contextlib
import errno
import functools
import io
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from blake3 import blake3

from xpstore._artifacts.infos import (
    Info,
    file_info,
    inner_path,
    laid,
    local_path,
    missing,
    os_errors,
    project_info,
    version_info,
    walk,
)
from xpstore._artifacts.versions import get_named_version, list_files
from xpstore._files.leftovers import partial_path
from xpstore._files.ranges import read_range
from xpstore._files.remote import FsspecFile
from xpstore._machine import locks
from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._session.current import find_client
from xpstore._values.ids import new_id
from xpstore.errors import DataLoss, Error, Unauthenticated
from xpstore.format.url import ArtifactPath, canonical, quote_artifact
from xpstore.project import Project, get_all_projects
from xpstore.v1 import artifact_pb2 as pb

try:
    from fsspec import AbstractFileSystem
    from fsspec.callbacks import Callback, NoOpCallback
    from fsspec.utils import isfilelike
except ModuleNotFoundError:
    raise ModuleNotFoundError("xpstore: fsspec is not installed: pip install 'xpstore[fsspec]'") from None

__all__ = ["XpstoreFileSystem"]
BUFFER_BYTES = 1 << 20
# Listings that one file system remembers, and entries in all of them.
LISTINGS = 100
LISTED = 100_000

# One connection for all file systems of the same access: fsspec makes one of these for each thread.
_clients: "WeakValueDictionary[tuple[str | None, ...], ClientBase]" = WeakValueDictionary()
_living: "WeakValueDictionary[str, XpstoreFileSystem]" = WeakValueDictionary()

# What version names stand for, of each file system, for as long as one call lasts.
_resolved: "ContextVar[dict[tuple[str, str], pb.ArtifactVersion] | None]" = ContextVar("resolved", default=None)


def _at_one_moment(name: str) -> Callable[..., Any]:
    """An operation of fsspec that consists of others, all of which see the same versions."""
    operation = getattr(AbstractFileSystem, name)

    @functools.wraps(operation)
    def pinned(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = _resolved.set({} if (known := _resolved.get()) is None else known)
        try:
            return operation(self, *args, **kwargs)
        finally:
            _resolved.reset(before)

    return pinned


class XpstoreFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """Reads artifacts through fsspec: `fsspec.open("xpstore://...")`, `pandas.read_parquet("xpstore://...")`.

    Projects are directories of artifacts, and these are directories of files. Nothing can be written: versions are made
    by `save`. A file is opened as a seekable file that fetches what is read of it; `get` verifies what it downloads.

    The service is that of `api_key` and `api_url`, else of `xpstore.init()`, else of `XPSTORE_API_KEY` and
    `XPSTORE_API_URL`, else of `xpstore login`, else the embedded one. A pickled file system reads from the same
    service, and does not carry the key: where it is unpickled there is `xpstore.init()` or `XPSTORE_API_KEY`.

    Args:
        api_key: the API key.
        api_url: the server, as `xpstore.init` takes it.
        options: those of every fsspec file system.

    Raises:
        FileNotFoundError: there is nothing of that name.
        PermissionError: the key is not known, or may not do this.
        NotImplementedError: something is written.

    Example:
        ```python
        pandas.read_parquet("xpstore://campaign 7/table@latest-good/part-1.parquet", columns=["loss"])
        fsspec.filesystem("xpstore", api_key="xps_...", api_url="host:50051").glob("campaign 7/table@3/*.parquet")
        ```
    """

    protocol = "xpstore"

    def __init__(self, *, api_key: str | None = None, api_url: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._api_key = api_key
        self._api_url = api_url
        self._own_client: ClientBase | None = None
        self._is_sent = False
        self._token = new_id()
        _living[self._token] = self
        self._listings: dict[tuple[str, str], dict[str, Info]] = {}

    @property
    def _session_client(self) -> ClientBase | None:
        return find_client() if self._api_key is None and self._api_url is None and not self._is_sent else None

    @property
    def _client(self) -> ClientBase:
        if (client := self._session_client) is not None:
            return client
        if self._own_client is None:
            try:
                self._own_client = _connect(self._api_key, self._api_url)
            except Unauthenticated as error:
                raise PermissionError(errno.EACCES, str(error)) from error
        return self._own_client

    def __reduce__(self) -> tuple[Any, ...]:
        options = {name: value for name, value in self.storage_options.items() if name != "api_key"}
        client: ClientBase | None = None
        with contextlib.suppress(Error, OSError):  # who unpickles it finds out
            client = self._client
        if client is not None and client is self._session_client and not client.is_embedded:
            options["api_url"] = client.api_url
        return _restore, (type(self), options, client, self._token)

    def to_dict(self, **options: Any) -> dict[str, Any]:
        """What `to_json` writes: all but the key."""
        return {name: value for name, value in super().to_dict(**options).items() if name != "api_key"}

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        """The path in the one way to write it, so that paths given and paths listed can be compared."""
        if isinstance(path, list):
            return [cls._strip_protocol(one) for one in path]
        return canonical(super()._strip_protocol(path))

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """Lists projects, a project's artifacts, what is directly below a directory, or a file itself."""
        place = ArtifactPath.of(self._strip_protocol(path))
        if not place.project:
            infos = [project_info(project) for project in get_all_projects(client=self._client)]
        elif place.is_project:
            infos = self._artifacts(place)
        else:
            infos = self._children(place)
        return infos if detail else [info["name"] for info in infos]

    def info(self, path: str, **_: Any) -> Info:
        """Says what is at a path.

        Returns:
            `name`, `type` ("file" or "directory"), `size` in bytes, `created` and `mtime`; of what is in an artifact
            also `version`, `digest` (BLAKE3 in hexadecimal; of a whole version that of its tree) and `version_id`.
        """
        place = ArtifactPath.of(self._strip_protocol(path))
        if not place.project:
            return {"name": "", "type": "directory", "size": 0, "created": None, "mtime": None}
        if place.is_project:
            return project_info(self._project(place))
        return self._find(place, self._version(place))

    def _project(self, place: ArtifactPath) -> Project:
        client = self._client
        with os_errors(place):
            return Project.get_by_id(place.project, client=client)

    def _artifacts(self, place: ArtifactPath) -> list[Info]:
        client, project = self._client, self._project(place)
        request = pb.ListArtifactsRequest(project_uid=project.uid)
        with os_errors(place):
            artifacts = list(iterate(client, client.stubs.artifacts.ListArtifacts, request, "artifacts"))
        return [
            {**version_info(artifact.latest), "name": f"{place.head}/{quote_artifact(artifact.name)}"}
            for artifact in artifacts
        ]

    def _version(self, place: ArtifactPath) -> pb.ArtifactVersion:
        known = _resolved.get()
        if known is not None and (version := known.get((self._token, place.head))) is not None:
            return version
        client, name = self._client, place.artifact_name()
        with os_errors(place):
            version = get_named_version(client, name)
        if known is not None:
            known[self._token, place.head] = version
        return version

    def _find(self, place: ArtifactPath, version: pb.ArtifactVersion) -> Info:
        whole = version_info(version)
        if not place.path:
            return {**whole, "name": place.head}
        folder, _, name = place.path.rpartition("/")
        if (listing := self._listings.get((version.id, folder))) is not None:
            if name not in listing:
                raise missing(place)
            return {**listing[name], "name": place.written(place.path)}
        with os_errors(place):
            first = next(list_files(self._client, version, place.path, page_size=1), None)
        if first is None:
            raise missing(place)
        return {**file_info(whole, first, first.path == place.path), "name": place.written(place.path)}

    def _children(self, place: ArtifactPath) -> list[Info]:
        version = self._version(place)
        listing = self._listings.get((version.id, place.path))
        if listing is None:
            listing = self._list(place, version)
            self._remember((version.id, place.path), listing)
        below = f"{place.path}/" if place.path else ""
        return [{**info, "name": place.written(below + name if name else place.path)} for name, info in listing.items()]

    def _remember(self, key: tuple[str, str], listing: dict[str, Info]) -> None:
        self._listings[key] = listing
        while len(self._listings) > LISTINGS or sum(map(len, self._listings.values())) > LISTED:
            del self._listings[next(iter(self._listings))]

    def _list(self, place: ArtifactPath, version: pb.ArtifactVersion) -> dict[str, Info]:
        """What is directly below a directory by name; "" if it is a file itself. Holds one page at a time."""
        start = len(place.path) + 1 if place.path else 0
        whole, listing, is_there = version_info(version), dict[str, Info](), not place.path
        with os_errors(place):
            for file in list_files(self._client, version, place.path):
                is_there = True
                name, deeper, _ = file.path[start:].partition("/")
                if name not in listing and (name or file.type == pb.FILE_TYPE_FILE):
                    listing[name] = file_info(whole, file, not deeper)
        if not is_there:
            raise missing(place)
        return listing

    def exists(self, path: str, **_: Any) -> bool:
        """Says whether there is something at a path. Raises, if that cannot be found out."""
        return self._type(path) is not None

    def isdir(self, path: str) -> bool:
        """Says whether a path is a directory. Raises, if that cannot be found out."""
        return self._type(path) == "directory"

    def isfile(self, path: str) -> bool:
        """Says whether a path is a file. Raises, if that cannot be found out."""
        return self._type(path) == "file"

    def _type(self, path: str) -> str | None:
        try:
            return str(self.info(path)["type"])
        except FileNotFoundError:
            return None

    def walk(
        self, path: str, maxdepth: int | None = None, topdown: bool = True, on_error: Any = "omit", **options: Any
    ) -> Iterator[Any]:
        """As `os.walk`. What is missing is passed over, but no other error: half a listing would pass for a whole."""
        steps = walk(self.ls, self._strip_protocol(path), maxdepth, topdown, on_error, options.get("detail", False))
        outer = _resolved.get()
        known = {} if outer is None else outer
        while True:
            before = _resolved.set(known)
            try:
                step = next(steps, None)
            finally:
                _resolved.reset(before)
            if step is None:
                return
            yield step

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **_: Any) -> io.BufferedReader:
        if mode != "rb":
            self._refuse()
        info = self.info(path)
        inner = inner_path(info)
        return FsspecFile(self, info["name"], info["version_id"], inner, info["size"], block_size or BUFFER_BYTES)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Returns a file's bytes, or those of a range, in one call. Negative positions count from its end."""
        info, client = self.info(path), self._client
        inner = inner_path(info)
        first, last, _step = slice(start, end).indices(info["size"])
        if first >= last:
            return b""
        with os_errors(ArtifactPath.of(info["name"])):
            return b"".join(read_range(client, info["version_id"], inner, first, last - first))

    def get_file(self, rpath: str, lpath: Any, callback: Callback | None = None, outfile: Any = None, **_: Any) -> None:
        """Downloads a file: to a temporary name, verified, then renamed.

        Args:
            rpath: the file.
            lpath: where to, a path or a file open for writing bytes.
            callback: told of the progress, in bytes.
            outfile: a file open for writing bytes, instead of `lpath`.

        Raises:
            DataLoss: the bytes do not have the digest they were saved with.
        """
        lpath, info = local_path(lpath), self.info(rpath)
        output = outfile if outfile is not None else lpath if isfilelike(lpath) else None
        if output is not None:
            self._copy(info, output, callback or NoOpCallback())
        elif info["type"] == "directory":
            os.makedirs(lpath, exist_ok=True)
        else:
            partial = Path(partial_path(target := Path(lpath), bytes.fromhex(info["digest"])))
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with laid(target), open(partial, "xb") as file:
                    locks.take(file.fileno())  # until it is in place, or a download would take it for left behind
                    self._copy(info, file, callback or NoOpCallback())
                    file.flush()
                    partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)

    def _copy(self, info: Info, output: Any, callback: Callback) -> None:
        inner, client, digest = inner_path(info), self._client, blake3()
        callback.set_size(info["size"])
        with os_errors(ArtifactPath.of(info["name"])):
            for data in read_range(client, info["version_id"], inner) if info["size"] else ():
                digest.update(data)
                output.write(data)
                callback.relative_update(len(data))
        if digest.hexdigest() != info["digest"]:
            raise DataLoss(f"{inner!r} arrived with another digest than it was saved with.")

    def ukey(self, path: str) -> str:
        """The digest of a file, or of a whole version, in hexadecimal."""
        return self.info(path).get("digest") or str(super().ukey(path))

    def checksum(self, path: str) -> int:
        """The same as a number."""
        return int(self.ukey(path), 16)

    def created(self, path: str) -> Any:
        """When the version, or project, was made, UTC."""
        return self.info(path)["created"]

    modified = created

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forgets listings. They never get old, but need memory."""
        self._listings.clear()

    def _refuse(self, *_: Any, **__: Any) -> Any:
        """xpstore:// is read-only."""
        raise NotImplementedError("xpstore:// is read-only: save files with xpstore.artifact.DirectoryArtifact.save")

    def get(self, rpath: Any, lpath: Any, *args: Any, **kwargs: Any) -> None:
        """Downloads files or trees, all of one version, as fsspec says."""
        self._get(rpath, [*map(local_path, lpath)] if isinstance(lpath, list) else local_path(lpath), *args, **kwargs)

    find, glob, du, tree = map(_at_one_moment, ("find", "glob", "du", "tree"))
    expand_path, _get, cat, cat_ranges, sizes = map(
        _at_one_moment, ("expand_path", "get", "cat", "cat_ranges", "sizes")
    )

    mkdir = makedirs = rmdir = rm_file = _rm = cp_file = put_file = pipe_file = touch = _refuse


def _connect(api_key: str | None, api_url: str | None) -> ClientBase:
    settings = ("XPSTORE_API_KEY", "XPSTORE_API_URL", "XPSTORE_TLS_CA", "XPSTORE_HOME", "XDG_DATA_HOME", "HOME")
    access = (api_key, api_url, *map(os.environ.get, settings))
    client = _clients.get(access)
    if client is None or client.is_closed:
        client = _clients[access] = ClientBase(api_key, api_url)
    return client


def _restore(
    kind: type[XpstoreFileSystem], options: dict[str, Any], client: ClientBase | None, token: str
) -> XpstoreFileSystem:
    """A file system that was pickled: that object itself, where it was."""
    if (living := _living.get(token)) is not None:
        return living
    restored = kind(skip_instance_cache=True, **options)
    if client is not None:
        restored._own_client, restored._is_sent = client, True
    return restored
