"""What Python sequences of numbers become on the wire: bytes of 8 for each, little-endian. Needs no numpy."""

import sys
from array import array
from collections.abc import Mapping, Set
from typing import Any, NamedTuple

from xpstore._values.checks import MAX_STEP, invalid, to_scalar
from xpstore.format.messages import Buffer

# Beyond this not every integer is a double.
EXACT = 1 << 53
INT64 = 1 << 63


class Numbers(NamedTuple):
    """A column of numbers.

    Attributes:
        data: 8 bytes of each, those of the array itself if it has them so.
        is_int: whether they are integers.
        size: how many there are.
    """

    data: Buffer
    is_int: bool
    size: int


def to_numbers(field: str, values: Any) -> Numbers | list[float]:
    """A column that says exactly what the numbers are; a list of them where none can.

    None can say booleans, integers beyond 64 bits, and beside floats integers that are no double.

    Args:
        field: how an error names them.
        values: an array of one dimension of numpy, torch, pandas or pyarrow, or any sequence of numbers.

    Raises:
        InvalidArgument: they are none, or one of them is missing.
    """
    values = _plain(field, values)
    if isinstance(values, list):
        return _of_list(field, values)
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind not in "fiub":
        raise invalid(field, values, f"must be numbers, not {values.dtype}")
    if kind == "f" and size > 8:
        raise invalid(field, values, f"must fit into 64 bits, not {values.dtype}: say values.astype(float)")
    if kind == "b" or (kind == "u" and size == 8 and (values > INT64 - 1).any()):
        return list(values.tolist())
    numbers = values.astype("<f8" if kind == "f" else "<i8", order="C", copy=False)
    return Numbers(numbers.data.cast("B") if len(numbers) else b"", kind != "f", len(numbers))


def to_steps(values: Any, count: int) -> Buffer:
    """The bytes of training steps, as many as there are values; floats that are integers count."""
    numbers = to_numbers("steps", values)
    found = len(numbers) if isinstance(numbers, list) else numbers.size
    if found != count:
        raise invalid("steps", values, f"must be as many as values: there are {found} and {count}")
    packed = b"" if isinstance(numbers, list) else numbers.data if numbers.is_int else _to_integers(numbers.data)
    if not found:
        return b""
    if not packed:
        raise invalid("steps", values, f"must be integers between 0 and {MAX_STEP}")
    lowest, highest = _bounds(packed)
    if lowest < 0 or highest > MAX_STEP:
        raise invalid("steps", values, f"must be between 0 and {MAX_STEP}")
    return packed


def _to_integers(packed: Buffer) -> bytes:
    """The bytes of floats as integers; empty if one is none."""
    floats = memoryview(packed).cast("d").tolist()
    try:
        return array("q", map(int, floats)).tobytes() if all(map(float.is_integer, floats)) else b""
    except OverflowError:
        return b""


def _bounds(packed: Buffer) -> tuple[int, int]:
    if numpy := sys.modules.get("numpy"):
        column = numpy.frombuffer(packed, "<i8")
        return int(column.min()), int(column.max())
    numbers = memoryview(packed).cast("q")
    return min(numbers), max(numbers)


def _plain(field: str, values: Any) -> Any:
    """An array of numpy that holds no objects, or a list of what is to be taken number by number.

    Raises:
        InvalidArgument: it has no order, more than one dimension, or numbers that are masked.
    """
    if isinstance(values, (str, bytes, bytearray, Mapping, Set)) or getattr(values, "ndim", 1) != 1:
        raise invalid(field, values, "must be numbers in one dimension")
    if hasattr(values, "detach"):  # of torch
        try:
            return values.detach().cpu().numpy()
        except (TypeError, RuntimeError) as error:
            raise invalid(field, values, f"say values.float(): numpy has no such numbers ({error})") from None
    if hasattr(values, "to_pylist"):  # of pyarrow
        return values.to_pylist()
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(getattr(values, "dtype", None), numpy.dtype) or values.dtype.kind == "O":
        try:
            return list(values)  # nullable ones of pandas too: what is missing there is no number
        except TypeError:
            raise invalid(field, values, "must be a sequence of numbers") from None
    if isinstance(values, numpy.ma.MaskedArray) and numpy.ma.is_masked(values):
        raise invalid(field, values, "must not be masked: say values.compressed(), or what to put there by filled()")
    return numpy.asarray(values)


def _of_list(field: str, items: list[Any]) -> Numbers | list[float]:
    kinds = set(map(type, items))
    if not kinds <= {int, float, bool}:
        items = [_number(field, place, item) for place, item in enumerate(items)]
        kinds = set(map(type, items))
    if kinds == {int}:
        try:
            return Numbers(array("q", items).tobytes(), is_int=True, size=len(items))
        except OverflowError:
            return items
    if bool in kinds or not all(isinstance(item, float) or -EXACT <= item <= EXACT for item in items):
        return items
    return Numbers(array("d", items).tobytes(), is_int=False, size=len(items))


def _number(field: str, place: int, item: Any) -> float:
    if not isinstance(item, (int, float)) and hasattr(item, "item"):
        try:
            item = to_scalar(item)
        except (TypeError, ValueError, RuntimeError) as error:
            raise invalid(f"{field}[{place}]", item, f"must be a number ({error})") from None
    for kind in (bool, int, float):
        if isinstance(item, kind):
            return kind(item)
    raise invalid(f"{field}[{place}]", item, "must be a number; leave out what is missing, with its step")
