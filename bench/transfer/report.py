"""Figures out of samples."""

from collections.abc import Callable
from dataclasses import replace

from bench.figure import Figure, Goal, Spread
from bench.transfer import goals
from bench.transfer.contest import Sample
from bench.transfer.plan import MIB, Plan
from bench.transfer.run import Results
from bench.transfer.wire import Traffic

GIB = 1 << 30
# What rates of a store are reported, in this order.
LARGE = ("large up", "large down", "large again", "changed up", "inserted up", "clients up", "clients down")
SMALL = ("few up", "few down", "many up", "many down")


class Report:
    """Makes the figures of one run of the benchmark."""

    def __init__(self, results: Results, plan: Plan) -> None:
        self._results = results
        self._plan = plan
        clients = f"{plan.clients} clients at once, {_size(plan.client_bytes)} each"
        file = _size(plan.file_bytes)
        few = f"{plan.few_files:,} files of {_size(plan.few_file_bytes)}"
        many = f"{plan.many_files:,} files of {_size(plan.many_file_bytes)}"
        others = f" (minio, MLflow: {plan.slow_files:,})"
        self._names = {
            "large up": f"new {file} file up",
            "large down": f"{file} file down",
            "large again": f"same {file} again, without index",
            "large indexed": f"same {file} again, with index",
            "changed up": f"{file}, {plan.changed_share:.0%} changed",
            "inserted up": f"{file}, {_size(plan.inserted_bytes)} inserted at front",
            "clients up": f"{clients}, up",
            "clients down": f"{clients}, down",
            "crowd": f"{plan.crowd} clients at once",
            "few up": f"{few} up",
            "few down": f"{few} down",
            "many up": f"{many} up{others}",
            "many down": f"{many} down{others}",
        }
        self._bytes = {
            **dict.fromkeys(("large up", "large down", "large again", "large indexed", "changed up"), plan.file_bytes),
            "inserted up": plan.file_bytes + plan.inserted_bytes,
            **dict.fromkeys(("clients up", "clients down"), plan.clients * plan.client_bytes),
        }
        self._files = {"few": plan.few_files, "many": plan.many_files, "some": plan.slow_files}

    def of_store(self, store: str) -> list[Figure]:
        """Speed, then CPU, then memory."""
        return [
            *(self._megabytes(store, step) for step in LARGE if self._results.of(store, step)),
            *self._indexed(store),
            *(self._files_a_second(store, step) for step in SMALL if self._results.of(store, step)),
            *(figure for step in LARGE[:2] for figure in self._cpu(store, step)),
            *self._memory(store),
        ]

    def _megabytes(self, store: str, step: str) -> Figure:
        size = self._bytes[step] / 1e6
        samples = self._results.of(store, step)
        rates = {who: Spread.of([size / sample.seconds for sample in some]) for who, some in samples.items()}
        return _figure(f"{store}: {self._names[step]}", "MB/s", rates, goals.SPEED.get((store, step), ()))

    def _indexed(self, store: str) -> list[Figure]:
        times = _spreads(self._results.of(store, "large indexed"), lambda sample: sample.seconds * 1000)
        return [_figure(f"{store}: {self._names['large indexed']}", "ms", times, goals.INDEXED_MS)] if times else []

    def _files_a_second(self, store: str, step: str) -> Figure:
        kind, _, action = step.partition(" ")
        rates = self._file_rates(store, kind, action)
        if kind == "many":
            rates = {**self._file_rates(store, "some", action), **rates}
        return _figure(f"{store}: {self._names[step]}", "files/s", rates, goals.SPEED.get((store, step), ()))

    def _file_rates(self, store: str, kind: str, action: str) -> dict[str, Spread]:
        samples = self._results.of(store, f"{kind} {action}")
        return _spreads(samples, lambda sample: self._files[kind] / sample.seconds)

    def _cpu(self, store: str, step: str) -> list[Figure]:
        """Of all contestants, the client's, its server's, and what it makes the S3 server do."""
        parts: dict[str, Callable[[Sample], float]] = {
            "client": lambda sample: sample.client_cpu_seconds,
            "server": lambda sample: sample.server_cpu_seconds,
            "S3 server": lambda sample: sample.store_cpu_seconds,
        }
        samples, gibibytes = self._results.of(store, step), self._plan.file_bytes / GIB
        found = []
        for part, cost in parts.items():
            costs = _spreads(samples, lambda sample, cost=cost: cost(sample) / gibibytes)  # type: ignore[misc]
            if any(spread.highest for spread in costs.values()):
                found.append(_figure(f"{store}: {self._names[step]}, CPU of the {part}", "s/GiB", costs, ()))
        return found

    def _memory(self, store: str) -> list[Figure]:
        one = self._worst(store, ("large up", "large down"), lambda sample: sample.server_growth_bytes)
        several = self._worst(store, ("crowd up", "crowd down"), lambda sample: sample.server_growth_bytes)
        whole = self._worst(store, ("large up", "large down"), lambda sample: sample.server_peak_bytes)
        client = self._worst(store, ("large up", "large down"), lambda sample: sample.client_peak_bytes)
        growth = f"{store}: server memory growth"
        memory = [
            (f"{growth}, one client", one, goals.SERVER_GROWTH_MIB["large"]),
            (f"{growth}, {self._names['crowd']}", several, goals.SERVER_GROWTH_MIB["crowd"]),
            (f"{store}: server memory, all of it, one client", whole, ()),
            (f"{store}: client memory, all of it", client, goals.CLIENT_PEAK_MIB),
        ]
        return [_figure(name, "MiB", worst, its_goals) for name, worst, its_goals in memory if worst]

    def _worst(self, store: str, steps: tuple[str, ...], bytes_: Callable[[Sample], float]) -> dict[str, Spread]:
        """The highest of all runs: a bound on memory is one for every run."""
        highest: dict[str, float] = {}
        for step in steps:
            for who, samples in self._results.of(store, step).items():
                value = max(bytes_(sample) for sample in samples) / MIB
                highest[who] = max(highest.get(who, 0.0), value)
        return {who: Spread.of([value]) for who, value in highest.items()}

    def of_wire(self, traffic: dict[str, Traffic]) -> list[Figure]:
        found = []
        for step in ("large up", *goals.SENT_PERCENT):
            sent = {"ours": Spread.of([traffic[step].sent_percent])}
            found.append(_figure(f"sent: {self._names[step]}", "%", sent, goals.SENT_PERCENT.get(step, ())))
        for step in SMALL:
            calls = {"ours": Spread.of([traffic[step].calls])}
            name = self._names[step].partition(" (")[0]
            found.append(_figure(f"calls: {name}", "RPCs", calls, goals.CALLS.get(step, ())))
        return found


def figures(results: Results, traffic: dict[str, Traffic], plan: Plan) -> list[Figure]:
    """All figures, store by store; beside goals only where they mean something."""
    report = Report(results, plan)
    stores = dict.fromkeys(store for store, _, _ in results.samples)
    found = [figure for store in stores for figure in report.of_store(store)]
    if traffic:
        found += report.of_wire(traffic)
    return found if plan.is_full else [replace(figure, goals=()) for figure in found]


def _spreads(samples: dict[str, list[Sample]], value: Callable[[Sample], float]) -> dict[str, Spread]:
    return {who: Spread.of([value(sample) for sample in some]) for who, some in samples.items()}


def _figure(name: str, unit: str, spreads: dict[str, Spread], its_goals: tuple[Goal, ...]) -> Figure:
    """Ours, with all others as references that have anything to show."""
    others = {who: spread for who, spread in spreads.items() if who != "ours" and spread.highest > 0}
    return Figure(name, unit, spreads["ours"], dict(sorted(others.items())), its_goals)


def _size(size_bytes: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:g} {unit}"
    return f"{size_bytes / 1024:g} KiB"
