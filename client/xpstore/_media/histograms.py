"""Histograms: how many of some numbers lie between edges."""

import json
import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from xpstore._media.content import Content, to_array
from xpstore._values.checks import invalid, to_int64

MAX_BINS = 4_096


def to_histogram(values: Any, bins: Any) -> Content:
    """A histogram as a file.

    Args:
        values: numbers; or a pair of counts and edges, as `numpy.histogram` returns it.
        bins: how many, of the same width, if it is made of numbers.

    Raises:
        InvalidArgument: there is no finite number, or counts and edges do not belong together.
    """
    told: dict[str, Any]
    if isinstance(values, tuple) and len(values) == 2 and not _is_number(values[0]):
        counts, edges = (_listed("values", side) for side in values)
        told = {"edges": edges, "counts": counts}
        _check(values, counts, edges)
    else:
        told = _counted(values, bins)
    return Content("histogram", "histogram.json", json.dumps(told, allow_nan=False).encode())


def _counted(values: Any, bins: Any) -> dict[str, Any]:
    bins = to_int64("bins", bins)
    if not 1 <= bins <= MAX_BINS:
        raise invalid("bins", bins, f"must be between 1 and {MAX_BINS}")
    array = to_array("values", values)
    if array is None:
        counts, edges, left = _count_numbers(values, bins)
    else:
        counts, edges, left = _count_array(values, array, bins)
    # NaN and infinities are in no bin: how many there were is said beside.
    return {"edges": edges, "counts": counts} | ({"not_finite": left} if left else {})


def _count_array(values: Any, array: Any, bins: int) -> tuple[list[int], list[float], int]:
    import numpy  # here, as it comes with the array

    if array.dtype.kind not in "fiub":
        raise invalid("values", values, f"must be numbers, not {array.dtype}")
    flat = array.astype(numpy.float64).ravel()
    finite = flat[numpy.isfinite(flat)]
    if not finite.size:
        raise invalid("values", values, f"must have a finite number among its {flat.size}")
    counts, edges = numpy.histogram(finite, _edges(float(finite.min()), float(finite.max()), bins))
    return counts.tolist(), edges.tolist(), int(flat.size - finite.size)


def _count_numbers(values: Any, bins: int) -> tuple[list[int], list[float], int]:
    numbers = _listed("values", values)
    finite = [number for number in numbers if math.isfinite(number)]
    if not finite:
        raise invalid("values", values, f"must have a finite number among its {len(numbers)}")
    edges = _edges(min(finite), max(finite), bins)
    counts, width = [0] * bins, edges[-1] - edges[0]
    for number in finite:
        place = min(int((number - edges[0]) / width * bins), bins - 1)
        # The division may be off by one beside an edge.
        place += (place + 1 < bins and number >= edges[place + 1]) - (number < edges[place])
        counts[place] += 1
    return counts, edges, len(numbers) - len(finite)


def _edges(least: float, most: float, bins: int) -> list[float]:
    """Edges of bins of the same width, as many as numbers between have room for; around a single number half a unit."""
    if least == most:
        gap = max(0.5, abs(least) * 1e-6)
        least, most = least - gap, most + gap
    width = most / bins - least / bins  # the difference itself may be infinite
    edges = [least + width * place for place in range(bins)] + [most]
    if not all(left < right for left, right in pairwise(edges)):
        fix = f"has no room for {bins} bins between {least} and {most}: say fewer, or subtract what they share"
        raise invalid("values", least, fix)
    return edges


def _check(values: Any, counts: Sequence[float], edges: Sequence[float]) -> None:
    if len(edges) != len(counts) + 1 or not counts or len(counts) > MAX_BINS:
        fix = f"counts and edges must be 1 to {MAX_BINS} counts and one edge more; are {len(counts)} and {len(edges)}"
        raise invalid("values", values, fix)
    if not all(math.isfinite(edge) for edge in edges) or not all(left < right for left, right in pairwise(edges)):
        raise invalid("values", values, "edges must be finite and rise")
    if not all(math.isfinite(count) and count >= 0 for count in counts):
        raise invalid("values", values, "counts must be finite and not negative")


def _listed(field: str, values: Any) -> list[Any]:
    array = to_array(field, values)
    if array is not None:
        if array.dtype.kind not in "fiu" or len(array.shape) != 1:
            raise invalid(field, values, f"must be numbers in one dimension, not {array.dtype} of shape {array.shape}")
        values = array.tolist()
    found = list(values) if isinstance(values, Iterable) and not isinstance(values, (str, bytes)) else [None]
    if not all(map(_is_number, found)):
        raise invalid(field, values, "must be numbers")
    return [_plain(number) for number in found]


def _plain(value: Any) -> Any:
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def _is_number(value: Any) -> bool:
    value = _plain(value)
    return isinstance(value, (int, float)) and not isinstance(value, bool)
