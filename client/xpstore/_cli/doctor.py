"""`xpstore doctor`: what may be wrong between this machine and the service."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer

import xpstore
from xpstore._cli.arguments import AsCSV, AsJSON
from xpstore._cli.printing import print_rows
from xpstore._cli.service import ask, home, is_named, named_by
from xpstore._machine.login import saved_login
from xpstore._machine.settings import cache_folder, spool_folder
from xpstore._offline.store import FILE_NAME, MEDIA_FILE_NAME
from xpstore._service import embedded
from xpstore._service.address import parse_address
from xpstore._spool.segment import server_folder, size_bytes
from xpstore.errors import Error
from xpstore.project import get_all_projects
from xpstore.v1 import model_pb2

# A clock that is further off makes times of metrics and runs misleading.
CLOCK_SECONDS = 60.0
# Less room is soon gone.
ROOM_BYTES = 1 << 30
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
_GOOD, _DOUBTFUL, _BAD = "ok", "look", "bad"

Finding = tuple[str, str]


def doctor(as_json: AsJSON = False, as_csv: AsCSV = False) -> None:
    """Check address, TLS, key, clock, versions, spool and disk room; exits with 1 if something is bad."""
    rows = list(_findings())
    print_rows(("what", "result", "detail"), rows, as_json, as_csv)
    if any(row["result"] == _BAD for row in rows):
        raise typer.Exit(1)


def _findings() -> Iterator[dict[str, Any]]:
    asked = list[xpstore.Client]()
    checks: list[tuple[str, Callable[[], Finding | None]]] = [
        ("named by", lambda: (_GOOD, named_by())),
        ("address", _address),
        ("proxy", _proxy),
        ("service", lambda: _service(asked)),
        ("version", lambda: _version(asked[0]) if asked else None),
        ("clock", lambda: _clock(asked[0]) if asked else None),
        ("spool", lambda: _spool(asked[0] if asked else None)),
        *((f"room of {what}", lambda folder=folder: _room(folder())) for what, folder in _FOLDERS.items()),
    ]
    for what, check in checks:
        try:
            found = check()
        except (Error, OSError) as error:
            found = _BAD, f"{type(error).__name__}: {error}"
        if found is not None:
            yield {"what": what, "result": found[0], "detail": found[1]}


def _address() -> Finding:
    if not is_named():
        return _GOOD, f"the embedded service of {home()}"
    url = _url()
    if url is None:
        return _BAD, "a key is set, and no address: set XPSTORE_API_URL"
    address = parse_address(url)
    if not address.is_tls:
        return _GOOD, f"{url}, in plaintext on this machine"
    authority = os.environ.get("XPSTORE_TLS_CA")
    return _GOOD, f"{url}, with TLS by {authority or 'the authorities that gRPC has'}"


def _url() -> str | None:
    """The address that is named, None if there is only a key."""
    login = saved_login() if "XPSTORE_API_KEY" not in os.environ else None
    return os.environ.get("XPSTORE_API_URL") or (login.api_url if login else None)


def _proxy() -> Finding | None:
    names = [name for name in _PROXIES if os.environ.get(name)]
    if not names or not is_named() or (url := _url()) is None or parse_address(url).is_loopback:
        return None
    return _DOUBTFUL, f"calls go through that of {names[0]}, unless no_proxy names the host"


def _service(asked: list[xpstore.Client]) -> Finding:
    if not is_named() and embedded.find() is None:
        return _DOUBTFUL, "no embedded service runs: the next program or `xpstore put` starts it"
    began = time.monotonic()
    asked.append(ask())
    return _GOOD, f"answers and takes the key, in {1000 * (time.monotonic() - began):.0f} ms"


def _version(client: xpstore.Client) -> Finding:
    limits = client.limits
    told = f"server {limits.server_version}, client {xpstore.__version__}, contract {limits.contract_version}"
    return (_GOOD if limits.server_version == xpstore.__version__ else _DOUBTFUL), told


def _clock(client: xpstore.Client) -> Finding:
    project = next(iter(get_all_projects()), None)
    if project is None:
        return _GOOD, "not compared: there is no project yet to ask about"
    request = model_pb2.SearchModelsRequest(project_uid=project.uid, columns=["step"], page_size=1)
    began = time.time()
    now = client.call(client.stubs.models.SearchModels, request).now_us / 1_000_000
    # The server read its clock at some time during the call.
    ahead = max(began - now, 0.0) or min(time.time() - now, 0.0)
    if abs(ahead) <= CLOCK_SECONDS:
        return _GOOD, f"differs from the server's by {abs(ahead):.1f} s at least"
    return _BAD, f"is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the server's: set it by NTP"


def _spool(client: xpstore.Client | None) -> Finding:
    folder = spool_folder()
    if not folder.is_dir():
        return _GOOD, f"{folder} is not there: nothing waits"
    own = server_folder(folder, client.server) if client is not None else None
    waiting = [one for one in folder.iterdir() if one.is_dir() and _writers(one)]
    here = _writers(own) if own is not None and own.is_dir() else 0
    others = len([one for one in waiting if one != own])
    told = f"{folder}: {here} writers for this server, {others} other servers, {size_bytes(folder) >> 20} MiB"
    return (_DOUBTFUL, f"{told}; `xpstore sync` sends what programs left that are gone") if here else (_GOOD, told)


def _writers(folder: Path) -> int:
    """Programs that left something, or still run; artifacts that wait count as one, and so do media."""
    names = [entry.name for entry in folder.iterdir()]
    return sum(not name.startswith(".") for name in names) + (FILE_NAME in names) + (MEDIA_FILE_NAME in names)


_FOLDERS: dict[str, Callable[[], Path | None]] = {
    "the spool": spool_folder,
    "the cache": cache_folder,
    "the embedded service": lambda: None if is_named() else embedded.home(),
}


def _room(folder: Path | None) -> Finding | None:
    if folder is None:
        return None
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return (_GOOD if free >= ROOM_BYTES else _BAD), f"{free / (1 << 30):.1f} GiB are free at {folder}"
