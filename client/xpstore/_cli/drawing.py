"""Curves in characters: a line of blocks, or a picture of dots."""

import math

from xpstore._cli.table import can_show, rule
from xpstore._notebook.curve import Curve

BLOCKS = "▁▂▃▄▅▆▇█"
# Where the encoding has no blocks.
PLAIN_BLOCKS = "_.-~=*#@"
_BRAILLE = 0x2800
# The dot of a braille character by its column and row.
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
_CORNER = ("│", "|")


def sparkline(curve: Curve) -> str:
    """A block for each part of a curve, a space where it has no number."""
    numbers = [mean for mean in curve.means if math.isfinite(mean)]
    if not numbers:
        return ""
    blocks = BLOCKS if can_show(BLOCKS) else PLAIN_BLOCKS
    least, most = min(numbers), max(numbers)
    levels = (_level(mean, least, most, len(blocks)) if math.isfinite(mean) else None for mean in curve.means)
    return "".join(" " if level is None else blocks[level] for level in levels)


def picture(curve: Curve, width: int, height: int) -> list[str]:
    """The lines of a picture of a curve that has numbers: smallest and largest at its side, steps or times below.

    Args:
        curve: one dot for each of its parts, and for what those have from the smallest to the largest.
        width: of the whole, in characters.
        height: of the dots, in characters.
    """
    least = min(low for low in curve.lows if math.isfinite(low))
    most = max(high for high in curve.highs if math.isfinite(high))
    sides = [f"{most:.4g}", *[""] * (height - 2), f"{least:.4g}"]
    margin = max(map(len, sides))
    is_braille = can_show(chr(_BRAILLE | 0xFF))
    line = _CORNER[0] if can_show(_CORNER[0]) else _CORNER[1]
    across, down = (2, 4) if is_braille else (1, 1)
    columns = max(1, width - margin - 2)
    dots = _dots(curve, columns * across, height * down, least, most)
    rows = [
        "".join(_character(dots, column * across, row * down, is_braille) for column in range(columns)).rstrip()
        for row in range(height)
    ]
    first, last = (f"{x:g}" for x in (curve.xs[0], curve.xs[-1]))
    below = f"{first} {curve.unit}s".ljust(columns - len(last)) + last if curve.unit != "time" else ""
    return [
        *(f"{side:>{margin}} {line}{row}" for side, row in zip(sides, rows, strict=True)),
        f"{'':{margin}} {rule(columns + 1)}",
        f"{'':{margin}}  {below}".rstrip(),
    ]


def _dots(curve: Curve, width: int, height: int, least: float, most: float) -> set[tuple[int, int]]:
    start, end = curve.xs[0], curve.xs[-1]
    dots = set[tuple[int, int]]()
    for x, low, high in zip(curve.xs, curve.lows, curve.highs, strict=True):
        if not math.isfinite(low):
            continue
        column = _level(x, start, end, width)
        top, bottom = (height - 1 - _level(value, least, most, height) for value in (high, low))
        dots.update((column, row) for row in range(top, bottom + 1))
    return dots


def _level(value: float, least: float, most: float, levels: int) -> int:
    """Which of so many equal parts a value is in. Halved first: the range of doubles may be beyond all of them."""
    span = most / 2 - least / 2
    part = (value / 2 - least / 2) / span if span > 0 else 0.5
    return min(levels - 1, max(0, int(part * levels)))


def _character(dots: set[tuple[int, int]], left: int, top: int, is_braille: bool) -> str:
    if not is_braille:
        return "*" if (left, top) in dots else " "
    bits = sum(_DOTS[x][y] for x in range(2) for y in range(4) if (left + x, top + y) in dots)
    return chr(_BRAILLE | bits) if bits else " "
