"""PgBouncer in front of a PostgreSQL server, as Debian has it."""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from s3_server import free_port, spawn
from support.needs import needs
from support.services import NOBODY, Postgres

CONFIG = """
[databases]
* = host={folder} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
{more}
"""


class PgBouncer:
    """A pooler, by default in transaction mode; its other settings are of its manual. As root it runs as nobody."""

    def __init__(self, postgres: Postgres, more: str = "", mode: str = "transaction") -> None:
        self._program = needs("pgbouncer")
        self._user = NOBODY if postgres.user else 0
        self.folder = Path(tempfile.mkdtemp(prefix="xpgb-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self.log = self.folder / "pgbouncer.log"
        config = CONFIG.format(folder=postgres.folder, port=self.port, more=more, mode=mode)
        (self.folder / "pgbouncer.ini").write_text(config)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [self._program, str(self.folder / "pgbouncer.ini")]
        self._process = spawn(command, log=self.log, folder=self.folder, user=self._user)
        deadline = time.monotonic() + 30
        while not self._answers():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"PgBouncer does not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)
        return self

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)
