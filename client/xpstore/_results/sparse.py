"""Sparse matrices and arrays of scipy as arrays of numpy, and back."""

from collections.abc import Callable
from typing import Any

from xpstore._identity.estimators import LAYOUTS
from xpstore._results.frames import ResultReader, ResultWriter

# Of lil the parts are lists, which it does not take back.
_PARTS = {layout: parts for layout, parts in LAYOUTS.items() if layout != "lil"}


def encode(value: Any, out: ResultWriter) -> Any:
    """JSON of a sparse matrix or array; None if it is something else, or of another layout."""
    from scipy import sparse  # here: it may be missing

    if not sparse.issparse(value) or value.format not in _PARTS:
        return None
    kind = type(value)
    if getattr(sparse, kind.__name__, None) is not kind:  # of a class of the program
        return None
    arrays = [out.walk(getattr(value, part)) for part in _PARTS[value.format]]
    # Of coo it is an attribute, which says that nothing is there twice; the others find it out when they are asked.
    is_canonical = bool(vars(value).get("has_canonical_format"))
    return {"$sparse": [kind.__name__, list(value.shape), arrays, is_canonical]}


def _read(parts: list[Any], reader: ResultReader) -> Any:
    from scipy import sparse  # here: it may be missing

    name, shape, arrays, is_canonical = parts
    if name.partition("_")[0] not in _PARTS:
        raise ValueError(f"scipy has no {name}")
    made = getattr(sparse, name)(tuple(map(reader.walk, arrays)), shape=tuple(shape))
    if is_canonical:
        made.has_canonical_format = True
    return made


READERS: dict[str, Callable[[Any, ResultReader], Any]] = {"$sparse": _read}
