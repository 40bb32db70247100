"""One measured figure and how it is shown."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """A median of several runs, beside the median of a reference from the same run.

    `goal` is the bound the project sets itself, in the same unit; None where it sets none.
    """

    name: str
    unit: str
    ours: float
    reference: float | None = None
    reference_name: str = ""
    goal: str = ""

    def row(self) -> tuple[str, ...]:
        ratio = f"{self.ours / self.reference:.2f}" if self.reference else ""
        reference = f"{self.reference:.3g} ({self.reference_name})" if self.reference else ""
        return self.name, f"{self.ours:.3g} {self.unit}", reference, ratio, self.goal

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def median_seconds(run: Callable[[], object], times: int) -> float:
    """The median duration of some runs."""
    durations = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def table(figures: list[Figure]) -> str:
    """Rows with aligned columns."""
    rows = [("", "ours", "reference", "ours/reference", "goal"), *(figure.row() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
