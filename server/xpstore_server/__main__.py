"""The command `xpstore-server`: serve, status, doctor, migrate, gc, scrub, rebuild-index, keys."""

import asyncio
import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

try:
    import typer
except ModuleNotFoundError as missing:
    raise SystemExit(f"xpstore-server: {missing}: pip install 'xpstore[server]'") from None

from xpstore_server import embedded, logs, malloc
from xpstore_server.core import access
from xpstore_server.core.errors import ServiceError
from xpstore_server.locations import shown
from xpstore_server.settings import InvalidSettings, Settings, StartError, load, unknown
from xpstore_server.store import migrate as migration
from xpstore_server.store.database import Database
from xpstore_server.store.engines import sqlite_file
from xpstore_server.store.errors import StoreError
from xpstore_server.store.ids import NIL
from xpstore_server.store.sweep import NO_GRACE

if TYPE_CHECKING:
    from xpstore_server.app import Stores  # for types alone: `_stores` says why

cli = typer.Typer(help="The xpstore server.", no_args_is_help=True, pretty_exceptions_enable=False)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
cli.add_typer(keys, name="keys")

# Of this machine, and without a name: a full disk, too many open files.
LOCAL_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.EIO)

DatabaseURL = Annotated[str | None, typer.Option(help="Default: XPSTORE_DATABASE_URL, else SQLite in data_dir.")]
BlobURL = Annotated[str | None, typer.Option(help="file:///FOLDER or s3://KEY:SECRET@HOST/BUCKET")]
DataDir = Annotated[Path | None, typer.Option(help="Where the default database and blobs are.")]

Listen = Annotated[str | None, typer.Option(help="HOST:PORT or unix:PATH, separated by commas.")]
Home = Annotated[Path | None, typer.Option(help="Of the embedded service of this folder.")]


@cli.command()
def serve(
    listen: Listen = None,
    database_url: DatabaseURL = None,
    blob_url: BlobURL = None,
    data_dir: DataDir = None,
    home: Home = None,
    admin_key_file: Annotated[Path | None, typer.Option(help="File with the admin's API key.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key, PEM.")] = None,
    allow_plaintext: Annotated[bool | None, typer.Option(help="No TLS beyond loopback.")] = None,
    log_level: Annotated[str | None, typer.Option(help="DEBUG, INFO, WARNING or ERROR.")] = None,
) -> None:
    """Run the service until SIGTERM. Every flag is also an environment variable XPSTORE_*."""
    settings = load(**locals())
    logs.configure(settings.log_level)
    malloc.share_arenas()
    if settings.home is not None:
        embedded.make_private(settings.home)
    with contextlib.ExitStack() as stack:
        for lock in _lock_paths(settings):
            stack.enter_context(embedded.held(lock))
        from xpstore_server.app import App  # when the lock is had: importing gRPC takes a while

        asyncio.run(App(settings).serve())


def _lock_paths(settings: Settings) -> list[Path]:
    """A home has one server, and so has SQLite: its writer thread is what keeps "database is locked" away."""
    paths = [] if settings.home is None else [settings.home / "server.lock"]
    if file := sqlite_file(settings.database_url):
        paths.append(file.with_name(f"{file.name}.server.lock"))
    return paths


@cli.command()
def migrate(database_url: DatabaseURL = None) -> None:
    """Bring the database to the schema of this release. `serve` does it too."""
    with _database(database_url) as database:
        typer.echo("Migrated." if migration.upgrade(database) else "The schema is up to date.")


@cli.command()
def gc(
    now: Annotated[bool, typer.Option("--now", help="No undo window and no grace at all.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, say what would go.")] = False,
    repack: Annotated[
        str, typer.Option(help="'due': packs of which enough is dead; 'all': all with dead bytes.")
    ] = "due",
    verify_bucket: Annotated[bool, typer.Option("--verify-bucket", help="Compare bucket and database too.")] = False,
    trust_clock: Annotated[
        bool, typer.Option("--trust-clock", help="The clock is right although no server has seen it go there.")
    ] = False,
    database_url: DatabaseURL = None,
    blob_url: BlobURL = None,
    data_dir: DataDir = None,
) -> None:
    """Free the bytes of what was deleted. The server does it too, every hour; both may run at the same time."""
    if repack not in ("due", "all"):
        raise InvalidSettings(f"--repack: write 'due' or 'all', not {repack!r}")
    settings = load(database_url=database_url, blob_url=blob_url, data_dir=data_dir)
    with _stores(settings, is_emptying=now) as stores:
        from xpstore_server import commands  # here, as it imports gRPC too
        from xpstore_server.app import grace  # the same

        is_sound = commands.collect(
            stores,
            NO_GRACE if now else grace(settings),
            repack_all=repack == "all",
            dry_run=dry_run,
            verify_bucket=verify_bucket,
            trust_clock=trust_clock,
        )
    raise typer.Exit(0 if is_sound else 1)


@cli.command("rebuild-index")
def rebuild_index(database_url: DatabaseURL = None, blob_url: BlobURL = None, data_dir: DataDir = None) -> None:
    """Add what the index of chunks lacks, from the packs themselves."""
    with _stores(load(database_url=database_url, blob_url=blob_url, data_dir=data_dir)) as stores:
        from xpstore_server import commands  # here, as it imports gRPC too

        is_sound = commands.rebuild(stores)
    raise typer.Exit(0 if is_sound else 1)


@cli.command()
def scrub(
    mib_per_second: Annotated[float, typer.Option(min=0.1, help="How much to read at most.")] = 50.0,
    after: Annotated[
        str, typer.Option(help="PROJECT/PACK: go on behind it, as a scrub that was broken off says.")
    ] = "",
    database_url: DatabaseURL = None,
    blob_url: BlobURL = None,
    data_dir: DataDir = None,
) -> None:
    """Read every pack and verify each chunk; damaged packs are named, with the versions that need them."""
    settings = load(database_url=database_url, blob_url=blob_url, data_dir=data_dir)
    behind = _pack_of(after)
    with _stores(settings) as stores:
        from xpstore_server import commands  # here, as it imports gRPC too

        is_sound = commands.scrub_packs(stores, mib_per_second, behind)
    raise typer.Exit(0 if is_sound else 1)


def _pack_of(text: str) -> tuple[str, str]:
    try:
        pool, pack = (str(UUID(part)) for part in text.split("/")) if text else (NIL, NIL)
    except ValueError:
        raise InvalidSettings(f"--after: write PROJECT/PACK, two ids, not {text!r}") from None
    return pool, pack


@cli.command()
def status(
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    listen: Listen = None,
    database_url: DatabaseURL = None,
    blob_url: BlobURL = None,
    data_dir: DataDir = None,
    home: Home = None,
) -> None:
    """Say what is served, where, and how much. The exit status is 1 if an address does not serve."""
    settings = load(listen=listen, database_url=database_url, blob_url=blob_url, data_dir=data_dir, home=home)
    from xpstore_server import commands  # here, as it imports gRPC too
    from xpstore_server.status import status as found  # the same

    raise typer.Exit(0 if commands.show_status(found(settings), as_json=json) else 1)


@cli.command()
def doctor(
    listen: Listen = None,
    database_url: DatabaseURL = None,
    blob_url: BlobURL = None,
    data_dir: DataDir = None,
    home: Home = None,
) -> None:
    """Say what is wrong and what to do, a line each. The exit status is 1 if anything is."""
    settings = load(listen=listen, database_url=database_url, blob_url=blob_url, data_dir=data_dir, home=home)
    from xpstore_server import commands  # here, as it imports gRPC too
    from xpstore_server.doctor import examine  # the same

    raise typer.Exit(0 if commands.show_findings(examine(settings)) else 1)


@keys.command("create")
def create_key(name: str, database_url: DatabaseURL = None) -> None:
    """Make an API key and print it, the only time it is seen."""
    with _database(database_url) as database:
        typer.echo(database.write(lambda tx: access.create(tx, name)))


@keys.command("list")
def list_keys(database_url: DatabaseURL = None) -> None:
    """List the names of all keys."""
    with _database(database_url) as database:
        for row in database.read(access.list_all):
            typer.echo(f"{row.name}{'  (revoked)' if row.revoked_at_us else ''}")


@keys.command("revoke")
def revoke_key(name: str, database_url: DatabaseURL = None) -> None:
    """Make a key worthless, within ten seconds on running servers."""
    with _database(database_url) as database:
        database.write(lambda tx: access.revoke(tx, name))


@contextlib.contextmanager
def _database(database_url: str | None):  # type: ignore[no-untyped-def]
    database = Database(load(database_url=database_url).database_url)
    try:
        migration.upgrade(database)
        yield database
    finally:
        database.close()


@contextlib.contextmanager
def _stores(settings: Settings, *, is_emptying: bool = False) -> "Iterator[Stores]":
    from xpstore_server.app import Stores  # here, as importing gRPC takes a while: `keys` needs none of it

    logs.configure(settings.log_level)
    stores = Stores(settings, is_emptying=is_emptying)
    try:
        yield stores
    finally:
        stores.close()


def main() -> None:
    """Run the command line; errors that a person can mend take one line."""
    os.umask(0o077)  # all that any command makes holds names, keys or data: it is its user's alone
    try:
        for line in unknown():
            print(f"xpstore-server: {line}", file=sys.stderr)
        cli()
    except embedded.HomeInUse as error:
        _fail(str(error), embedded.HOME_IN_USE)
    except (InvalidSettings, StartError, StoreError, ServiceError, embedded.UnsafeFolder) as error:
        _fail(str(error))
    except OSError as error:
        if error.filename is None and error.errno not in LOCAL_FAULTS:
            raise
        _fail(f"{shown(os.fsdecode(error.filename))}: {error.strerror}" if error.filename else str(error.strerror))


def _fail(message: str, code: int = 1) -> None:
    print(f"xpstore-server: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
