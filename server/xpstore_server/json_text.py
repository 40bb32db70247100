"""JSON texts of up to a megabyte: read without holding up all other threads.

The parser is one call of C: it lets no other thread run but where it calls what is written in Python, and a collection
of garbage among hundreds of thousands of new objects, none of which is any, takes longer than all else.
"""

import gc
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

LARGE = 64 << 10
# Python reads no longer integers (sys.set_int_max_str_digits): what another language wrote none of ours could read.
DIGITS = 4_300
_LONG = re.compile(rf"\d{{{DIGITS + 1}}}")


def loads(text: str) -> Any:
    """The value of a JSON text, all its numbers as floats: integers of any length are taken.

    Raises:
        ValueError: it is no JSON. What Python alone would read, as NaN, is none.
        RecursionError: it is too deep.
    """
    return _read(text, _float if len(text) > LARGE else float)


def check(text: str) -> bool:
    """Whether a JSON text is an object. Raises as `loads`, and ValueError for an integer of too many digits."""
    if _LONG.search(text):  # perhaps in a string
        return isinstance(_read(text, _short), dict)
    return isinstance(_read(text, _nothing if len(text) > LARGE else float), dict)


def _read(text: str, number: Callable[[str], float]) -> Any:
    is_collecting = len(text) > LARGE and gc.isenabled()
    if is_collecting:
        gc.disable()
    try:
        return _decoder(number).decode(text)
    finally:
        if is_collecting:
            gc.enable()


@cache
def _decoder(number: Callable[[str], float]) -> json.JSONDecoder:
    """Made once: of a small text that takes longer than reading it."""
    return json.JSONDecoder(parse_int=number, parse_float=number, parse_constant=_refuse)


def _float(digits: str) -> float:
    return float(digits)


def _nothing(digits: str) -> float:
    return 0.0


def _short(digits: str) -> float:
    if len(digits.lstrip("-")) > DIGITS and digits.lstrip("-").isdigit():
        raise ValueError(f"an integer has {len(digits)} digits, {DIGITS} at most: write it as a string")
    return 0.0


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")  # Python alone would read it, and no other language
