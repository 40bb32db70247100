"""Text of others as it may be shown: nothing in it moves a cursor, changes a direction or ends a line."""

import unicodedata

# Categories of Unicode: controls (C0, C1, DEL), formats (bidirectional marks, what has no width), halves of surrogates,
# what is private or unassigned, and the ends of lines and paragraphs.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""Writes what would not be seen as it is in a text as Python does, such as `\x1b` and `\u202e`."""
    return text if text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN:
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()


def printable_lines(text: str) -> str:
    """The same of a text whose lines are ours."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(text: str) -> str:
    r"""The same of JSON, whose texts then have `\u001b` and the like: it stays the same JSON."""
    return "".join(map(_shown_in_json, text))


def _shown_in_json(character: str) -> str:
    if character == "\n" or unicodedata.category(character) not in _HIDDEN:
        return character
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[start : start + 2].hex()}" for start in range(0, len(units), 2))
