"""What `xpstore-server gc` and `rebuild-index` do, and what they tell a person."""

from datetime import timedelta

import typer

from xpstore_server.app import Stores
from xpstore_server.core.garbage.rebuild_index import Rebuilt
from xpstore_server.store import bucket, limbo
from xpstore_server.store.bucket import Verified
from xpstore_server.store.clock import SECOND_US
from xpstore_server.store.database import Database
from xpstore_server.store.sweep import NO_GRACE, Ends, Grace, Swept

# A server looks every minute, and not in its first five: by so much more a clock is not believed to be right.
SEEN_FOR_US = 600 * SECOND_US


def collect(
    stores: Stores, grace: Grace, *, repack_all: bool, dry_run: bool, verify_bucket: bool, trust_clock: bool = False
) -> bool:
    """Frees bytes, or says what would be freed. Returns whether bucket and database agree, if that was asked."""
    ends = _ends(stores.database, grace, trust_clock)
    if dry_run:
        swept = stores.collector.preview(ends, repack_all=repack_all)
    else:
        swept = stores.collector.collect(ends, repack_all=repack_all)
    if dry_run:
        typer.echo("Nothing is changed. What would be, now and when its grace is over:")
    _show(_swept(swept))
    return not verify_bucket or _verify(stores, dry_run)


def _ends(database: Database, grace: Grace, trust_clock: bool) -> Ends:
    """Where graces end. A command has no clock of its own to compare with: it has when a server looked last."""
    now, seen = database.read(lambda tx: (tx.now_us(), limbo.seen_us(tx)))
    if trust_clock or grace == NO_GRACE or seen is None or now <= seen + SEEN_FOR_US:
        return grace.ends(now)
    ahead = timedelta(seconds=(now - seen) // SECOND_US)
    _complain(f"a server saw the database's clock last {ahead} (h:m:s) ago: what became due since then stays.")
    _complain("Run a server for ten minutes or, if the clock is right, say --trust-clock.")
    return grace.ends(seen + SEEN_FOR_US)


def rebuild(stores: Stores) -> bool:
    """Completes the index. Returns whether nothing is damaged."""
    rebuilt = stores.index_builder.run(_complain)
    _show(_rebuilt(rebuilt))
    return not rebuilt.damaged_objects and not rebuilt.incomplete_versions


def readable(size_bytes: int) -> str:
    """A number of bytes for a person."""
    size, units = float(size_bytes), ["KiB", "MiB", "GiB", "TiB"]
    if size_bytes < 1024:
        return f"{size_bytes} bytes"
    unit = ""
    while size >= 1024 and units:
        size, unit = size / 1024, units.pop(0)
    return f"{size:.1f} {unit}"


def _verify(stores: Stores, dry_run: bool) -> bool:
    verified = bucket.verify(stores.database, stores.blobs, _complain)
    removed = (0, 0)
    if verified.unknown_objects and verified.is_sound and not dry_run:
        removed = bucket.remove_unknown(stores.database, stores.blobs)
    _show(_verified(verified, removed))
    if verified.unknown_objects and not verified.is_sound:
        _complain("objects that no row names are left alone: they may hold what is missing")
    return verified.is_sound


def _swept(swept: Swept) -> dict[str, object]:
    return {
        "purged versions": swept.purged_versions,
        "purged projects": swept.purged_projects,
        "condemned packs": swept.condemned_packs,
        "repacked packs": swept.repacked_packs,
        "written again": readable(swept.written_bytes),
        "removed objects": swept.removed_objects,
        "freed": readable(swept.freed_bytes),
    }


def _verified(verified: Verified, removed: tuple[int, int]) -> dict[str, object]:
    return {
        "objects in the bucket": verified.objects,
        "damaged packs": verified.damaged_packs,
        "unknown objects": f"{verified.unknown_objects} ({readable(verified.unknown_bytes)})",
        "of these removed": f"{removed[0]} ({readable(removed[1])})",
        "not ours, left alone": verified.foreign_objects,
    }


def _rebuilt(rebuilt: Rebuilt) -> dict[str, object]:
    return {
        "packs looked at": rebuilt.objects,
        "added packs": rebuilt.added_packs,
        "added chunks": rebuilt.added_chunks,
        "added edges": rebuilt.added_edges,
        "damaged packs": rebuilt.damaged_objects,
        "incomplete versions": rebuilt.incomplete_versions,
    }


def _show(lines: dict[str, object]) -> None:
    width = max(map(len, lines)) + 2
    for name, value in lines.items():
        typer.echo(f"{name:{width}}{value}")


def _complain(line: str) -> None:
    typer.echo(f"xpstore-server: {line}", err=True)
