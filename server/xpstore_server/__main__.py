"""The command `xpstore-server`: serve, migrate, keys."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError as missing:
    raise SystemExit(f"xpstore-server: {missing}: pip install 'xpstore[server]'") from None

from xpstore_server import embedded, logs, memory
from xpstore_server.core import access
from xpstore_server.core.errors import ServiceError
from xpstore_server.settings import InvalidSettings, Settings, load
from xpstore_server.store import migrate as migration
from xpstore_server.store.database import Database, parse_url
from xpstore_server.store.errors import StoreError

cli = typer.Typer(help="The xpstore server.", no_args_is_help=True, pretty_exceptions_enable=False)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
cli.add_typer(keys, name="keys")

DatabaseURL = Annotated[str | None, typer.Option(help="Default: XPSTORE_DATABASE_URL, else SQLite in data_dir.")]


@cli.command()
def serve(
    listen: Annotated[str | None, typer.Option(help="HOST:PORT or unix:PATH, separated by commas.")] = None,
    database_url: DatabaseURL = None,
    blob_url: Annotated[str | None, typer.Option(help="file:///FOLDER or s3://KEY:SECRET@HOST/BUCKET")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the default database and blobs are.")] = None,
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
    memory.share_arenas()
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


def main() -> None:
    """Run the command line; errors that a person can mend take one line."""
    try:
        cli()
    except embedded.HomeInUse as error:
        print(f"xpstore-server: {error}", file=sys.stderr)
        sys.exit(embedded.HOME_IN_USE)
    except (InvalidSettings, StoreError, ServiceError, embedded.UnsafeFolder) as error:
        sys.exit(f"xpstore-server: {error}")
    except OSError as error:
        if error.filename is None:
            raise
        sys.exit(f"xpstore-server: {error.filename}: {error.strerror}")
    except Exception as error:
        if type(error).__name__ != "StartError":
            raise
        sys.exit(f"xpstore-server: {error}")


if __name__ == "__main__":
    main()
