"""What `xpstore-server doctor` looks at: each finding says what is wrong and what to do about it."""

import os
import resource
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from sqlalchemy import func, select

from xpstore_server import reaching, rights
from xpstore_server.locations import UNIX, shown
from xpstore_server.settings import Settings, StartError
from xpstore_server.status import folders, name_of_database, opened
from xpstore_server.store.blobs.opened import bucket_folder, open_blobs
from xpstore_server.store.engines import sqlite_file
from xpstore_server.store.errors import StoreError
from xpstore_server.store.room import Disk, Reserve
from xpstore_server.store.schema import HEAD, revision
from xpstore_server.store.tables import artifact_version, model, pack
from xpstore_server.store.transaction import Transaction
from xpstore_server.store.writers import translated

# What a clock may be off before leases, undo windows and signatures of S3 suffer.
SKEW_SECONDS = 30.0
RENEW_SECONDS = 14 * 86_400
FEWEST_DESCRIPTORS = 1_024
ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen of one thing."""

    about: str
    is_well: bool
    text: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Looks at everything, one after the other; what cannot be looked at is a finding too."""
    parts: list[tuple[str, Callable[[Settings], Iterator[Finding]]]] = [
        ("disk", _disks),
        ("rights", _rights),
        ("descriptors", _descriptors),
        ("ports", _ports),
        ("tls", _tls),
        ("database", _database),
        ("bucket", _bucket),
    ]
    for about, look in parts:
        try:
            yield from look(settings)
        except (StoreError, StartError, OSError) as error:
            yield Finding(about, False, shown(error))


def _disks(settings: Settings) -> Iterator[Finding]:
    for name, folder in folders(settings).items():
        disk, where = Disk(f"the {name}'s disk", folder, settings.disk_reserve_mib), shown(folder)
        if os.statvfs(folder).f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK):
            yield Finding("disk", False, f"{where} ({name}) cannot be written: mount it for writing, or chown it")
        elif not disk.has_room():
            cure = "make room, or delete versions and run `xpstore-server gc --now`"
            yield Finding("disk", False, f"{disk.full()[:-1]} ({where}): {cure}")
        else:
            yield Finding("disk", True, f"{where} ({name}) has {disk.free_bytes >> 20} MiB free")
    file = sqlite_file(settings.database_url)
    if file is not None and file.exists():
        reserve = Reserve(file, Disk("", file.parent, settings.disk_reserve_mib))
        if reserve.held_bytes == 0:
            yield Finding("disk", False, f"the reserve {shown(reserve.path)} is used up: make room, `serve` refills it")


def _rights(settings: Settings) -> Iterator[Finding]:
    file, bucket = sqlite_file(settings.database_url), bucket_folder(settings.blob_url)
    paths = [*(rights.files_of(file) if file else ()), bucket, settings.home, settings.admin_key_file, settings.tls_key]
    wide = [path for path, _ in rights.wide(path for path in paths if path is not None)]
    for path in wide:
        yield Finding("rights", False, f"others may use {shown(path)}: chmod go= it")
    if not wide:
        yield Finding("rights", True, "files are their owner's alone")


def _descriptors(settings: Settings) -> Iterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FEWEST_DESCRIPTORS:
        cure = "raise the hard limit (ulimit -Hn, LimitNOFILE)"
        yield Finding("descriptors", False, f"{hard} open files, so fewer clients than that: {cure}")
    else:
        yield Finding("descriptors", True, "unlimited" if hard == resource.RLIM_INFINITY else f"{hard} open files")


def _ports(settings: Settings) -> Iterator[Finding]:
    for address in settings.listen:
        yield _port(shown(address), address, "XPSTORE_LISTEN", partial(reaching.ask_health, settings, address))
    for address in settings.http_listen:
        ask = partial(reaching.ask_health_over_http, settings, address)
        yield _port(f"{shown(address)}, for HTTP", address, "XPSTORE_HTTP_LISTEN", ask)


def _port(where: str, address: str, setting: str, ask: Callable[[], str]) -> Finding:
    if address.endswith(":0") and not address.startswith(UNIX):
        return Finding("ports", True, f"{where}: any free port")
    health = ask()
    if health == "NOT_SERVING":
        return Finding("ports", False, f"{where}: the server says NOT_SERVING: see below, and its log")
    if health != reaching.NO_ANSWER:
        return Finding("ports", True, f"{where}: the server says {health}")
    if reaching.is_taken(address):
        return Finding("ports", False, f"{where}: another program listens there: stop it, or change {setting}")
    return Finding("ports", True, f"{where}: free, no server is running")


def _tls(settings: Settings) -> Iterator[Finding]:
    if settings.tls_cert is None:
        yield Finding("tls", True, "not used")
        return
    certificate = reaching.read_certificate(settings.tls_cert)
    left = ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()
    begins = ssl.cert_time_to_seconds(certificate["notBefore"]) - time.time()
    where, until = shown(settings.tls_cert), certificate["notAfter"]
    if left <= 0 or begins > 0:
        when = f"ended {until}" if left <= 0 else f"begins {certificate['notBefore']}"
        yield Finding("tls", False, f"{where} is not valid now, it {when}: put another one there and restart")
    elif left < RENEW_SECONDS:
        yield Finding("tls", False, f"{where} ends {until}: renew it and restart")
    else:
        yield Finding("tls", True, f"{where} for {', '.join(reaching.names_of(certificate))} is valid until {until}")


def _database(settings: Settings) -> Iterator[Finding]:
    database = opened(settings)
    try:
        with translated(), database.engine.connect() as connection:
            found = revision(connection)
        if found != HEAD:
            cure = "run `xpstore-server migrate`, or `serve`"
            yield Finding("database", False, f"its schema is {found}, that of this release {HEAD}: {cure}")
            return
        database.check(ANSWER_SECONDS)
        yield Finding("database", True, name_of_database(settings))
        ours, theirs = time.time(), database.read(lambda tx: tx.now_us()) / 1_000_000
        ahead = database.read(_newest_us) / 1_000_000 - theirs
        if abs(theirs - ours) > SKEW_SECONDS:
            yield Finding("clock", False, f"the database's is {theirs - ours:+.0f} s off this one's: set both by NTP")
        elif ahead > SKEW_SECONDS:
            yield Finding("clock", False, f"rows are dated {ahead:.0f} s ahead: a clock is or was wrong, set it by NTP")
        else:
            yield Finding("clock", True, "agrees with the database's")
    finally:
        database.close()


def _newest_us(tx: Transaction) -> int:
    queries = [select(func.max(table.c.created_at_us)) for table in (pack, artifact_version, model)]
    return max(tx.execute(query).scalar() or 0 for query in queries)


def _bucket(settings: Settings) -> Iterator[Finding]:
    folder = bucket_folder(settings.blob_url)
    if folder is not None and not folder.exists():
        yield Finding("bucket", True, f"{shown(folder)} is not there yet: `serve` makes it")
        return
    blobs = open_blobs(
        settings.blob_url, 2, credentials_file=settings.blob_credentials_file, ca_file=settings.blob_ca_file
    )
    try:
        blobs.check(ANSWER_SECONDS)
        place, *rest = blobs.describe()
        yield Finding("bucket", True, place)
        for line in rest:
            yield Finding("bucket", True, f"know that it is so: {line}")
    finally:
        blobs.close()
