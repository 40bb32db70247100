"""The contestants that need nothing but this project's own environment, and the stores behind them."""

import contextlib
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import psutil
from minio.deleteobjects import DeleteObject

from bench.transfer.processes import CLIENTS, ROOT, Command
from bench.transfer.workload import Step, wipe
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server, free_port, spawn
from support.backends import sqlite_url
from support.homes import Home
from support.services import Server
from xpstore_server.settings import socket_path

STUB_SOURCE = Path(__file__).parents[1] / "s3_stub" / "main.go"


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
        wipe(self._folder / place)


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


class S3Stub(S3Server):
    """An S3 server that costs nothing, built from s3_stub/main.go: keeps objects in memory, or discards large ones."""

    def __init__(self, *, discards: bool) -> None:
        super().__init__()
        self._discards = discards
        self.name = "stub that discards" if discards else "stub that keeps"

    @staticmethod
    def build() -> str | None:
        """Builds it into the user's cache, if Go is there. Returns why it is not there, else None."""
        if _program().exists():
            return None
        go = shutil.which("go")
        if go is None:
            return "Go is not installed"
        _program().parent.mkdir(parents=True, exist_ok=True)
        draft = _program().with_suffix(f".{os.getpid()}")
        built = subprocess.run([go, "build", "-o", str(draft), str(STUB_SOURCE)], capture_output=True, text=True)
        if built.returncode != 0:
            return f"Go cannot build it: {built.stderr.strip()[-200:]}"
        draft.replace(_program())
        return None

    def command(self) -> list[str]:
        options = ["-discard"] if self._discards else []
        return [str(_program()), f"-listen=127.0.0.1:{self.port}", f"-secret={SECRET_KEY}", *options]


def _program() -> Path:
    """Named after its source, so that a changed source is built anew."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.blake2b(STUB_SOURCE.read_bytes(), digest_size=6).hexdigest()
    return cache / "xpstore" / "bin" / f"s3-stub-{digest}"


class Contestant(ABC):
    """Something that carries files to a store and back."""

    name: str
    keeps_bytes = True

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


def task_of(step: Step, number: int, path: Path, **more: Any) -> dict[str, Any]:
    """What every client is told, and what this one is told beside it."""
    name = f"{step.key}-{number}"
    return {"action": step.action, "path": str(path), "name": name, "file": step.file(number), **more}


class Ours(Contestant):
    """xpstore: a server of its own for each repetition, on SQLite and the store."""

    def __init__(
        self, folder: Path, store: Store, environment: dict[str, str] | None = None, *, name: str = "ours"
    ) -> None:
        self.name = name
        self._folder = folder
        self._store = store
        self._environment = environment
        self._caches = itertools.count()
        self.address = ""

    def open(self, repetition: int) -> None:
        self._make_place(repetition)
        url = self._store.create(self._place)
        self.server = Server(sqlite_url(self._home / "xpstore.db"), url, self._home, environment=self._environment)
        self.server.start()
        self.address = self.server.address

    def _make_place(self, repetition: int) -> None:
        self._place = f"{self.name.replace(' ', '-')}-{repetition}"
        self._home = self._folder / self._place
        self._home.mkdir()

    def close(self) -> None:
        self.server.stop()
        self._store.drop(self._place)
        wipe(self._home)

    def command(self, step: Step, number: int, path: Path) -> Command:
        task = task_of(step, number, path, address=self.address, api_key=self.server.api_key, reread=step.reread)
        return Command("ours", task, {"XPSTORE_CACHE": self._cache(step)})

    def _cache(self, step: Step) -> str:
        cache = self._home / "caches" / (step.index or str(next(self._caches)))
        cache.mkdir(parents=True, exist_ok=True)
        return str(cache)

    def servers(self) -> list[psutil.Process]:
        return [psutil.Process(self.server.pid)]


class Embedded(Ours):
    """The same as `init()` starts it: bytes are read past it, from its folder."""

    def open(self, repetition: int) -> None:
        self._make_place(repetition)
        self._running = contextlib.ExitStack()
        self._process = self._running.enter_context(Home(self._home / "home").serving())

    def close(self) -> None:
        self._running.close()
        shutil.rmtree(socket_path(self._home / "home").parent, ignore_errors=True)  # a short one, elsewhere
        wipe(self._home)

    def command(self, step: Step, number: int, path: Path) -> Command:
        task = task_of(step, number, path, address="", api_key="", reread=step.reread)
        return Command("ours", task, {"XPSTORE_CACHE": self._cache(step), "XPSTORE_HOME": str(self._home / "home")})

    def servers(self) -> list[psutil.Process]:
        return [psutil.Process(self._process.pid)]


class Direct(Contestant):
    """`minio` straight to the S3 server, a call for each file; in threads, as a user writes it who has many files."""

    def __init__(self, store: S3Store, threads: int = 1) -> None:
        self.name = "minio" if threads == 1 else f"minio in {threads} threads"
        self._store = store
        self._threads = threads

    def open(self, repetition: int) -> None:
        self._bucket = f"direct-{self._threads}-{repetition}"
        self._store.create(self._bucket)

    def close(self) -> None:
        self._store.drop(self._bucket)

    def command(self, step: Step, number: int, path: Path) -> Command:
        task = task_of(
            step,
            number,
            path,
            endpoint=f"127.0.0.1:{self._store.s3.port}",
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            bucket=self._bucket,
            threads=self._threads,
        )
        return Command("direct", task)


class Copy(Contestant):
    """A copy on the same disk."""

    name = "copy"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, repetition: int) -> None:
        self._place = self._folder / f"copy-{repetition}"
        self._place.mkdir()

    def close(self) -> None:
        wipe(self._place)

    def command(self, step: Step, number: int, path: Path) -> Command:
        task = task_of(step, number, path, folder=str(self._place))
        return Command("copy", task)


class GrpcAlone(Contestant):
    """What this machine's grpcio carries when nothing is done with it: as many messages of 1 MiB as the file has."""

    name = "grpcio alone"
    keeps_bytes = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, repetition: int) -> None:
        self._address = f"127.0.0.1:{free_port()}"
        command = [sys.executable, "-m", CLIENTS, "serve", self._address]
        self._process = spawn(command, log=self._folder / "grpc-alone.log", folder=ROOT)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def command(self, step: Step, number: int, path: Path) -> Command:
        task = task_of(step, number, path, address=self._address, size_bytes=step.sources[number].stat().st_size)
        return Command("grpc_alone", task)

    def servers(self) -> list[psutil.Process]:
        return [psutil.Process(self._process.pid)]
