"""What the commands of `xpstore-server` do, and what they tell a person."""

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import typer

from xpstore_server.app import Stores
from xpstore_server.core.garbage.rebuild_index import Rebuilt
from xpstore_server.doctor import Finding
from xpstore_server.locations import shown
from xpstore_server.store import bucket, limbo
from xpstore_server.store.bucket import Verified
from xpstore_server.store.clock import SECOND_US
from xpstore_server.store.database import Database
from xpstore_server.store.errors import StoreError
from xpstore_server.store.maintenance import maintain
from xpstore_server.store.scrub import Pace, Scrubbed, scrub
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
        try:
            maintain(stores.database)
        except StoreError as error:  # on a full disk, say: what was freed is freed
            _complain(f"the database was not tidied up: {error}")
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


def scrub_packs(stores: Stores, mib_per_second: float, after: tuple[str, str]) -> bool:
    """Reads all packs. Returns whether none is damaged."""
    scrubbed = Scrubbed(at=after)
    try:
        scrub(stores.database, stores.blobs, Pace(mib_per_second * (1 << 20)), scrubbed, _complain)
    except BaseException:
        if scrubbed.packs:
            _complain(f"broken off after {scrubbed.packs} packs; to go on: scrub --after {'/'.join(scrubbed.at)}")
        raise
    _show(
        {
            "packs read": scrubbed.packs,
            "chunks verified": scrubbed.chunks,
            "bytes read": readable(scrubbed.read_bytes),
            "damaged packs": scrubbed.damaged_packs,
        }
    )
    return not scrubbed.damaged_packs


def show_status(found: dict[str, Any], *, as_json: bool) -> bool:
    """Prints a status. Returns whether every address serves."""
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        lines = {name.replace("_", " "): value for name, value in found.items() if not isinstance(value, dict)}
        lines["stored"] = readable(lines.pop("stored bytes"))
        lines |= {f"free for the {name}": readable(size) for name, size in found["free_bytes"].items()}
        lines |= {shown(address): health for address, health in found["health"].items()}
        _show(lines)
    return all(health == "SERVING" for health in found["health"].values())


def show_findings(findings: Iterable[Finding]) -> bool:
    """Prints a line for each finding. Returns whether all is well."""
    is_well = True
    for finding in findings:
        is_well = is_well and finding.is_well
        typer.echo(f"{'ok' if finding.is_well else 'WRONG':6}{finding.about:13}{finding.text}")
    return is_well


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
        "purged experiments": swept.purged_experiments,
        "purged models": swept.purged_models,
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
