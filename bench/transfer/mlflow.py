"""MLflow's current release as a contestant: an environment of its own, a server with its defaults and one worker."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

from bench.figure import say
from bench.transfer.contestants import Contestant, S3Store, Store, task_of
from bench.transfer.processes import Command, Usage
from bench.transfer.workload import Step, wipe
from s3_server import ACCESS_KEY, SECRET_KEY, free_port, spawn

PACKAGES = ("mlflow", "boto3")
START_SECONDS = 120
# Of a core, when nobody asks it for anything.
IDLE_SHARE = 0.1
# A run of the benchmark is no use of MLflow that anybody should count.
ENVIRONMENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "0"}


class Missing(Exception):
    """It cannot be had here; the message says why."""


def install() -> Path:
    """Returns the Python of MLflow's environment, made on first use in the user's cache. Delete the folder to renew it.

    Raises:
        Missing: pip could not install it.
    """
    return environment("bench-mlflow", *PACKAGES)


def environment(name: str, *packages: str) -> Path:
    """Returns the Python of an environment that has some packages, made on first use in the user's cache.

    Raises:
        Missing: pip could not install them.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "xpstore" / name
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists():
        say(f"installing {', '.join(packages)} into {folder}, once")
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])
        stamp.touch()
    return python


def version(python: Path) -> str:
    code = "from importlib.metadata import version; print(version('mlflow'))"
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Missing(lines[-1] if lines else f"{command[0]} ends with {done.returncode}")


class MLflow(Contestant):
    """Files go through its server, as they do by default, into a folder or a bucket."""

    name = "MLflow"

    def __init__(self, python: Path, folder: Path, store: Store) -> None:
        self._python = python
        self._folder = folder
        self._store = store
        self._process: subprocess.Popen[bytes] | None = None
        self._runs: dict[str, str] = {}

    def open(self, repetition: int) -> None:
        """One server for all repetitions: it takes 20 s to start. Each repetition has runs of its own."""
        self._runs = {}
        if self._process is None:
            self._start()

    def close(self) -> None:
        """Its files stay until `stop`: MLflow deletes none with a run."""

    def _start(self) -> None:
        self._home = self._folder / "mlflow"
        self._home.mkdir()
        port = free_port()
        self._uri = f"http://127.0.0.1:{port}"
        url = self._store.create("mlflow")
        environment = {**os.environ, **ENVIRONMENT}
        if isinstance(self._store, S3Store):
            url = "s3://mlflow"
            environment["MLFLOW_S3_ENDPOINT_URL"] = f"http://127.0.0.1:{self._store.s3.port}"
            environment |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
            environment["AWS_DEFAULT_REGION"] = "us-east-1"
        options = ["--host=127.0.0.1", f"--port={port}", "--workers=1", "--serve-artifacts"]
        options += [f"--backend-store-uri=sqlite:///{self._home}/mlflow.db", f"--artifacts-destination={url}"]
        command = [str(self._python), "-m", "mlflow", "server", *options]
        self._log = self._home / "server.log"
        self._process = spawn(command, log=self._log, folder=self._home, environment=environment)
        self._wait_ready()

    def _wait_ready(self) -> None:
        """Until it answers, has stored something, and its other processes have started too."""
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"MLflow does not start:\n{self._log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.2)
        self.request("PUT", "mlflow-artifacts/artifacts/first", b"1", "application/octet-stream")
        while self._busy_share() > IDLE_SHARE and time.monotonic() < deadline:
            pass

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self._uri}/health", timeout=5):
            return True
        return False

    def _busy_share(self) -> float:
        """How much of a core it takes for two seconds."""
        with Usage(self.servers()) as usage:
            time.sleep(2)
        return usage.cpu_seconds / 2

    def request(
        self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json"
    ) -> bytes:
        """Calls its REST API."""
        request = urllib.request.Request(f"{self._uri}/api/2.0/{path}", body, {"Content-Type": content_type})
        request.method = method
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())

    def stop(self) -> None:
        if self._process is None:
            return
        family = [*psutil.Process(self._process.pid).children(recursive=True), self._process]
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        self._process = None
        self._store.drop("mlflow")
        wipe(self._home)

    def command(self, step: Step, number: int, path: Path) -> Command:
        task = task_of(step, number, path, uri=self._uri)
        name = task["name"]
        if name not in self._runs:
            self._runs[name] = self.create_run()
        task["run_id"] = self._runs[name]
        return Command("mlflow", task, ENVIRONMENT, python=str(self._python))

    def create_run(self) -> str:
        """Makes a run and returns its id."""
        body = json.dumps({"experiment_id": "0", "start_time": int(time.time() * 1000)}).encode()
        answer = self.request("POST", "mlflow/runs/create", body)
        return str(json.loads(answer)["run"]["info"]["run_id"])

    def servers(self) -> list[psutil.Process]:
        assert self._process is not None, "not started"
        return [psutil.Process(self._process.pid)]
