"""What a contest consists of: steps, the stores behind them, and what each contestant must be able to do."""

import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import psutil
from minio.deleteobjects import DeleteObject

from bench.transfer.processes import Command
from s3_server import S3Server


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One measured call.

    Attributes:
        name: what it is called in the results; unique on a store.
        action: whether files are sent or fetched.
        sources: what is sent by each client, or what each must get back.
        key: what it is stored as.
        runs: how often each contestant does it; those that are not named do not.
        reread: whether we read the file though the client's index knows it.
        index: the client's index to use; "" for an empty one.
    """

    name: str
    action: Literal["up", "down"]
    sources: tuple[Path, ...]
    key: str
    runs: dict[str, int]
    reread: bool = False
    index: str = ""

    def file(self, number: int) -> str:
        """Name of the only file that a client fetches; "" for a folder."""
        return self.sources[number].name if self.sources[number].is_file() else ""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one call took.

    Attributes:
        seconds: from the first client's begin to the last one's end.
        client_cpu_seconds: of all clients.
        client_peak_bytes: resident memory of the largest client, its interpreter and libraries included.
        server_cpu_seconds: of the contestant's own server.
        server_peak_bytes: resident memory of that server and its children.
        server_growth_bytes: how far that server rose above what it had when it was idle after its start.
        store_cpu_seconds: of the S3 server behind it.
    """

    seconds: float
    client_cpu_seconds: float
    client_peak_bytes: float
    server_cpu_seconds: float
    server_peak_bytes: float
    server_growth_bytes: float
    store_cpu_seconds: float


class Store:
    """Where bytes end up; here, folders on the local disk."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder

    def processes(self) -> list[psutil.Process]:
        return []

    def create(self, place: str) -> str:
        """Makes an empty place and returns its URL."""
        (self._folder / place).mkdir(parents=True)
        return (self._folder / place).as_uri()

    def drop(self, place: str) -> None:
        shutil.rmtree(self._folder / place, ignore_errors=True)


class S3Store(Store):
    """Buckets of an S3 server."""

    def __init__(self, s3: S3Server) -> None:
        self.name = s3.name
        self.s3 = s3

    def processes(self) -> list[psutil.Process]:
        assert self.s3.process is not None, "not started"
        return [psutil.Process(self.s3.process.pid)]

    def create(self, place: str) -> str:
        url = self.s3.create_bucket(place)
        # The first object of a bucket may cost more than others: it makes the files behind the bucket.
        self.s3.client.fput_object(bucket_name=place, object_name="first", file_path=__file__)
        return url

    def drop(self, place: str) -> None:
        listed = self.s3.client.list_objects(bucket_name=place, recursive=True)
        named = (DeleteObject(name=str(item.object_name)) for item in listed)
        for failure in self.s3.client.remove_objects(bucket_name=place, delete_object_list=named):
            raise RuntimeError(f"{self.name} does not delete: {failure}")
        self.s3.client.remove_bucket(bucket_name=place)


class Contestant(ABC):
    """Something that carries files to a store and back."""

    name: ClassVar[str]
    keeps_bytes: ClassVar[bool] = True

    @abstractmethod
    def open(self, repetition: int) -> None:
        """Gets an empty place to send to."""

    @abstractmethod
    def close(self) -> None:
        """Wipes what was sent."""

    @abstractmethod
    def command(self, step: Step, number: int, path: Path) -> Command:
        """The client that does a step, `number` of those at once, from or to a path."""

    def stop(self) -> None:  # noqa: B027  # most have nothing that does
        """Ends what outlives a repetition."""

    def servers(self) -> list[psutil.Process]:
        """Its own servers, those of the store apart."""
        return []
