"""The files of a version: listed, downloaded, opened and loaded."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpstore._artifacts.fields import ArtifactFields
from xpstore._files.download import Download, read_manifest
from xpstore._files.local_faults import laying
from xpstore._files.manifest import checked, listed_entry, tree_digest, tree_of
from xpstore._files.remote import open_remote
from xpstore._machine.progress import progress
from xpstore._results.copies import LocalCopies
from xpstore._results.formats import format_of_file
from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore.errors import DataLoss, InvalidArgument, NotFound
from xpstore.v1 import artifact_pb2 as pb


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """One file of a version.

    Attributes:
        path: where it is inside the artifact, with "/" between its parts.
        size_bytes: its size.
        digest: BLAKE3 of its bytes in hexadecimal, as `b3sum` prints it; "" for an empty directory.
        executable: whether its executable bit is set.
        is_directory: whether it is an empty directory.
    """

    path: str
    size_bytes: int
    digest: str
    executable: bool = False
    is_directory: bool = False


class ArtifactContents(ArtifactFields):
    """What can be done with the files of a version."""

    _client: ClientBase

    def files(self) -> list[ArtifactFile]:
        """Lists its files in the order of their paths.

        Raises:
            DataLoss: they are not the files of this version.
        """
        files = list(self._files())
        if tree_digest(map(listed_entry, files)) != self._wire.digest:
            raise DataLoss(f"The server's list of files is not that of {self._wire.name!r}, version {self.version}.")
        return [
            ArtifactFile(
                file.path, file.size_bytes, file.digest.hex(), file.executable, file.type == pb.FILE_TYPE_DIRECTORY
            )
            for file in files
        ]

    def _files(self, path_prefix: str = "") -> Iterator[pb.ArtifactFile]:
        request = pb.ListArtifactFilesRequest(version_id=self.id, path_prefix=path_prefix)
        files = iterate(self._client, self._client.stubs.artifacts.ListArtifactFiles, request, "files")
        for number, file in enumerate(files):
            if number >= self._wire.file_count:
                raise DataLoss(f"The server lists more files than {self._wire.name!r} has: {self._wire.file_count}.")
            yield file

    def download(self, folder: "str | Path", path: str = "") -> Path:
        """Writes its files below a folder, each verified and renamed into place. Returns the folder.

        Files that are there already with the same bytes are not fetched again, and a large file goes on where an
        earlier download of it broke off.

        Args:
            folder: made if it is missing; files of the same paths are replaced, also by a folder of the same path. A
                folder that is not empty is never replaced by a file.
            path: only this file, or what is below this directory. The list of all files is read and checked for it.

        Raises:
            NotFound: there is nothing at `path`.
            DataLoss: a file does not have the digest it was saved with and is not put in place, or all together are
                not the files of this version.
            InvalidArgument: something that is no file is in the way, or this file system does not take a name.
            ResourceExhausted: the disk is full; what did not fit is removed.
        """
        target, below = Path(folder).absolute(), path.rstrip("/")
        with laying(target):
            is_file = target.exists() and not target.is_dir()
        if is_file:
            raise InvalidArgument(f"folder = {str(folder)!r}: is a file")
        entries = checked(read_manifest(self._client, self.id), tree_of(self._wire), below)
        size_bytes = self.size_bytes
        if path:
            some = list(entries)
            if not some:
                raise NotFound(f"{self._wire.name!r} has no file {path!r}.", reason="NOT_FOUND")
            entries, size_bytes = iter(some), sum(entry.size_bytes for entry in some if entry.offset == 0)
        with laying(target):
            target.mkdir(parents=True, exist_ok=True)
        with progress(f"Downloading {self._wire.name}", size_bytes) as advance:
            Download(self._client, self.id, target, advance).run(entries)
        return Path(folder)

    def open(self, path: str = "") -> io.BufferedReader:
        """Opens a file as a seekable binary file that fetches only the ranges it reads.

        Args:
            path: which file; may be left out when there is exactly one.

        Raises:
            NotFound: there is no such file.
        """
        file = self._file(path)
        return open_remote(self._client, self.id, file.path, file.size_bytes)

    def _file(self, path: str) -> pb.ArtifactFile:
        files = [
            file for file in self._files(path) if file.type == pb.FILE_TYPE_FILE and (not path or file.path == path)
        ]
        if path and not files:
            raise NotFound(f"{self._wire.name!r} has no file {path!r}.", reason="NOT_FOUND")
        if len(files) != 1:
            raise InvalidArgument(f"path is missing: {self._wire.name!r} has {len(files)} files; name one of them")
        return files[0]

    def load(self, path: str = "", *, trusted: "Sequence[str] | None" = None) -> Any:
        """Reads an object back, from a verified copy on this machine that is made at the first use.

        Only formats that cannot run code are read. A pickle is not: of a cached result `load(format="pickle")` does.

        Args:
            path: which file; may be left out when there is exactly one.
            trusted: for scikit-learn models (skops), names of types to allow beside its defaults.

        Raises:
            InvalidArgument: the file has no safe format; use `download` or `open`.
        """
        file = self._file(path)
        format_ = format_of_file(file.path, None if path else self.metadata.get("format"))
        if format_ is None:
            raise InvalidArgument(f"{file.path!r} of {self._wire.name!r} has no safe format: use download() or open()")
        copies = LocalCopies.here()
        return copies.using(self._client, self._wire, lambda copy: format_.load(copy.read(file.path), trusted), file)
