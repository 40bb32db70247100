"""Which service a command speaks to, and whether it may start one."""

import contextlib
import os

import xpstore
from xpstore._machine.login import login_file, saved_login
from xpstore._service import embedded
from xpstore._service.connection import TIMEOUT_SECONDS
from xpstore.errors import Unavailable

# Who asks sits and waits, and can ask again: programs wait longer for a server that is away.
CONNECT_SECONDS = 5.0


def ask() -> xpstore.Client:
    """Connects to the service for a question: one that does not run is not started, and no folder is made.

    Raises:
        Unavailable: there is none, or it does not answer.
    """
    if is_named():
        client = xpstore.init(timeout_seconds=CONNECT_SECONDS)
    elif found := embedded.find():
        # By its address: a client of the embedded service would start it again.
        client = xpstore.init(*found, timeout_seconds=CONNECT_SECONDS)
    else:
        raise _not_there()
    client.timeout_seconds = TIMEOUT_SECONDS
    return client


def use() -> xpstore.Client:
    """Connects to the service to work with what it holds: the embedded one is started, if it holds anything.

    Raises:
        Unavailable: there is none, or it does not answer.
    """
    if not is_named() and embedded.find() is None and not (embedded.home() / "xpstore.db").exists():
        raise _not_there()
    return xpstore.init()


def home() -> str | None:
    """Where the embedded service has its data, None if another one is named."""
    return None if is_named() else str(embedded.home())


def home_bytes() -> int | None:
    """How much the embedded service keeps there, None if another one is named."""
    if is_named():
        return None
    total = 0
    for folder, _, files in os.walk(embedded.home()):
        for name in files:
            with contextlib.suppress(OSError):  # it went meanwhile
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


def named_by() -> str:
    """What says which service is spoken to: variables, the file of `xpstore login`, or nothing."""
    sources = [name for name in ("XPSTORE_API_URL", "XPSTORE_API_KEY") if name in os.environ]
    login = saved_login() if "XPSTORE_API_KEY" not in sources else None
    if login is not None and os.environ.get("XPSTORE_API_URL") in (None, login.api_url):
        sources.append(str(login_file()))
    return " and ".join(sources) or "nothing: it is the embedded one"


def is_named() -> bool:
    """Whether the environment or `xpstore login` names a service."""
    return "XPSTORE_API_KEY" in os.environ or "XPSTORE_API_URL" in os.environ or saved_login() is not None


def _not_there() -> Unavailable:
    home = embedded.home()
    if not home.is_dir():
        return Unavailable(
            f"no service runs, and {home} is not there: `xpstore put` or a program with `xpstore.init()` begins one; "
            "`xpstore login URL`, or XPSTORE_API_URL and XPSTORE_API_KEY, name another."
        )
    return Unavailable(f"no service runs in {home}: `xpstore-server serve --home '{home}'` or any program starts it.")
