"""One measured figure, what was measured beside it, and how both are shown."""

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several runs, and how far they lie apart."""

    median: float
    lowest: float
    highest: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        return cls(statistics.median(values), min(values), max(values), len(values))

    def __str__(self) -> str:
        return f"{self.lowest:.3g}-{self.highest:.3g} of {self.runs}" if self.runs > 1 else ""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound the project sets itself: for the figure, or for its ratio to the reference named `beside`."""

    sense: Literal["<", "<=", ">="]
    bound: float
    beside: str = ""

    def __str__(self) -> str:
        return f"{self.sense} {self.bound:g}" + (f"x {self.beside}" if self.beside else "")

    def is_met(self, value: float) -> bool:
        if self.sense == ">=":
            return value >= self.bound
        return value < self.bound or (self.sense == "<=" and value == self.bound)


@dataclass(frozen=True, slots=True)
class Figure:
    """What we need for something, and what each reference needs for it, in the same unit."""

    name: str
    unit: str
    ours: Spread
    references: dict[str, Spread] = field(default_factory=dict)
    goals: tuple[Goal, ...] = ()

    def ratio(self, reference: str) -> float | None:
        """Ours divided by that of a reference; None when that was not measured."""
        beside = self.references.get(reference)
        return self.ours.median / beside.median if beside and beside.median else None

    def verdict(self, goal: Goal) -> str:
        value = self.ratio(goal.beside) if goal.beside else self.ours.median
        if value is None:
            return f"{goal}: not measured"
        return f"{goal}: {'met' if goal.is_met(value) else 'MISSED'}"

    def rows(self) -> list[tuple[str, ...]]:
        """The first reference and goal stand beside the name, all others below it."""
        verdicts = [self.verdict(goal) for goal in self.goals]
        references = list(self.references)
        rows: list[tuple[str, ...]] = []
        for line in range(max(1, len(references), len(verdicts))):
            head = (self.name, f"{self.ours.median:.3g} {self.unit}", str(self.ours)) if line == 0 else ("", "", "")
            beside = self._reference_cells(references[line]) if line < len(references) else ("", "")
            rows.append((*head, *beside, verdicts[line] if line < len(verdicts) else ""))
        return rows

    def _reference_cells(self, name: str) -> tuple[str, str]:
        spread, ratio = self.references[name], self.ratio(name)
        return f"{spread.median:.3g} {name} ({spread.runs})", f"{ratio:.2f}x" if ratio is not None else ""

    def as_json(self) -> dict[str, Any]:
        verdicts = [self.verdict(goal) for goal in self.goals]
        ratios = {name: self.ratio(name) for name in self.references}
        return {**asdict(self), "ratios": ratios, "goals": verdicts}


def seconds_of(run: Callable[[], object], times: int) -> Spread:
    """How long some runs take."""
    durations = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        durations.append(time.perf_counter() - start)
    return Spread.of(durations)


def table(figures: list[Figure]) -> str:
    """Rows with aligned columns."""
    head = ("", "ours", "range of runs", "beside (runs)", "ours/beside", "goal")
    rows = [head, *(row for figure in figures for row in figure.rows())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def say(line: str) -> None:
    """A line for whoever watches, beside what is measured."""
    print(line, file=sys.stderr, flush=True)
