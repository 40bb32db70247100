"""What Python sequences of numbers become on the wire: bytes of 8 for each, little-endian. Needs no numpy."""

from array import array
from typing import Any

from xpstore._values.checks import MAX_STEP, invalid
from xpstore.format.messages import Buffer


def to_numbers(field: str, values: Any) -> tuple[Buffer, bool, int]:
    """The bytes of numbers, those of the array itself if it has them so; whether they are integers, and how many.

    Args:
        field: how an error names them.
        values: an array of numpy or torch with one dimension, or any sequence of numbers. Integers beyond 64 bits make
            floats of all.
    """
    values = _plain(values)
    kind = getattr(getattr(values, "dtype", None), "kind", None)
    if kind is not None:
        if kind not in "fiub" or values.ndim != 1:
            raise invalid(field, values, "must be numbers in one dimension")
        is_int = kind in "iub" and not (values.dtype.itemsize == 8 and kind == "u" and (values > (1 << 63) - 1).any())
        numbers = values.astype("<i8" if is_int else "<f8", order="C", copy=False)
        return numbers.data.cast("B") if len(numbers) else b"", is_int, len(numbers)
    try:
        items = list(values)
        is_int = all(isinstance(item, int) for item in items) and bool(items)
        packed = array("q" if is_int else "d", items)
    except OverflowError:
        return array("d", items).tobytes(), False, len(items)
    except TypeError:
        raise invalid(field, values, "must be a sequence of numbers") from None
    return packed.tobytes(), is_int, len(packed)


def to_steps(values: Any, count: int) -> Buffer:
    """The bytes of training steps, as many as there are values."""
    packed, is_int, found = to_numbers("steps", values)
    if found != count:
        raise invalid("steps", values, f"must be as many as values: there are {found} and {count}")
    if not found:
        return b""
    if not is_int:
        raise invalid("steps", values, "must be integers")
    lowest, highest = _bounds(values, packed)
    if lowest < 0 or highest > MAX_STEP:
        raise invalid("steps", values, f"must be between 0 and {MAX_STEP}")
    return packed


def _bounds(values: Any, packed: Buffer) -> tuple[int, int]:
    values = _plain(values)
    if hasattr(values, "dtype"):
        return int(values.min()), int(values.max())
    numbers = memoryview(packed).cast("q")
    return min(numbers), max(numbers)


def _plain(values: Any) -> Any:
    """A tensor of torch as what numpy makes of it."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return values
