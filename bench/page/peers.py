"""The pages of others, filled with the curves once, each in an environment of its own with its own server."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

from bench.figure import say
from bench.metric_peers import SILENT, serving
from bench.page.curves import Size
from bench.transfer import mlflow
from s3_server import free_port

FILL_SECONDS = 1_800
VERSION = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"


class Peer:
    """One of them; subclasses say how it is filled and started.

    Attributes:
        name: as others know it.
    """

    name = ""
    package = ""
    needs: tuple[str, ...] = ()

    def __init__(self, size: Size) -> None:
        self.size = size
        self.python = mlflow.environment(f"bench-{self.package}", self.package, *self.needs)
        self.program = str(self.python.with_name(self.package))
        numbers = "-".join(map(str, astuple(size)))
        self.folder = self.python.parents[2] / f"bench-{self.package}-curves-{numbers}"
        if not self.folder.exists():
            say(f"filling {self.name} with {size} in {self.folder}, once")
            partial = self.folder.with_name(f"{self.folder.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            self.fill(partial)
            partial.rename(self.folder)

    @property
    def version(self) -> str:
        """Its release."""
        return self.run(str(self.python), "-c", VERSION, self.package).strip()

    @property
    def environment(self) -> dict[str, str]:
        """What to add to the environment."""
        return {}

    def fill(self, folder: Path) -> None:
        """Puts all curves into an empty folder."""
        raise NotImplementedError

    def fill_at(self, place: str) -> None:
        """Runs the program of `bench/page` that fills it."""
        self.run(str(self.python), "-m", f"bench.page.{self.package}", place, *map(str, astuple(self.size)))

    def run(self, *command: str) -> str:
        """Runs a program of its environment, and returns what it prints."""
        environment = {**os.environ, **SILENT, **self.environment, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=FILL_SECONDS)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout

    def command(self, port: int) -> list[str]:
        """Starts its server."""
        raise NotImplementedError

    @contextlib.contextmanager
    def served(self, folder: Path) -> Iterator[str]:
        """Its origin, while its server runs; the log is in the folder."""
        port = free_port(1)
        with serving(self.package, self.command(port), folder, self.environment, port):
            yield f"http://127.0.0.1:{port}"


class MLflow(Peer):
    name = "MLflow"
    package = "mlflow"
    needs = ("boto3",)  # as the benchmark of transfers, whose environment this is

    @property
    def environment(self) -> dict[str, str]:
        return mlflow.ENVIRONMENT

    def fill(self, folder: Path) -> None:
        file = folder / "mlflow.db"
        self.run(self.program, "db", "upgrade", f"sqlite:///{file}")
        self.fill_at(str(file))

    def command(self, port: int) -> list[str]:
        store = f"--backend-store-uri=sqlite:///{self.folder}/mlflow.db"
        return [self.program, "server", "--host=127.0.0.1", f"--port={port}", "--workers=1", store]


class Trackio(Peer):
    name = "Trackio"
    package = "trackio"

    def __init__(self, size: Size) -> None:
        self._filling: Path | None = None
        super().__init__(size)

    @property
    def environment(self) -> dict[str, str]:
        return {"TRACKIO_DIR": str(self._filling or self.folder), "TRACKIO_WRITE_TOKEN": "bench"}

    def fill(self, folder: Path) -> None:
        self._filling = folder
        self.fill_at("TRACKIO_DIR")
        self._filling = None

    def command(self, port: int) -> list[str]:
        show = f"open_browser=False, block_thread=True, host='127.0.0.1', server_port={port}"
        return [str(self.python), "-c", f"import trackio; trackio.show({show})"]


class Aim(Peer):
    name = "Aim"
    package = "aim"

    def fill(self, folder: Path) -> None:
        self.run(self.program, "init", "--repo", str(folder), "-y")
        self.fill_at(str(folder))

    def command(self, port: int) -> list[str]:
        return [self.program, "up", "--repo", str(self.folder), "--host", "127.0.0.1", "--port", str(port)]


PEERS: list[type[Peer]] = [MLflow, Trackio, Aim]
