"""Which service it is: `status`, `login`, `logout` and `whoami`."""

import getpass
import os
import sys
from typing import Annotated

import typer

import xpstore
from xpstore._cli.arguments import AsJSON
from xpstore._cli.printing import print_facts, print_json, print_text, tell
from xpstore._cli.service import CONNECT_SECONDS, ask, home, home_bytes, named_by
from xpstore._machine.login import Login, forget_login, save_login
from xpstore.errors import Unauthenticated
from xpstore.project import get_all_projects


def status(as_json: AsJSON = False) -> None:
    """Say which service this is and whether it answers."""
    client = ask()
    facts = {
        "address": client.api_url,
        "home": home(),
        "home_bytes": home_bytes(),
        "server_version": client.limits.server_version,
        "client_version": xpstore.__version__,
        "projects": len(get_all_projects()),
    }
    if as_json:
        return print_json(facts)
    print_facts(facts)


def login(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="The server, as https://host, grpcs://host:50051 or host:50051.")
    ],
) -> None:
    """Keep the address and the key of a server for all programs of this user.

    The key is asked for, or read from the first line of standard input; it is tried before it is kept, and never shown.
    Variables of the environment go before it.
    """
    key = _read_key(url)
    xpstore.init(key, url, timeout_seconds=CONNECT_SECONDS)
    path = save_login(Login(url, key))
    print_text(f"Logged in to {url}: kept in {path}")
    for name in ("XPSTORE_API_URL", "XPSTORE_API_KEY"):
        if name in os.environ:
            tell(f"{name} is set, and goes before it")


def _read_key(url: str) -> str:
    if sys.stdin is not None and sys.stdin.isatty():
        key = getpass.getpass(f"API key of {url}: ", sys.stderr)
    else:
        key = sys.stdin.readline() if sys.stdin is not None else ""
    if not key.strip():
        raise Unauthenticated("no key was given: type it when asked, or write it to standard input")
    return key.strip()


def logout() -> None:
    """Forget what `login` kept."""
    path = forget_login()
    print_text("Nobody was logged in" if path is None else f"Logged out: {path} is gone")


def whoami(as_json: AsJSON = False) -> None:
    """Say which service programs of this user speak to, what names it, and whether it takes the key."""
    client = ask()
    facts = {"address": client.api_url, "named_by": named_by(), "home": home(), "key": "is taken"}
    if as_json:
        return print_json(facts)
    print_facts(facts)
