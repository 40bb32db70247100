"""The embedded service: found through its home folder, or started there as a process of its own.

The home is `XPSTORE_HOME`, else `$XDG_DATA_HOME/xpstore`, else `~/.local/share/xpstore`: a folder that only its owner
can write to, with the data, the admin's key, the socket, `server.json` (where the server listens) and its log. One
server runs for each home: it holds a file lock for life and leaves after ten idle minutes. Linux and macOS only: on
Windows run a server by hand and pass `api_url`.
"""

import contextlib
import importlib.util
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from xpstore._machine.settings import home_folder
from xpstore.errors import InvalidArgument, Unavailable
from xpstore.format.text import printable

START_SECONDS = 20.0
POLL_SECONDS = 0.02
# A server that finds its home taken exits with this (EX_TEMPFAIL): the other one is starting or still draining.
HOME_IN_USE = 75
LOG_LINES = 10
LOG_BYTES = 10 << 20
# Files of the home that are read and believed.
BELIEVED = ("server.json", "admin.key")
# Modules of the extra `server`: the package itself comes with every install.
SERVER_NEEDS = ("alembic", "grpc_health", "minio", "pydantic_settings", "sqlmodel", "typer", "zstandard")


def home() -> Path:
    """The folder of this user's embedded service; it may not exist yet.

    Raises:
        InvalidArgument: this user has none; the message names the cure.
    """
    folder = home_folder()
    try:
        return folder.resolve()
    except (OSError, RuntimeError) as error:  # links that lead to each other
        raise InvalidArgument(f"XPSTORE_HOME = {str(folder)!r}: is no folder ({error})") from None


def ensure(folder: Path | None = None, timeout_seconds: float = START_SECONDS) -> tuple[str, str]:
    """Returns key and address of the embedded service, starting it if it does not run.

    Any number of processes may call it at once: one of them starts the server, and all find the same one.

    Args:
        folder: its home; default `home()`.
        timeout_seconds: how long the start may take.

    Raises:
        Unavailable: the server does not start; the message has the last lines of its log, or the cure.
    """
    folder = folder or home()
    address = None
    if os.name != "nt" and os.path.lexists(folder):
        _make_private(folder)  # before anything in it is believed: somebody else may have put it there
        address = _running(folder)
    if address is None:
        _check_platform()
        _make_private(folder)
        address = _start_once(folder, time.monotonic() + timeout_seconds)
    return _read_key(folder), address


def find() -> tuple[str, str] | None:
    """Key and address of the embedded service if it runs. Nothing is started, and no folder is made.

    Raises:
        Unavailable: it runs, but its key cannot be read.
    """
    folder = home()
    address = _running(folder)
    return None if address is None else (_read_key(folder), address)


def _running(folder: Path) -> str | None:
    """The address in server.json if a server of this user really answers there."""
    try:
        announced = json.loads((folder / "server.json").read_bytes())
        address, pid = str(announced["address"]), int(announced["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return address if _answers(address, pid) else None


def _answers(address: str, pid: int) -> bool:
    try:
        if address.startswith("unix:"):
            path = Path(address.removeprefix("unix:"))
            # Whoever can write to the folder could wait there for the key.
            return _is_private(path.parent) and _connects(socket.AF_UNIX, str(path))
        parts = urlsplit(address)
        os.kill(pid, 0)  # fails when the process is gone or another user's: a stranger may have the port now
        family = socket.AF_INET6 if ":" in (parts.hostname or "") else socket.AF_INET
        return _connects(family, (parts.hostname, parts.port))
    except (OSError, ValueError):
        return False


def _connects(family: int, where: object) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(2.0)
        connection.connect(where)  # type: ignore[arg-type]
    return True


def _is_private(folder: Path) -> bool:
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o022


def _check_platform() -> None:
    if os.name == "nt":
        raise Unavailable("The embedded service needs Linux or macOS: run a server elsewhere and pass api_url.")
    missing = [name for name in SERVER_NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise Unavailable(
            f"The embedded service is not installed (no {', '.join(missing)}): pip install 'xpstore[server]', "
            "or pass api_key and api_url of a server."
        )


def _make_private(folder: Path) -> None:
    """Makes the home, and sees to it that it and what is in it are this user's and nobody else's to write.

    Raises:
        Unavailable: they are not, or it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_own = _is_private(folder)
        strangers = [entry.name for entry in os.scandir(folder) if not _is_own(entry)] if is_own else []
    except OSError as error:
        raise Unavailable(
            f"{folder}, the embedded service's home, cannot be made ({error}): set XPSTORE_HOME."
        ) from None
    if not is_own:
        cure = "chmod 700 it or set XPSTORE_HOME."
        raise Unavailable(f"{folder}, the embedded service's home, must be yours alone: {cure}")
    if strangers:
        what = f"{strangers[0]!r}, which somebody else made or can write to"
        cure = "make it yours alone, remove it, or set XPSTORE_HOME."
        raise Unavailable(f"{folder}, the embedded service's home, has {what}: {cure}")


def _is_own(entry: "os.DirEntry[str]") -> bool:
    """Whether what is in the home is this user's, and what is believed of it nobody else's to write."""
    try:
        if entry.stat(follow_symlinks=False).st_uid != os.getuid():
            return False
        if entry.name not in BELIEVED:
            return True
        status = entry.stat()
    except FileNotFoundError:  # a server tidies up
        return True
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def _start_once(folder: Path, deadline: float) -> str:
    while time.monotonic() < deadline:
        with _start_lock(folder) as is_held:
            address = _running(folder) or (_start(folder, deadline) if is_held else None)
        if address is not None:
            return address
        time.sleep(POLL_SECONDS)
    raise Unavailable(f"The embedded service did not answer in time. Its log: {_tail(folder, 0)}")


@contextlib.contextmanager
def _start_lock(folder: Path) -> Iterator[bool]:
    """Says whether this process may start the server: of many that call at once, one does and the others look on."""
    import fcntl  # not on Windows

    try:
        file = open(folder / "start.lock", "a")  # noqa: SIM115  # closed below
    except OSError as error:
        raise Unavailable(f"{folder}, the embedded service's home, cannot be written to: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


def _start(folder: Path, deadline: float) -> str | None:
    """Starts a server and waits for it; None if another one has the home: try again."""
    log = folder / "server.log"
    log_start = _rotated_size(log)
    try:
        process = _spawn(folder, log)
    except OSError as error:
        raise Unavailable(f"The embedded service cannot be started: {error}") from None
    while time.monotonic() < deadline:
        code = process.poll()
        if address := _running(folder):
            # Reaps the server should it leave before this process does.
            threading.Thread(target=process.wait, name="xpstore-embedded", daemon=True).start()
            return address
        if code == HOME_IN_USE:
            return None
        if code is not None:
            raise Unavailable(f"The embedded service did not start (exit code {code}): {_tail(folder, log_start)}")
        time.sleep(POLL_SECONDS)
    process.terminate()
    process.wait()
    return None


def _spawn(folder: Path, log: Path) -> "subprocess.Popen[bytes]":
    # Settings meant for another server must not change this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XPSTORE_")}
    with open(log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600)) as output:
        return subprocess.Popen(
            [sys.executable, "-m", "xpstore_server", "serve", "--home", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,  # keeps no other folder busy, and imports nothing from the caller's
            env=environment,
            start_new_session=True,  # Ctrl-C and the end of the terminal are not meant for it
            close_fds=True,
        )


def _rotated_size(log: Path) -> int:
    try:
        if log.stat().st_size < LOG_BYTES:
            return log.stat().st_size
        log.rename(log.with_suffix(".log.1"))
    except OSError:
        pass
    return 0


def _tail(folder: Path, start: int) -> str:
    log = folder / "server.log"
    try:
        with open(log, "rb") as file:
            file.seek(max(start, log.stat().st_size - (64 << 10)))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError as error:
        return str(error)
    return "\n".join(["", *map(printable, lines[-LOG_LINES:])]) + f"\n({log})"


def _read_key(folder: Path) -> str:
    path = folder / "admin.key"
    try:
        return path.read_text().strip()
    except OSError as error:
        raise Unavailable(f"The embedded service runs, but its key cannot be read: {error}") from None
