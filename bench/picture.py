"""The picture of the results: how fast large and small files go, ours beside others."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Patch

from bench.figure import Figure

PANELS = {"MB/s": "Large files, MB/s, logarithmic", "files/s": "Small files, files/s, logarithmic"}
COLORS = {
    "ours": "#1f5fa8",
    "minio": "#d98324",
    "minio in 16 threads": "#e9bd87",
    "MLflow": "#b03a48",
    "copy": "#8a8a8a",
    "grpcio alone": "#c8c8c8",
}
BAR_INCHES = 0.16


def draw(figures: list[Figure], path: Path) -> None:
    """Draws medians with the range of the runs, a group of bars for each workload."""
    groups = {unit: [figure for figure in figures if figure.unit == unit] for unit in PANELS}
    heights = [max(1, sum(_bars(figure) for figure in group)) for group in groups.values()]
    size = (11, BAR_INCHES * sum(heights) + 1.5)
    drawing = Drawing(figsize=size, layout="constrained")
    axes = drawing.subplots(len(PANELS), 1, height_ratios=heights)
    for axis, (unit, title) in zip(axes, PANELS.items(), strict=True):
        _draw_panel(axis, groups[unit])
        axis.set_xscale("log")
        axis.set_title(title, fontsize=10, loc="left")
    handles = [Patch(color=color) for color in COLORS.values()]
    drawing.legend(handles, list(COLORS), loc="outside lower center", ncols=len(COLORS), fontsize=8, frameon=False)
    drawing.savefig(path, dpi=90)


def _bars(figure: Figure) -> int:
    """Its bars and the gap below them."""
    return 2 + len(figure.references)


def _draw_panel(axis: Axes, figures: list[Figure]) -> None:
    position, places, labels = 0.0, [], []
    for figure in figures:
        spreads = {"ours": figure.ours, **figure.references}
        for row, (who, spread) in enumerate(spreads.items()):
            ends = [[spread.median - spread.lowest], [spread.highest - spread.median]]
            axis.barh(position + row, spread.median, 0.9, color=COLORS.get(who, "black"), xerr=ends, ecolor="#333333")
            axis.annotate(f" {spread.median:,.0f}", (spread.highest, position + row), va="center", fontsize=6)
        places.append(position + (len(spreads) - 1) / 2)
        labels.append(figure.name)
        position += len(spreads) + 1
    axis.set_yticks(places, labels, fontsize=8)
    axis.set_ylim(position - 0.5, -1)
    axis.tick_params(axis="x", labelsize=8)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
