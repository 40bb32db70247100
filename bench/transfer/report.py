"""Samples, the figures that are made of them, and what the project wants of these."""

from collections.abc import Callable
from dataclasses import dataclass

from bench.figure import Figure, Goal, Spread
from bench.transfer.workload import MIB, Step

GIB = 1 << 30
LARGE = ("large up", "large down")
FOLDERS = ("few up", "few down", "many up", "many down")
CROWD = ("crowd up", "crowd down")
# In the order of the table.
UNITS = ("MB/s", "ms", "files/s")

_UP = (Goal(">=", 0.75, "minio"), Goal(">=", 0.9, "minio"))
# By store and step.
SPEED: dict[tuple[str, str], tuple[Goal, ...]] = {
    ("disk", "large up"): (Goal(">=", 600), Goal(">=", 1, "MLflow")),
    ("disk", "large down"): (Goal(">=", 600), Goal(">=", 2, "MLflow")),
    ("disk", "large again"): (Goal(">=", 1000),),
    ("disk", "few up"): (Goal(">=", 1, "MLflow"),),
    ("SeaweedFS", "large up"): _UP,
    ("SeaweedFS", "large down"): (Goal(">=", 0.55, "minio"), Goal(">=", 2, "MLflow")),
    ("SeaweedFS", "large again"): (Goal(">=", 1000),),
    ("SeaweedFS", "few up"): (Goal(">=", 15, "minio"),),
    ("MinIO", "large up"): _UP,
    ("MinIO", "large again"): (Goal(">=", 1000),),
    ("MinIO", "few up"): (Goal(">=", 15, "minio"),),
    ("stub that discards", "large up"): _UP,
    ("stub that keeps", "large down"): (Goal(">=", 0.35, "minio"),),
}
INDEXED_MS = (Goal("<", 50),)
ONE_GROWTH_MIB = (Goal("<", 96),)
CROWD_GROWTH_MIB = (Goal("<", 512),)
CLIENT_PEAK_MIB = (Goal("<", 256),)
SENT_PERCENT: dict[str, tuple[Goal, ...]] = {
    "large up": (),
    "large again": (Goal("<", 1),),
    "large indexed": (Goal("<", 1),),
    "changed up": (Goal("<=", 8),),
    "inserted up": (Goal("<=", 2),),
}
CALLS: dict[str, tuple[Goal, ...]] = {
    "few up": (),
    "few down": (),
    "many up": (Goal("<=", 200),),
    "many down": (Goal("<=", 200),),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """What one call took.

    Attributes:
        seconds: from the first client's begin to the last one's end.
        client_cpu_seconds: of all clients.
        client_peak_bytes: resident memory of the largest client, its interpreter and libraries included.
        server_cpu_seconds: of the contestant's own server.
        server_peak_bytes: resident memory of that server and its children.
        server_growth_bytes: how far that server rose above what it had when it was idle after its start.
        store_cpu_seconds: of the S3 server behind it.
    """

    seconds: float
    client_cpu_seconds: float
    client_peak_bytes: float
    server_cpu_seconds: float
    server_peak_bytes: float
    server_growth_bytes: float
    store_cpu_seconds: float


# Of one store, by step and contestant.
Samples = dict[str, dict[str, list[Sample]]]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one step needs on the wire: bytes as TCP carries them, in percent of files, and calls the server logs."""

    sent_percent: float
    calls: int


def figures_of_store(store: str, samples: Samples, every_step: list[Step]) -> list[Figure]:
    """Speed, then CPU, then memory, of all that we did."""
    steps = [step for step in every_step if "ours" in samples.get(step.name, {})]
    return [
        *(_speed(store, step, samples, every_step) for unit in UNITS for step in steps if step.unit == unit),
        *(figure for step in steps if step.name in LARGE + FOLDERS for figure in _cpu(store, step, samples)),
        *_memory(store, samples, {step.name: step.title for step in every_step}),
    ]


def _speed(store: str, step: Step, samples: Samples, every_step: list[Step]) -> Figure:
    spreads: dict[str, Spread] = {}
    for other in every_step:
        if other.title == step.title:
            spreads |= _spreads(samples.get(other.name, {}), _speed_of(other))
    goals = INDEXED_MS if step.name == "large indexed" else SPEED.get((store, step.name), ())
    return _figure(f"{store}: {step.title}", step.unit, spreads, goals)


def _speed_of(step: Step) -> Callable[[Sample], float]:
    if step.unit == "ms":
        return lambda sample: sample.seconds * 1000
    amount = step.size_bytes / 1e6 if step.unit == "MB/s" else step.file_count
    return lambda sample: amount / sample.seconds


def _cpu(store: str, step: Step, samples: Samples) -> list[Figure]:
    """Of all contestants, the client's, its server's, and what it makes the S3 server do."""
    parts: dict[str, Callable[[Sample], float]] = {
        "client": lambda sample: sample.client_cpu_seconds,
        "server": lambda sample: sample.server_cpu_seconds,
        "S3 server": lambda sample: sample.store_cpu_seconds,
    }
    amount, unit = (step.size_bytes / GIB, "s/GiB") if step.name in LARGE else (step.file_count / 1e6, "µs/file")
    found = []
    for part, cost in parts.items():
        costs = _spreads(samples[step.name], lambda sample, cost=cost: cost(sample) / amount)  # type: ignore[misc]
        if any(spread.highest for spread in costs.values()):
            found.append(_figure(f"{store}: {step.title}, CPU of the {part}", unit, costs))
    return found


def _memory(store: str, samples: Samples, titles: dict[str, str]) -> list[Figure]:
    growth = f"{store}: server memory growth"
    memory: list[tuple[str, tuple[str, ...], Callable[[Sample], float], tuple[Goal, ...]]] = [
        (f"{growth}, one client", LARGE, lambda sample: sample.server_growth_bytes, ONE_GROWTH_MIB),
        (f"{growth}, {titles['crowd up']}", CROWD, lambda sample: sample.server_growth_bytes, CROWD_GROWTH_MIB),
        (f"{store}: server memory, all of it, one client", LARGE, lambda sample: sample.server_peak_bytes, ()),
        (f"{store}: client memory, all of it", LARGE, lambda sample: sample.client_peak_bytes, CLIENT_PEAK_MIB),
    ]
    found = ((name, _worst(samples, steps, size), goals) for name, steps, size, goals in memory)
    return [_figure(name, "MiB", worst, goals) for name, worst, goals in found if worst]


def _worst(samples: Samples, steps: tuple[str, ...], size: Callable[[Sample], float]) -> dict[str, Spread]:
    """The highest of all runs: a bound on memory is one for every run."""
    highest: dict[str, float] = {}
    for step in steps:
        for who, some in samples.get(step, {}).items():
            highest[who] = max(highest.get(who, 0.0), *(size(sample) / MIB for sample in some))
    return {who: Spread.of([value]) for who, value in highest.items()}


def figures_of_wire(traffic: dict[str, Traffic], every_step: list[Step]) -> list[Figure]:
    """What share of the bytes is sent, then how many calls are made."""
    titles = {step.name: step.title.partition(" (")[0] for step in every_step}
    return [
        *(
            Figure(f"sent: {titles[name]}", "%", Spread.of([traffic[name].sent_percent]), goals=goals)
            for name, goals in SENT_PERCENT.items()
        ),
        *(
            Figure(f"calls: {titles[name]}", "RPCs", Spread.of([traffic[name].calls]), goals=goals)
            for name, goals in CALLS.items()
        ),
    ]


def _spreads(samples: dict[str, list[Sample]], value: Callable[[Sample], float]) -> dict[str, Spread]:
    return {who: Spread.of([value(sample) for sample in some]) for who, some in samples.items()}


def _figure(name: str, unit: str, spreads: dict[str, Spread], goals: tuple[Goal, ...] = ()) -> Figure:
    """Ours, with all others as references that have anything to show."""
    others = {who: spread for who, spread in spreads.items() if who != "ours" and spread.highest > 0}
    return Figure(name, unit, spreads["ours"], dict(sorted(others.items())), goals)
