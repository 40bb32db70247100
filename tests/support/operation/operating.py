"""The command `xpstore-server` as an operator runs it, on a disk of its own where a test needs one."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from support.needs import lacking
from support.operation.warm_server import WarmServers
from support.services import Server

Result = subprocess.CompletedProcess[str]


def run(*arguments: str | bytes, folder: Path, inside: Sequence[str] = (), **settings: str) -> Result:
    """Runs a command to its end, with these settings alone."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("XPSTORE_")}
    environment = {**inherited, **settings}
    if Server.warm is not None and not inside and Server.warm.take(environment):
        return _run_warm(Server.warm, [*map(os.fsdecode, arguments)], environment, folder)
    return subprocess.run(
        [*inside, sys.executable, "-m", "xpstore_server", *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
    )


def run_beside(server: Server, *arguments: str) -> Result:
    """Runs a command to its end on the stores of a server."""
    settings = {name: value for name, value in server.environment.items() if name.startswith("XPSTORE_")}
    return run(*arguments, folder=server.log.parent, **settings)


def _run_warm(warm: WarmServers, arguments: list[str], environment: dict[str, str], folder: Path) -> Result:
    with tempfile.TemporaryDirectory() as name:
        output, error = Path(name, "output"), Path(name, "error")
        process = warm.start("xpstore_server", arguments, environment, output, error, folder)
        try:
            status = process.wait(120)
        finally:
            process.kill()
        texts = (path.read_text(errors="replace") for path in (output, error))
        return subprocess.CompletedProcess(arguments, status, *texts)


def assert_one_line(result: Result, expected: str) -> None:
    """The command failed, with one line that has this in it."""
    assert result.returncode == 1, (result.stdout, result.stderr)
    assert result.stderr.startswith("xpstore-server: ")
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert expected in result.stderr


class SmallDisk:
    """A disk of its own in memory, mounted over a folder, seen by what is started `inside` alone.

    Args:
        folder: where.
        options: of the mount, such as `size=40m`.
    """

    def __init__(self, folder: Path, options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        mounted = f'mount -t tmpfs -o {options} none "$0" && echo mounted && exec sleep 3600'
        self._holder = subprocess.Popen(
            ["unshare", "-rm", "sh", "-c", mounted, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self._holder.stdout is not None
        if self._holder.stdout.readline() != b"mounted\n" or shutil.which("nsenter") is None:
            self.close()
            lacking("no small disk can be mounted here: it takes a user namespace, and nsenter")
        self.inside = [str(shutil.which("nsenter")), "--preserve-credentials", "-U", "-m", "-t", str(self._holder.pid)]
        if subprocess.run([*self.inside, sys.executable, "-c", ""], capture_output=True).returncode:
            self.close()
            lacking("another user may not run this Python")
        # The same folder, as this process sees it.
        self.seen = Path(f"/proc/{self._holder.pid}/root{folder}")

    def remount(self, options: str) -> None:
        """Changes how it is mounted, such as `ro`."""
        subprocess.run([*self.inside, "mount", "-o", f"remount,{options}", self.folder], check=True)

    @property
    def free_bytes(self) -> int:
        found = os.statvfs(self.seen)
        return found.f_bavail * found.f_frsize

    def fill(self, left_bytes: int = 0) -> Path:
        """Another program takes all there is, or all but so much. Returns its file."""
        path = self.seen / "filler"
        with open(path, "ab", buffering=0) as file:
            while (more := self.free_bytes - left_bytes) > 0:
                try:
                    file.write(bytes(min(more, 1 << 20)))
                except OSError:  # less than a page is left
                    break
        return path

    def close(self) -> None:
        self._holder.kill()
        self._holder.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ServerInside(Server):
    """A server whose database and packs are on a small disk."""

    def __init__(self, disk: SmallDisk, folder: Path, **settings: str) -> None:
        self.disk = disk
        super().__init__("", "", folder, environment={"XPSTORE_DATA_DIR": str(disk.folder / "data"), **settings})
        self.prefix = disk.inside

    def command(self, *arguments: str) -> Result:
        """Runs another command on the same data."""
        data = self.environment["XPSTORE_DATA_DIR"]
        return run(*arguments, folder=self.log.parent, inside=self.disk.inside, XPSTORE_DATA_DIR=data)
