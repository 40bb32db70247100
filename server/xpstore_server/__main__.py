"""The command `xpstore-server`: serve, migrate, gc, rebuild-index, keys."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

try:
    import typer
except ModuleNotFoundError as missing:
    raise SystemExit(f"xpstore-server: {missing}: pip install 'xpstore[server]'") from None

from xpstore_server import embedded, logs, malloc
from xpstore_server.core import access
from xpstore_server.core.errors import ServiceError
from xpstore_server.settings import InvalidSettings, Settings, StartError, load
from xpstore_server.store import migrate as migration
from xpstore_server.store.database import Database
from xpstore_server.store.engines import parse_url
from xpstore_server.store.errors import StoreError
from xpstore_server.store.sweep import NO_GRACE

if TYPE_CHECKING:
    from xpstore_server.app import Stores  # for types alone: `_stores` says why

cli = typer.Typer(help="The xpstore server.", no_args_is_help=True, pretty_exceptions_enable=False)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
cli.add_typer(keys, name="keys")

DatabaseURL = Annotated[str | None, typer.Option(help="Default: XPSTORE_DATABASE_URL, else SQLite in data_dir.")]
BlobURL = Annotated[str | None, typer.Option(help="file:///FOLDER or s3://KEY:SECRET@HOST/BUCKET")]
DataDir = Annotated[Path | None, typer.Option(help="Where the default database and blobs are.")]


@cli.command()
def serve(
    listen: Annotated[str | None, typer.Option(help="HOST:PORT or unix:PATH, separated by commas.")] = None,
    database_url: DatabaseURL = None,
    blob_url: BlobURL = None,
    data_dir: DataDir = None,
    home: Annotated[Path | None, typer.Option(help="Run as the embedded service of this folder.")] = None,
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
        os.umask(0o077)
        embedded.make_private(settings.home)
    with contextlib.ExitStack() as stack:
        for lock in _lock_paths(settings):
            stack.enter_context(embedded.held(lock))
        from xpstore_server.app import App  # when the lock is had: importing gRPC takes a while

        asyncio.run(App(settings).serve())


def _lock_paths(settings: Settings) -> list[Path]:
    """A home has one server, and so has SQLite: its writer thread is what keeps "database is locked" away."""
    paths = [] if settings.home is None else [settings.home / "server.lock"]
    url = parse_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        paths.append(Path(f"{Path(str(url.database)).resolve()}.server.lock"))
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
    with _stores(settings) as stores:
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
def _stores(settings: Settings) -> "Iterator[Stores]":
    from xpstore_server.app import Stores  # here, as importing gRPC takes a while: `keys` needs none of it

    logs.configure(settings.log_level)
    stores = Stores(settings)
    try:
        yield stores
    finally:
        stores.close()


def main() -> None:
    """Run the command line; errors that a person can mend take one line."""
    try:
        cli()
    except embedded.HomeInUse as error:
        print(f"xpstore-server: {error}", file=sys.stderr)
        sys.exit(embedded.HOME_IN_USE)
    except (InvalidSettings, StartError, StoreError, ServiceError, embedded.UnsafeFolder) as error:
        sys.exit(f"xpstore-server: {error}")
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"xpstore-server: {error.filename}: {error.strerror}")


if __name__ == "__main__":
    main()
