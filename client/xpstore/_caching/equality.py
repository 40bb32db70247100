"""Whether two results are equal, by the equality of their own types."""

from typing import Any

from xpstore._identity.process import fingerprint
from xpstore.errors import InvalidArgument


def is_equal(one: Any, other: Any) -> bool:
    """Returns whether two results are of one type and equal.

    Lists, tuples and dictionaries are compared item by item, what has a method `equals` by that, anything else by `==`.
    NaN equals NaN. What is not equal by these, and still has the same fingerprint, is equal too: arrays inside objects,
    or objects without an equality of their own.

    Raises:
        Exception: of the library that compares, where there is no fingerprint either.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(is_equal, one, other))
    if isinstance(one, dict):
        # An ordered one compares the order too, and only that is asked of it: its values may be arrays.
        is_other_order = hasattr(one, "move_to_end") and list(one) != list(other)
        return not is_other_order and one.keys() == other.keys() and all(is_equal(one[key], other[key]) for key in one)
    problem: Exception | None = None
    try:
        if _is_equal_by_type(one, other):
            return True
    except Exception as error:  # a truth value that is ambiguous, say
        problem = error
    try:
        return fingerprint(one) == fingerprint(other)
    except InvalidArgument:
        if problem is not None:
            raise problem from None
        return False


def _is_equal_by_type(one: Any, other: Any) -> bool:
    kind = type(one)
    library = kind.__module__.partition(".")[0]
    if library == "matplotlib":  # a figure that was read shows one picture
        pictures = [[image.get_array() for image in figure.images] for figure in (one, other)]
        return (
            one.dpi == other.dpi
            and tuple(one.get_size_inches()) == tuple(other.get_size_inches())
            and is_equal(*pictures)
        )
    if library == "numpy":
        import numpy  # here: it may be missing

        may_be_nan = one.dtype.kind in "fc"
        return one.dtype == other.dtype and bool(numpy.array_equal(one, other, equal_nan=may_be_nan))
    if library == "torch":
        import torch  # here: it may be missing

        return one.dtype == other.dtype and bool(torch.equal(one, other))
    equals = getattr(one, "equals", None)
    return bool(equals(other) if callable(equals) else one == other)
