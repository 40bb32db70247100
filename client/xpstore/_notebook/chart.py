"""Charts of matplotlib, where it is installed."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xpstore._notebook.curve import Curve, one_unit
from xpstore._values.times import to_datetime
from xpstore.format.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

log = logging.getLogger("xpstore")

# After so many lines matplotlib's colors come again.
COLORS = 10
# Lines whose legend has room in the chart.
FEW = 6


def check_matplotlib() -> None:
    """Says what is missing before anything is asked for.

    Raises:
        ImportError: matplotlib is not installed.
    """
    _pyplot()


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot  # here: it may be missing, and costs half a second
    except ImportError:
        raise ImportError("plot() needs matplotlib: pip install matplotlib") from None
    return pyplot


def draw(curves: Sequence[Curve], *, ylabel: str, log_scale: bool, ax: "Axes | None" = None) -> "Axes":
    """Draws curves: the line of the means, in a band from the smallest to the largest where points are together.

    Args:
        curves: one at least, each with something to draw.
        ylabel: what is measured.
        log_scale: whether y is logarithmic. Numbers that are not positive are left out then, which the log says.
        ax: where; default a figure of its own.
    """
    unit = one_unit(curves)
    ax = _pyplot().subplots(layout="constrained")[1] if ax is None else ax
    for number, curve in enumerate(curves):
        xs: Any = [to_datetime(round(x * 1_000_000)) for x in curve.xs] if unit == "time" else curve.xs
        is_alone = not any(span.stop - span.start > 1 for span in curve.spans())
        style = "-" if number < COLORS else "--"
        marker = "o" if is_alone else None
        (line,) = ax.plot(xs, curve.means, linestyle=style, marker=marker, label=_plain(curve.label))
        if any(low < high for low, high in zip(curve.lows, curve.highs, strict=True)):
            ax.fill_between(xs, curve.lows, curve.highs, color=line.get_color(), alpha=0.2, linewidth=0)
        if curve.left_out:
            log.warning('%s: %d parts without a step are left out: x="time" has them.', curve.label, curve.left_out)
        if log_scale and (lost := sum(low <= 0 for low in curve.lows)):
            log.warning("%s: %d of %d values are not positive: log=True cannot show them.", curve.label, lost, len(xs))
    if log_scale:
        ax.set_yscale("log", nonpositive="mask")
    ax.set_xlabel("time (UTC)" if unit == "time" else unit)
    ax.set_ylabel(_plain(ylabel))
    if len(curves) <= FEW:
        ax.legend()
    else:  # beside the lines, which it would hide
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")
    return ax


def _plain(label: str) -> str:
    """A label that matplotlib shows as it is: no formula between dollars, and none that it hides for its first sign."""
    shown = printable(label).replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown
