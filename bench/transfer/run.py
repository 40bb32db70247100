"""The contest on one store: repetitions, the order rotating, every download compared with what was sent."""

import contextlib
import filecmp
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.transfer.clients import files_below
from bench.transfer.contest import Contestant, Sample, Step, Store
from bench.transfer.processes import race, ready_clients
from bench.transfer.progress import say
from bench.transfer.usage import Usage, rss_bytes
from bench.transfer.workload import warm


class Results:
    """Samples by store, step and contestant; and who could not take part.

    Args:
        notes: where to say that, and why.
    """

    def __init__(self, notes: dict[str, str]) -> None:
        self.samples: dict[tuple[str, str, str], list[Sample]] = defaultdict(list)
        self.notes = notes
        self._out: set[tuple[str, str]] = set()

    def of(self, store: str, step: str) -> dict[str, list[Sample]]:
        """The samples of all contestants."""
        return {
            contestant: samples
            for (its_store, its_step, contestant), samples in self.samples.items()
            if (its_store, its_step) == (store, step)
        }

    def skip(self, who: str, why: object) -> None:
        """Notes who is left out altogether."""
        say(f"skipped: {who}: {why}")
        self.notes[who] = f"skipped: {str(why).strip().splitlines()[-1]}"

    def drop(self, store: str, who: str, why: object) -> None:
        """Notes who is out on one store, whose samples count no more."""
        self.skip(f"{who} on {store}", why)
        self._out.add((store, who))
        for key in [key for key in self.samples if (key[0], key[2]) == (store, who)]:
            del self.samples[key]

    def is_out(self, store: str, who: str) -> bool:
        return (store, who) in self._out


class Contest:
    """Steps of contestants on a store."""

    def __init__(self, store: Store, steps: list[Step], folder: Path, results: Results) -> None:
        self._store = store
        self._steps = steps
        self._folder = folder
        self._results = results

    def run(self, contestants: list[Contestant]) -> None:
        if not self._steps:
            return
        last = {one.name: max(step.runs.get(one.name, 0) for step in self._steps) for one in contestants}
        with contextlib.ExitStack() as stack:
            for one in contestants:
                stack.callback(one.stop)
            for repetition in range(max(last.values())):
                racing = [one for one in contestants if repetition < last[one.name] and not self._is_out(one)]
                self._repeat(racing, repetition)
                for one in racing:
                    if repetition + 1 == last[one.name]:
                        one.stop()  # it shall not take memory and CPU from the others

    def _repeat(self, racing: list[Contestant], repetition: int) -> None:
        idle_bytes: dict[str, int] = {}
        with contextlib.ExitStack() as stack:
            for one in racing:
                with self._tolerated(one):
                    one.open(repetition)
                    stack.callback(one.close)
                    idle_bytes[one.name] = rss_bytes(_family(one.servers()))
            for number, step in enumerate(self._steps):
                turn = (repetition + number) % len(racing)
                for one in (*racing[turn:], *racing[:turn]):
                    if repetition < step.runs.get(one.name, 0) and not self._is_out(one):
                        with self._tolerated(one):
                            sample = self._measure(one, step, idle_bytes[one.name])
                            self._results.samples[self._store.name, step.name, one.name].append(sample)
                            say(f"{self._store.name} {repetition + 1}: {step.name}, {one.name}: {sample.seconds:.3f} s")

    def _is_out(self, one: Contestant) -> bool:
        return self._results.is_out(self._store.name, one.name)

    @contextlib.contextmanager
    def _tolerated(self, one: Contestant) -> Iterator[None]:
        """A peer that fails is out, and its rows with it; we must not fail."""
        try:
            yield
        except (RuntimeError, OSError) as error:
            if one.name == "ours":
                raise
            self._results.drop(self._store.name, one.name, error)

    def _measure(self, one: Contestant, step: Step, idle_bytes: int) -> Sample:
        target = self._folder / "down"
        paths = [target / str(number) for number in range(len(step.sources))]
        if step.action == "up":
            paths = list(step.sources)
            for path in paths:
                warm(path)
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
            for source, path in zip(step.sources, paths, strict=True):
                check_equal(source, path)
        shutil.rmtree(target, ignore_errors=True)
        return Sample(
            seconds=max(report["ended"] for report in reports) - min(report["began"] for report in reports),
            client_cpu_seconds=sum(report["cpu_seconds"] for report in reports),
            client_peak_bytes=max(report["peak_bytes"] for report in reports),
            server_cpu_seconds=server.cpu_seconds,
            server_peak_bytes=server.peak_bytes,
            server_growth_bytes=server.peak_bytes - idle_bytes,
            store_cpu_seconds=store.cpu_seconds,
        )


def check_equal(source: Path, target: Path) -> None:
    """Raises if a folder does not hold just what was sent.

    Raises:
        AssertionError: a file is missing, too many, or has other bytes.
    """
    sent, got = files_below(source), files_below(target)
    assert [name for _, name in sent] == [name for _, name in got], f"other files came back for {source.name}"
    for (original, name), (copy, _) in zip(sent, got, strict=True):
        assert filecmp.cmp(original, copy, shallow=False), f"{name} came back with other bytes"


def _family(roots: list[psutil.Process]) -> list[psutil.Process]:
    return [process for root in roots for process in (root, *root.children(recursive=True))]
