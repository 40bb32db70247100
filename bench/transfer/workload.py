"""The files that are sent."""

import os
import random
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from bench.transfer.clients import files_below
from bench.transfer.plan import MIB, Plan

# The client's index of files trusts none that is younger than this: a later write might not move its time stamp.
SETTLED_SECONDS = 3.5
FILES_PER_FOLDER = 500


@dataclass(frozen=True, slots=True)
class Sources:
    """What each workload sends: a file or folder, or one for each of the clients at once."""

    large: Path
    changed: Path
    inserted: Path
    few: Path
    many: Path
    some_of_many: Path
    clients: tuple[Path, ...]
    crowd: tuple[Path, ...]


def make_sources(folder: Path, plan: Plan) -> Sources:
    """Makes them below a folder, and waits until they count as settled."""
    folder.mkdir()
    large = folder / "large.bin"
    _write_random(large, plan.file_bytes)
    sources = Sources(
        large=large,
        changed=_changed(large, folder / "changed.bin", plan),
        inserted=_inserted(large, folder / "inserted.bin", plan),
        few=_tree(folder / "few", plan.few_files, plan.few_file_bytes),
        many=_tree(folder / "many", plan.many_files, plan.many_file_bytes),
        some_of_many=_tree(folder / "some", plan.slow_files, plan.many_file_bytes),
        clients=_several(folder / "clients", plan.clients, plan.client_bytes),
        crowd=_several(folder / "crowd", plan.crowd, plan.crowd_bytes),
    )
    os.sync()
    time.sleep(SETTLED_SECONDS)
    return sources


def size_of(source: Path) -> int:
    return sum(path.stat().st_size for path, _ in files_below(source))


def warm(source: Path) -> None:
    """Reads everything once, so that it is in the page cache for all alike."""
    for path, _ in files_below(source):
        with path.open("rb", buffering=0) as file:
            while file.read(MIB):
                pass


def _write_random(path: Path, size_bytes: int) -> None:
    with path.open("wb") as file:
        for offset in range(0, size_bytes, MIB):
            file.write(os.urandom(min(MIB, size_bytes - offset)))


def _changed(source: Path, target: Path, plan: Plan) -> Path:
    """A copy of which a share was written anew, in regions that lie on no boundary and do not touch."""
    shutil.copyfile(source, target)
    regions = max(1, round(plan.file_bytes * plan.changed_share / plan.region_bytes))
    stride = plan.file_bytes // regions
    draw = random.Random(5)
    with target.open("r+b") as file:
        for region in range(regions):
            file.seek(region * stride + draw.randrange(stride - plan.region_bytes))
            file.write(os.urandom(plan.region_bytes))
    return target


def _inserted(source: Path, target: Path, plan: Plan) -> Path:
    with source.open("rb") as reader, target.open("wb") as writer:
        writer.write(os.urandom(plan.inserted_bytes))
        shutil.copyfileobj(reader, writer, MIB)
    return target


def _tree(folder: Path, files: int, size_bytes: int) -> Path:
    for number in range(files):
        path = folder / f"{number // FILES_PER_FOLDER:03}" / f"{number:06}.bin"
        if number % FILES_PER_FOLDER == 0:
            path.parent.mkdir(parents=True)
        path.write_bytes(os.urandom(size_bytes))
    return folder


def _several(folder: Path, files: int, size_bytes: int) -> tuple[Path, ...]:
    folder.mkdir()
    paths = tuple(folder / f"{number:02}.bin" for number in range(files))
    for path in paths:
        _write_random(path, size_bytes)
    return paths
