"""Values in words for people: what a list of a call's parameters shows."""

import inspect
import reprlib
from typing import Any

from xpstore._identity.ownership import full_name

_SCALARS = {str, bytes, int, float, complex, bool, type(None)}
_PLAIN = _SCALARS | {list, tuple, dict, set, frozenset}


def describe(value: Any) -> str:
    """Returns a value as Python writes it if it is plain, shortened; else its type, with its shape if it has one."""
    return _SHORT.repr(value) if type(value) in _PLAIN else _describe_object(value)


class _Short(reprlib.Repr):
    def repr_instance(self, x: Any, level: int) -> str:
        if type(x) in _SCALARS:
            return super().repr_instance(x, level)
        return f"<{_describe_object(x)}>"  # what it says of itself may be long and slow to make


_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxother = 120


def _describe_object(value: Any) -> str:
    if isinstance(value, type) or inspect.isroutine(value):
        return full_name(value)
    kind = type(value).__qualname__
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if not isinstance(shape, tuple):
        return kind
    return f"{kind} of shape {tuple(shape)}" + (f", {dtype}" if dtype is not None else "")
