"""Tables for a person at a terminal: nothing in them is cut or broken, so that ids can be copied."""

import os
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Sequence

_GAP = "  "


def table_lines(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> Iterator[str]:
    """Yields the lines of a table as wide as the terminal: as many columns as fit, the others of a row below it.

    Args:
        columns: what is most important first; those without any value are left out.
        rows: texts without ends of lines.
        right: which columns are numbers.
    """
    kept = [at for at in range(len(columns)) if not rows or any(row[at] for row in rows)]
    widths = [max(map(_width, (columns[at], *(row[at] for row in rows)))) for at in kept]
    width, count = _terminal_width(), 0
    while count < len(kept) and sum(widths[: count + 1]) + len(_GAP) * count <= width:
        count += 1
    shown, folded = kept[: max(count, 1)], kept[max(count, 1) :]
    yield _emphasized(_line([columns[at] for at in shown], widths, [right[at] for at in shown]))
    yield rule(min(width, sum(widths[: len(shown)]) + len(_GAP) * (len(shown) - 1)))
    for row in rows:
        yield _line([row[at] for at in shown], widths, [right[at] for at in shown])
        yield from _folded([f"{columns[at]} {row[at]}" for at in folded if row[at]], width)


def facts_lines(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Yields a line for each name and value."""
    width = max((_width(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        yield f"{_padded(name, width, False)}{_GAP}{value}"


def rule(width: int) -> str:
    """A line across, in what the encoding of standard output has."""
    return ("─" if can_show("─") else "-") * width


def can_show(text: str) -> bool:
    """Whether standard output takes this text as it is."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _terminal_width() -> int:
    return shutil.get_terminal_size().columns


def _line(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    # Widths of what is folded are left over.
    return _GAP.join(map(_padded, texts, widths, right)).rstrip()


def _folded(texts: list[str], width: int) -> Iterator[str]:
    line = ""
    for text in texts:
        if line and _width(line) + len(_GAP) + _width(text) > width:
            yield line
            line = ""
        line += _GAP + text
    if line:
        yield line


def _padded(text: str, width: int, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space


def _width(text: str) -> int:
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else not unicodedata.combining(one) for one in text)


def _emphasized(text: str) -> str:
    """In bold, but where https://no-color.org or the kind of terminal says otherwise."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return text if is_plain else f"\x1b[1m{text}\x1b[0m"
