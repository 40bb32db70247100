"""The contestants that need nothing but this project's own environment."""

import itertools
import shutil
import sys
from pathlib import Path
from typing import Any

import psutil

from bench.transfer.contest import Contestant, S3Store, Step, Store
from bench.transfer.processes import CLIENTS, ROOT, Command
from s3_server import ACCESS_KEY, SECRET_KEY, free_port, spawn
from services import Server


def task_of(step: Step, number: int, path: Path, **more: Any) -> dict[str, Any]:
    """What every client is told, and what this one is told beside it."""
    name = f"{step.key}-{number}"
    return {"action": step.action, "path": str(path), "name": name, "file": step.file(number), **more}


class Ours(Contestant):
    """xpstore: a server of its own for each repetition, on SQLite and the store."""

    name = "ours"

    def __init__(self, folder: Path, store: Store, environment: dict[str, str] | None = None) -> None:
        self._folder = folder
        self._store = store
        self._environment = environment
        self._caches = itertools.count()
        self.address = ""

    def open(self, repetition: int) -> None:
        self._place = f"ours-{repetition}"
        self._home = self._folder / self._place
        self._home.mkdir()
        url = self._store.create(self._place)
        self.server = Server(f"sqlite:///{self._home}/xpstore.db", url, self._home, environment=self._environment)
        self.server.start()
        self.address = self.server.address

    def close(self) -> None:
        self.server.stop()
        self._store.drop(self._place)
        shutil.rmtree(self._home)

    def command(self, step: Step, number: int, path: Path) -> Command:
        task = task_of(step, number, path, address=self.address, api_key=self.server.api_key, reread=step.reread)
        cache = self._home / "caches" / (step.index or str(next(self._caches)))
        cache.mkdir(parents=True, exist_ok=True)
        return Command("ours", task, {"XPSTORE_CACHE": str(cache)})

    def servers(self) -> list[psutil.Process]:
        return [psutil.Process(self.server.pid)]


class Direct(Contestant):
    """`minio` straight to the S3 server, a call for each file."""

    name = "minio"
    threads = 1

    def __init__(self, store: S3Store) -> None:
        self._store = store

    def open(self, repetition: int) -> None:
        self._bucket = f"direct-{self.threads}-{repetition}"
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
            threads=self.threads,
        )
        return Command("direct", task)


class DirectThreads(Direct):
    """The same with many calls at once, as a user writes it who has many files."""

    name = "minio in 16 threads"
    threads = 16


class Copy(Contestant):
    """A copy on the same disk."""

    name = "copy"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, repetition: int) -> None:
        self._place = self._folder / f"copy-{repetition}"
        self._place.mkdir()

    def close(self) -> None:
        shutil.rmtree(self._place)

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
