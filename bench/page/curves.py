"""What every page is given to draw: the same runs, metrics and values. Peers run it too, so it needs nothing."""

import math
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass

PROJECT = "curves"
# A second between points, and all in the past.
BEGAN = 1_780_000_000
# Name, where it begins, where it ends.
METRICS = [
    ("train_loss", 2.3, 0.1),
    ("train_accuracy", 0.1, 0.97),
    ("train_f1", 0.08, 0.96),
    ("val_loss", 2.4, 0.3),
    ("val_accuracy", 0.1, 0.91),
    ("val_f1", 0.07, 0.9),
    ("test_loss", 2.4, 0.34),
    ("test_accuracy", 0.1, 0.9),
    ("test_f1", 0.07, 0.89),
    ("perplexity", 10.0, 1.4),
    ("bleu", 0.0, 31.0),
    ("learning_rate", 0.003, 0.0001),
    ("grad_norm", 8.0, 0.6),
    ("weight_norm", 20.0, 34.0),
    ("tokens_per_second", 9000.0, 11000.0),
    ("seconds_per_step", 0.4, 0.3),
    ("gpu_utilisation", 40.0, 92.0),
    ("gpu_memory", 11.0, 19.5),
    ("cpu_utilisation", 70.0, 35.0),
    ("queue_length", 64.0, 8.0),
]


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is."""

    runs: int
    metrics: int
    steps: int

    def __str__(self) -> str:
        return f"{self.runs} runs x {self.metrics} metrics x {self.steps:,} steps"


@dataclass(frozen=True, slots=True)
class Run:
    """One run: of each metric as many values as there are steps."""

    name: str
    config: dict[str, float | str]
    values: dict[str, list[float]]


def runs(size: Size) -> Iterator[Run]:
    """The same each time."""
    for number in range(size.runs):
        chance = random.Random(number)
        config: dict[str, float | str] = {
            "lr": chance.choice([1e-3, 3e-3, 1e-2]),
            "weight_decay": chance.choice([0.0, 1e-4]),
            "optimizer": chance.choice(["adam", "sgd"]),
        }
        values = {name: _curve(chance, first, last, size.steps) for name, first, last in METRICS[: size.metrics]}
        yield Run(f"run-{number:03}", config, values)


def _curve(chance: random.Random, first: float, last: float, steps: int) -> list[float]:
    pace, end = chance.uniform(3, 9) / steps, last * chance.uniform(0.9, 1.1)
    noise = abs(first - last) * 0.02
    return [end + (first - end) * math.exp(-step * pace) + chance.gauss(0, noise) for step in range(steps)]


def arguments() -> tuple[str, Size]:
    """What the programs are given: a place, and the numbers of a size."""
    place, *numbers = sys.argv[1:]
    return place, Size(*map(int, numbers))
