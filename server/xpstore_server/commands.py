"""What `xpstore-server gc` and `rebuild-index` do, and what they tell a person."""

import typer

from xpstore_server.app import Stores
from xpstore_server.core.garbage.rebuild_index import Rebuilt
from xpstore_server.store import bucket
from xpstore_server.store.bucket import Verified
from xpstore_server.store.sweep import Grace, Swept


def collect(stores: Stores, grace: Grace, *, repack_all: bool, dry_run: bool, verify_bucket: bool) -> bool:
    """Frees bytes, or says what would be freed. Returns whether bucket and database agree, if that was asked."""
    if dry_run:
        swept = stores.collector.preview(grace, repack_all=repack_all)
    else:
        swept = stores.collector.collect(grace, repack_all=repack_all)
    if dry_run:
        typer.echo("Nothing is changed. What would be, now and when its grace is over:")
    _show(_swept(swept))
    return not verify_bucket or _verify(stores, dry_run)


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
    removed = bucket.Removed()
    if (verified.unknown_objects or verified.hidden_objects) and verified.is_sound and not dry_run:
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
        **_held(swept.held_objects, f" ({readable(swept.held_bytes)})"),
    }


def _held(objects: int, size: str = "") -> dict[str, object]:
    """Told where it happens: few buckets do that."""
    return {"held by the bucket, not freed": f"{objects}{size}"} if objects else {}


def _verified(verified: Verified, removed: bucket.Removed) -> dict[str, object]:
    return {
        "objects in the bucket": verified.objects,
        "damaged packs": verified.damaged_packs,
        "unknown objects": f"{verified.unknown_objects} ({readable(verified.unknown_bytes)})",
        "deleted, but kept by it": f"{verified.hidden_objects} ({readable(verified.hidden_bytes)})",
        "of these removed": f"{removed.objects} ({readable(removed.bytes)})",
        **_held(removed.held_objects),
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
