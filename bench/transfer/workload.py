"""What is sent and fetched: how large, how often, the files, and the steps."""

import filecmp
import os
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.figure import say
from bench.transfer.clients import files_below

MIB = 1 << 20
# The client's index of files trusts none that is younger than this: a later write might not move its time stamp.
SETTLED_SECONDS = 3.5
FILES_PER_FOLDER = 500
INDEX = "of the first save"
STORES = ("disk", "SeaweedFS", "MinIO", "stub", "wire")
# What is less is not worth its room on the disk.
LARGE_BYTES = MIB


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Sizes and repetitions.

    Attributes:
        file_bytes: the large file.
        region_bytes: size of each of the regions that are changed in place.
        changed_share: how much of the file they make up.
        inserted_bytes: what is put at its front.
        few_files, few_file_bytes: a folder of small files.
        many_files, many_file_bytes: a folder of many smaller ones.
        slow_files: as many of the latter as peers get that need a call for each: their rate does not depend on it.
        clients: how many at once for throughput, of `client_bytes` each.
        crowd: how many at once to see the server's memory, of `crowd_bytes` each.
        repetitions: of what has a goal, for us and for those the goal names.
        peer_repetitions: of MLflow, and of clients at once.
        is_full: whether the figures mean something: goals are shown, and those take part that have to be installed or
            built first, MLflow and MinIO.
        stores: which of the stores take part; "wire" stands for counting bytes and calls.
        steps: how the names of the steps begin that are done.
        has_mlflow: whether MLflow takes part in a full run.
    """

    file_bytes: int
    region_bytes: int = MIB
    changed_share: float = 0.05
    inserted_bytes: int = MIB
    few_files: int
    few_file_bytes: int = 16 << 10
    many_files: int
    many_file_bytes: int = 4 << 10
    slow_files: int
    clients: int
    client_bytes: int
    crowd: int
    crowd_bytes: int
    repetitions: int
    peer_repetitions: int
    is_full: bool
    stores: tuple[str, ...] = STORES
    steps: tuple[str, ...] = ("",)
    has_mlflow: bool = True


FULL = Plan(
    file_bytes=1 << 30,
    few_files=2_000,
    many_files=20_000,
    slow_files=2_000,
    clients=8,
    client_bytes=128 * MIB,
    crowd=16,
    crowd_bytes=64 * MIB,
    repetitions=5,
    peer_repetitions=3,
    is_full=True,
)
QUICK = Plan(
    file_bytes=24 * MIB,
    few_files=40,
    many_files=200,
    slow_files=20,
    clients=2,
    client_bytes=3 * MIB,
    crowd=3,
    crowd_bytes=2 * MIB,
    repetitions=1,
    peer_repetitions=1,
    is_full=False,
)


@dataclass(frozen=True, slots=True)
class Step:
    """One measured call.

    Attributes:
        name: unique on a store; its first word says what it is stored as.
        title: what it is called in the table, where steps of one title share a row; "" for one that is not shown.
        unit: of its speed: MB/s, files/s, ms for its time alone, or "" when no speed is shown.
        sources: what is sent by each client, or what each must get back.
        runs: how often each contestant does it; those that are not named do not.
        reread: whether we read the file though the client's index knows it.
        index: the client's index to use; "" for an empty one.
    """

    name: str
    title: str
    unit: str
    sources: tuple[Path, ...]
    runs: dict[str, int]
    reread: bool = False
    index: str = ""

    @property
    def key(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def action(self) -> Literal["up", "down"]:
        return "down" if self.name.endswith(" down") else "up"

    @property
    def size_bytes(self) -> int:
        return sum(path.stat().st_size for source in self.sources for path, _ in files_below(source))

    @property
    def file_count(self) -> int:
        return sum(len(files_below(source)) for source in self.sources)

    def file(self, number: int) -> str:
        """Name of the only file that a client fetches; "" for a folder."""
        return self.sources[number].name if self.sources[number].is_file() else ""

    def warm(self) -> None:
        """Reads everything once, so that it is in the page cache for all alike."""
        for source in self.sources:
            for path, _ in files_below(source):
                with path.open("rb", buffering=0) as file:
                    while file.read(MIB):
                        pass

    def check(self, targets: Sequence[Path]) -> None:
        """Compares what each client got with what was sent.

        Raises:
            AssertionError: a file is missing, too many, or has other bytes.
        """
        for source, target in zip(self.sources, targets, strict=True):
            sent, got = files_below(source), files_below(target)
            assert [name for _, name in sent] == [name for _, name in got], f"other files came back for {source.name}"
            for (original, name), (copy, _) in zip(sent, got, strict=True):
                assert filecmp.cmp(original, copy, shallow=False), f"{name} came back with other bytes"


def make_files(folder: Path, plan: Plan) -> dict[str, tuple[Path, ...]]:
    """Makes them below a folder and waits until they count as settled: one path for each client, by what it sends."""
    say("making the files")
    folder.mkdir()
    large = _random_file(folder / "large.bin", plan.file_bytes)
    files = {
        "large": (large,),
        "changed": (_changed(large, folder / "changed.bin", plan),),
        "inserted": (_inserted(large, folder / "inserted.bin", plan),),
        "few": (_tree(folder / "few", plan.few_files, plan.few_file_bytes),),
        "many": (_tree(folder / "many", plan.many_files, plan.many_file_bytes),),
        "some": (_tree(folder / "some", plan.slow_files, plan.many_file_bytes),),
        "clients": _several(folder / "clients", plan.clients, plan.client_bytes),
        "crowd": _several(folder / "crowd", plan.crowd, plan.crowd_bytes),
    }
    os.sync()
    time.sleep(SETTLED_SECONDS)
    return files


def steps_of(files: dict[str, tuple[Path, ...]], plan: Plan) -> list[Step]:
    """Everything that is done with them; what nobody runs is only counted."""
    always, peers = plan.repetitions, plan.peer_repetitions
    ways = {"ours through the server": always, "ours embedded": always, "ours read back later": always}
    each = {"ours": always, **ways, "minio": always, "copy": always, "grpcio alone": always, "MLflow": peers}
    # Peers send all of a file each time, so once shows what that takes.
    once = {"ours": always, "minio": 1, "copy": 1, "MLflow": 1}
    of_few = {"ours": always, **ways, "minio": always, "copy": always, "minio in 16 threads": 1, "MLflow": 1}
    of_many = {"ours": always, **ways, "copy": always}
    # "some" are as many of the many as those get that make a call for each.
    of_some = {"minio": 1, "minio in 16 threads": 1, "MLflow": 1}
    at_once = {"ours": peers, "minio": peers, "copy": peers, "MLflow": 1}

    a_file = _size(plan.file_bytes)
    few_files = f"{plan.few_files:,} files of {_size(plan.few_file_bytes)}"
    many_files = f"{plan.many_files:,} files of {_size(plan.many_file_bytes)}"
    others = f" (minio, MLflow: {plan.slow_files:,})"
    several = f"{plan.clients} clients at once, {_size(plan.client_bytes)} each"
    a_crowd = f"{plan.crowd} clients at once"
    again, inserts = f"same {a_file} again", _size(plan.inserted_bytes)
    return [
        Step("large up", f"new {a_file} file up", "MB/s", files["large"], each, index=INDEX),
        Step("large down", f"{a_file} file down", "MB/s", files["large"], each),
        Step("large again", f"{again}, without index", "MB/s", files["large"], once, reread=True),
        Step("large indexed", f"{again}, with index", "ms", files["large"], {"ours": always}, index=INDEX),
        Step("changed up", f"{a_file}, {plan.changed_share:.0%} changed", "MB/s", files["changed"], once),
        Step("changed down", "", "", files["changed"], {}),
        Step("inserted up", f"{a_file}, {inserts} inserted at front", "MB/s", files["inserted"], once),
        Step("inserted down", "", "", files["inserted"], {}),
        Step("few up", f"{few_files} up", "files/s", files["few"], of_few),
        Step("few down", f"{few_files} down", "files/s", files["few"], of_few),
        Step("many up", f"{many_files} up{others}", "files/s", files["many"], of_many),
        Step("many down", f"{many_files} down{others}", "files/s", files["many"], of_many),
        Step("some up", f"{many_files} up{others}", "files/s", files["some"], of_some),
        Step("some down", f"{many_files} down{others}", "files/s", files["some"], of_some),
        Step("clients up", f"{several}, up", "MB/s", files["clients"], at_once),
        Step("clients down", f"{several}, down", "MB/s", files["clients"], at_once),
        Step("crowd up", a_crowd, "", files["crowd"], {"ours": peers}),
        Step("crowd down", a_crowd, "", files["crowd"], {"ours": peers}),
    ]


def wipe(folder: Path) -> None:
    """Removes the large files below a folder; the others stay until the run ends.

    Before ext4 makes a file it looks at all inodes of the group that were freed in the last five minutes
    (`recently_deleted` in fs/ext4/ialloc.c): behind 20,000 deleted files a new one took up to ten times as long.
    """
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_size >= LARGE_BYTES:
            path.unlink()


def _random_file(path: Path, size_bytes: int) -> Path:
    with path.open("wb") as file:
        for offset in range(0, size_bytes, MIB):
            file.write(os.urandom(min(MIB, size_bytes - offset)))
    return path


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
    return tuple(_random_file(folder / f"{number:02}.bin", size_bytes) for number in range(files))


def _size(size_bytes: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:g} {unit}"
    return f"{size_bytes / 1024:g} KiB"
