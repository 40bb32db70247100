"""Makes calls that no client should make, and says what came of them.

    python -m support.fuzz [--calls 200000] [--seed 15] [--backend sqlite-disk|postgres-s3] [--csv FILE]
    python -m support.fuzz --plot FILE...

The same seed makes the same calls, but for the ids of what they are about. `--plot` draws the memory and the
descriptors of the server from such files, where matplotlib is installed.
"""

import argparse
import csv
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s3_server import SeaweedFS
from support.backends import sqlite_url
from support.fuzz.run import Fuzz, Outcome
from support.services import Postgres, Server

# What caches, pools and the allocator may still take in the second half.
GROWN_MIB = 48
GROWN_DESCRIPTORS = 10


@contextmanager
def serving(backend: str, folder: Path) -> Iterator[Server]:
    """A server on a backend."""
    if backend == "sqlite-disk":
        with Server(sqlite_url(folder / "xpstore.db"), (folder / "blobs").as_uri(), folder) as server:
            yield server
        return
    with Postgres() as postgres, SeaweedFS() as s3:
        blobs = s3.create_bucket(f"fuzz-{secrets.token_hex(4)}")
        with Server(postgres.create_database(), blobs, folder) as server:
            yield server


def report(outcome: Outcome, seconds: float) -> None:
    print(f"seed {outcome.seed}: {outcome.calls:,} calls in {seconds:.0f} s: {dict(outcome.codes.most_common())}")
    first, last = outcome.samples[0], outcome.samples[-1]
    mib, descriptors = outcome.growth()
    print(f"  server: {first.rss_mib:.0f} to {last.rss_mib:.0f} MiB, {mib:+.1f} in the second half;", end=" ")
    print(f"{first.descriptors} to {last.descriptors} descriptors, {descriptors:+.1f}; {last.cpu_seconds:.0f} s of CPU")
    for name, codes in sorted(outcome.by_method.items()):
        print(f"  {name}: {dict(codes.most_common())}")


def faults_of(outcome: Outcome) -> list[str]:
    """What must not be."""
    mib, descriptors = outcome.growth()
    grown = [f"memory grew by {mib:.0f} MiB"] if mib > GROWN_MIB else []
    more = [f"{descriptors:.0f} more descriptors"] if descriptors > GROWN_DESCRIPTORS else []
    return [*outcome.faults, *grown, *more]


def plot(files: list[Path]) -> None:
    try:
        import matplotlib.pyplot as plt  # here: it may be missing
    except ModuleNotFoundError:
        print("matplotlib is not installed: nothing is drawn")
        return

    figure, axes = plt.subplots(2, 1, sharex=True, figsize=(8, 6))
    for file in files:
        with open(file, newline="") as rows:
            samples = list(csv.DictReader(rows))
        calls = [int(one["calls"]) for one in samples]
        for axis, name in zip(axes, ("rss_mib", "descriptors"), strict=True):
            axis.plot(calls, [float(one[name]) for one in samples], label=file.stem)
            axis.set_ylabel(name)
            axis.set_ylim(bottom=0)
    axes[1].set_xlabel("calls")
    axes[0].legend()
    target = files[0].with_suffix(".png")
    figure.savefig(target)
    print(f"drawn to {target}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="support.fuzz")
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=15)
    parser.add_argument("--backend", choices=("sqlite-disk", "postgres-s3"), default="sqlite-disk")
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--plot", type=Path, nargs="+")
    options = parser.parse_args()
    if options.plot:
        plot(options.plot)
        return 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder, serving(options.backend, Path(folder)) as server:
        started = time.monotonic()
        outcome = Fuzz(server, options.seed).run(options.calls, options.seconds)
        is_there = server.running
    report(outcome, time.monotonic() - started)
    if options.csv:
        outcome.write(options.csv)
    faults = faults_of(outcome) + ([] if is_there else ["the server is gone"])
    kinds = Counter(fault[:160] for fault in faults)
    for fault in list(dict.fromkeys(faults))[:60]:
        print("FAULT", fault)
    print(f"{len(faults)} faults of {len(kinds)} kinds" if faults else "no faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
