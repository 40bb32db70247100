"""The files of a version: listed, downloaded, opened and loaded."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from xpstore._artifacts.fields import ArtifactFields
from xpstore._artifacts.versions import list_files
from xpstore._files.download import Download, read_manifest
from xpstore._files.local_faults import laying
from xpstore._files.manifest import add_entry, checked, tree_of
from xpstore._files.remote import open_remote
from xpstore._machine.progress import progress
from xpstore._results.copies import LocalCopies
from xpstore._results.formats import format_of_file
from xpstore.errors import DataLoss, InvalidArgument, NotFound
from xpstore.format.tree import TreeHash
from xpstore.v1 import artifact_pb2 as pb

# Entries of a part of a version whose sizes are added up before it comes. The progress bar of one that has more is that
# of the whole version.
SUMMED_ENTRIES = 10_000


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

    def files(self) -> list[ArtifactFile]:
        """Lists its files in the order of their paths: about 350 bytes of memory each.

        Raises:
            DataLoss: they are not the files of this version.
        """
        files, tree = list[ArtifactFile](), TreeHash()
        for file in self._files():
            add_entry(tree, file)
            is_directory = file.type == pb.FILE_TYPE_DIRECTORY
            files.append(ArtifactFile(file.path, file.size_bytes, file.digest.hex(), file.executable, is_directory))
        if tree.digest() != self._wire.digest:
            raise DataLoss(f"The list of files is not that of {self._wire.name!r}, version {self._wire.version}.")
        return files

    def _files(self, path_prefix: str = "") -> Iterator[pb.ArtifactFile]:
        return list_files(self._client, self._wire, path_prefix)

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
            first = list(islice(entries, SUMMED_ENTRIES))
            if not first:
                raise NotFound(f"{self._wire.name!r} has no file {path!r}.", reason="NOT_FOUND")
            if len(first) < SUMMED_ENTRIES:
                size_bytes = sum(entry.size_bytes for entry in first if entry.offset == 0)
            entries = chain(first, entries)
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
        files = (file for file in self._files(path) if file.type == pb.FILE_TYPE_FILE)
        if path:
            if found := next((file for file in files if file.path == path), None):
                return found
            raise NotFound(f"{self._wire.name!r} has no file {path!r}.", reason="NOT_FOUND")
        only = next(files, None)
        count = sum(1 for _ in files) + (only is not None)
        if only is None or count > 1:
            raise InvalidArgument(f"path is missing: {self._wire.name!r} has {count} files; name one of them")
        return only

    def load(self, path: str = "", *, trusted: "Sequence[str] | None" = None) -> Any:
        """Reads an object back, from a verified copy on this machine that is made at the first use.

        Only formats that cannot run code are read. A pickle is not: of a cached result `load(format="pickle")` does.

        Args:
            path: which file; may be left out when there is exactly one.
            trusted: for scikit-learn models (skops), names of types to allow beside its defaults.

        Raises:
            InvalidArgument: the file has no safe format, or is not of the one that it says: `download` or `open` it.
        """
        file = self._file(path)
        format_ = format_of_file(file.path, None if path else self.metadata.get("format"))
        if format_ is None:
            raise InvalidArgument(f"{file.path!r} of {self._wire.name!r} has no safe format: use download() or open()")
        copies, what = LocalCopies.here(), f"{file.path!r} of {self._wire.name!r}"
        return copies.using(
            self._client, self._wire, lambda copy: format_.read(copy.read(file.path), trusted, what), file
        )
