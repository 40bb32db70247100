"""Runs the contest on every store that is there, then counts what goes over the wire.

A contest has repetitions, the order of those who take part rotates, and every download is compared with what was sent.
"""

import contextlib
import itertools
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.figure import Figure, say
from bench.transfer import mlflow
from bench.transfer.contestants import Contestant, Copy, Direct, Embedded, GrpcAlone, Ours, S3Store, S3Stub, Store
from bench.transfer.processes import Usage, family, race, ready_clients, rss_bytes
from bench.transfer.report import Sample, Samples, Traffic, figures_of_store, figures_of_wire
from bench.transfer.workload import Plan, Step, make_files, steps_of, wipe
from s3_server import MinIO, S3Server, SeaweedFS
from support.between.counting_proxy import CountingProxy

# What one client sends, and gets back.
COUNTED = ("large", "changed", "inserted", "few", "many")
# The server logs a call after it was answered.
LOG_SECONDS = 0.3


def measure(folder: Path, plan: Plan, notes: dict[str, str]) -> list[Figure]:
    """Runs the contest on the local disk and on each S3 server, then counts bytes and calls.

    Args:
        folder: where everything is kept meanwhile.
        plan: how large and how often.
        notes: gets what peers are and why some are missing.
    """
    every_step = steps_of(make_files(folder / "sources", plan), plan)
    steps = [step for step in every_step if step.runs and step.name.startswith(plan.steps)]
    python = _mlflow_python(plan, notes)
    samples: dict[str, Samples] = {}
    if "disk" in plan.stores:
        samples["disk"] = _on_disk(steps, folder / "disk", notes, python)
    if "SeaweedFS" in plan.stores:
        samples["SeaweedFS"] = _on_s3(SeaweedFS(folder / "seaweedfs-data"), steps, folder / "seaweedfs", notes, python)
    if "MinIO" in plan.stores and _has_minio(plan, notes):
        samples["MinIO"] = _on_s3(MinIO(folder / "minio-data"), steps, folder / "minio", notes)
    if "stub" in plan.stores:
        samples |= _on_stubs(steps, folder, notes)
    figures = [figure for store in samples for figure in figures_of_store(store, samples[store], every_step)]
    if "wire" in plan.stores:
        figures += figures_of_wire(count(every_step, folder / "wire"), every_step)
    # Goals stand only where they mean something.
    return figures if plan.is_full else [replace(figure, goals=()) for figure in figures]


def _on_disk(steps: list[Step], folder: Path, notes: dict[str, str], python: Path | None) -> Samples:
    folder.mkdir()
    store = Store("disk", folder / "blobs")
    contestants: list[Contestant] = [
        Ours(folder, store),
        Embedded(folder, store, name="ours embedded"),
        Copy(folder),
        GrpcAlone(folder),
    ]
    if python is not None:
        contestants.append(mlflow.MLflow(python, folder, store))
    samples = Contest(store, steps, folder, notes).run(contestants)
    wipe(folder)
    return samples


# What is read back after it has been measured is in no figure of it: 0.7 s of the server's CPU a GiB.
LATER = "ours read back later"


def _on_s3(s3: S3Server, steps: list[Step], folder: Path, notes: dict[str, str], python: Path | None = None) -> Samples:
    folder.mkdir()
    with s3:
        store = S3Store(s3)
        contestants: list[Contestant] = [
            Ours(folder, store, {"XPSTORE_DIRECT": "all"}),
            Ours(folder, store, {"XPSTORE_DIRECT": "all", "XPSTORE_DIRECT_VERIFY": "later"}, name=LATER),
            Ours(folder, store, {"XPSTORE_DIRECT": "off"}, name="ours through the server"),
            Direct(store),
            Direct(store, threads=16),
        ]
        if python is not None:
            contestants.append(mlflow.MLflow(python, folder, store))
        samples = Contest(store, steps, folder, notes).run(contestants)
    wipe(s3.data)
    wipe(folder)
    return samples


def _on_stubs(steps: list[Step], folder: Path, notes: dict[str, str]) -> dict[str, Samples]:
    """Up to one that discards: keeping costs it more than the network does. Down from one that keeps."""
    reason = S3Stub.build()
    if reason is not None:
        _skip(notes, "stub", reason)
        return {}
    up_and_down = [step for step in steps if step.name in ("large up", "large down")]
    discarding, keeping = S3Stub(discards=True), S3Stub(discards=False)
    return {
        discarding.name: _on_s3(discarding, up_and_down[:1], folder / "discarding", notes),
        keeping.name: _on_s3(keeping, up_and_down, folder / "keeping", notes),
    }


def _has_minio(plan: Plan, notes: dict[str, str]) -> bool:
    if plan.is_full and MinIO.available():
        return True
    _skip(notes, "MinIO", "not built: run `make minio`" if plan.is_full else "this run is quick")
    return False


def _mlflow_python(plan: Plan, notes: dict[str, str]) -> Path | None:
    if not (plan.is_full and plan.has_mlflow):
        _skip(notes, "MLflow", "not wanted" if plan.is_full else "this run is quick")
        return None
    try:
        python = mlflow.install()
    except mlflow.Missing as error:
        _skip(notes, "MLflow", error)
        return None
    notes["MLflow"] = f"{mlflow.version(python)}, through its server, with one worker and its other defaults"
    return python


def _skip(notes: dict[str, str], who: str, why: object) -> None:
    """Notes who is left out."""
    say(f"skipped: {who}: {why}")
    notes[who] = f"skipped: {str(why).strip().splitlines()[-1]}"


class Contest:
    """Steps of contestants on a store."""

    def __init__(self, store: Store, steps: list[Step], folder: Path, notes: dict[str, str]) -> None:
        self._store = store
        self._steps = steps
        self._folder = folder
        self._notes = notes
        self._samples: Samples = {step.name: {} for step in steps}
        self._out: set[str] = set()
        self._targets = itertools.count()

    def run(self, contestants: list[Contestant]) -> Samples:
        """Returns the samples of those who did not fail."""
        last = {one.name: max((step.runs.get(one.name, 0) for step in self._steps), default=0) for one in contestants}
        with contextlib.ExitStack() as stack:
            for one in contestants:
                stack.callback(one.stop)
            for repetition in range(max(last.values())):
                racing = [one for one in contestants if repetition < last[one.name] and one.name not in self._out]
                self._repeat(racing, repetition)
                for one in racing:
                    if repetition + 1 == last[one.name]:
                        one.stop()  # it shall not take memory and CPU from the others
        return self._samples

    def _repeat(self, racing: list[Contestant], repetition: int) -> None:
        idle_bytes: dict[str, int] = {}
        with contextlib.ExitStack() as stack:
            for one in racing:
                with self._tolerated(one):
                    one.open(repetition)
                    stack.callback(one.close)
                    idle_bytes[one.name] = rss_bytes(family(one.servers()))
            for number, step in enumerate(self._steps):
                turn = (repetition + number) % len(racing)
                for one in (*racing[turn:], *racing[:turn]):
                    if repetition < step.runs.get(one.name, 0) and one.name not in self._out:
                        with self._tolerated(one):
                            sample = self._measure(one, step, idle_bytes[one.name])
                            self._samples[step.name].setdefault(one.name, []).append(sample)
                            say(f"{self._store.name} {repetition + 1}: {step.name}, {one.name}: {sample.seconds:.3f} s")

    @contextlib.contextmanager
    def _tolerated(self, one: Contestant) -> Iterator[None]:
        """A peer that fails is out, and its rows with it; we must not fail."""
        try:
            yield
        except (RuntimeError, OSError) as error:
            if one.name == "ours":
                raise
            _skip(self._notes, f"{one.name} on {self._store.name}", error)
            self._out.add(one.name)
            for samples in self._samples.values():
                samples.pop(one.name, None)

    def _measure(self, one: Contestant, step: Step, idle_bytes: int) -> Sample:
        target = self._folder / f"down-{next(self._targets)}"
        paths = [target / str(number) for number in range(len(step.sources))]
        if step.action == "up":
            paths = list(step.sources)
            step.warm()
        commands = [one.command(step, number, path) for number, path in enumerate(paths)]
        # What the one before left to be written must not slow this one down.
        os.sync()
        with (
            ready_clients(commands, self._folder / "clients.log") as clients,
            Usage(one.servers()) as server,
            Usage(self._store.processes()) as store,
        ):
            reports = race(clients)
        if step.action == "down" and one.keeps_bytes:
            step.check(paths)
        wipe(target)
        return Sample(
            seconds=max(report["ended"] for report in reports) - min(report["began"] for report in reports),
            client_cpu_seconds=sum(report["cpu_seconds"] for report in reports),
            client_peak_bytes=max(report["peak_bytes"] for report in reports),
            server_cpu_seconds=server.cpu_seconds,
            server_peak_bytes=server.peak_bytes,
            server_growth_bytes=server.peak_bytes - idle_bytes,
            store_cpu_seconds=store.cpu_seconds,
        )


def count(every_step: list[Step], folder: Path) -> dict[str, Traffic]:
    """What one client of ours sends and how many calls it makes, by step, in runs of their own: counting costs time.

    What was sent is fetched again and compared.
    """
    say("counting bytes and calls")
    folder.mkdir()
    ours = Ours(folder, Store("disk", folder / "blobs"), {"XPSTORE_LOG_LEVEL": "DEBUG"})
    ours.open(0)
    traffic = {}
    try:
        with CountingProxy(ours.address) as proxy:
            ours.address = proxy.address
            for step in every_step:
                if step.key in COUNTED:
                    found = traffic[step.name] = _count_step(step, ours, proxy, folder)
                    say(f"wire: {step.name}: {found.sent_percent:.2f} % sent, {found.calls} calls")
    finally:
        ours.close()
    return traffic


def _count_step(step: Step, ours: Ours, proxy: CountingProxy, folder: Path) -> Traffic:
    target = folder / "down"
    command = ours.command(step, 0, step.sources[0] if step.action == "up" else target)
    with ready_clients([command], folder / "clients.log") as clients:
        time.sleep(LOG_SECONDS)
        sent_bytes, calls = proxy.sent_bytes, _calls(ours.server.log)
        race(clients)
    time.sleep(LOG_SECONDS)
    if step.action == "down":
        step.check([target])
        shutil.rmtree(target)
    return Traffic(100 * (proxy.sent_bytes - sent_bytes) / step.size_bytes, _calls(ours.server.log) - calls)


def _calls(log: Path) -> int:
    """How many calls the server has logged."""
    total = 0
    for line in log.read_text().splitlines():
        with contextlib.suppress(ValueError):
            total += json.loads(line).get("message") == "call"
    return total
