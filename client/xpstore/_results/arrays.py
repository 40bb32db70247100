"""Arrays and scalars of numpy as files and JSON, and back: with the order of their axes in memory."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from xpstore._identity.arrays import axes
from xpstore._results.exact import CURE
from xpstore._results.frames import ResultReader, ResultWriter
from xpstore.errors import InvalidArgument

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

# Kinds of element types that a file of numpy says all of, and that hold all their values in it.
_PLAIN = "biufcmMSU"
# Long doubles differ between machines.
_LONG = "gG"


def encode_array(value: "Array", out: ResultWriter) -> Any:
    """JSON of an array, whose elements are a file; objects are JSON one by one.

    Raises:
        InvalidArgument: an element has no safe format, or the file would be of another type.
    """
    order = _order(value)
    if value.dtype.kind == "O":
        laid = value if order is None else value.transpose(order)
        return {"$objects": [list(laid.shape), order, [out.walk(item) for item in laid.flat]]}
    _check_type(value.dtype)
    if order is None or value.flags.f_contiguous:  # which the file says
        return {"$npy": out.file("npy", value)}
    return {"$axes": [out.file("npy", value.transpose(order)), order]}


def is_exact(value: "Array") -> bool:
    """Whether an array comes back as it is: a file of numpy says all of it, and its objects are written one by one."""
    return value.dtype.kind in _PLAIN or value.dtype.kind == "O"


def encode_scalar(value: Any) -> Any:
    """JSON of a scalar of numpy.

    Raises:
        InvalidArgument: it is an object, a record or a long double.
    """
    if value.dtype.kind in "OVT" or value.dtype.char in _LONG:
        raise InvalidArgument(f"the result has a numpy scalar of type {value.dtype}, which has no safe format. {CURE}")
    return {"$numpy": [value.dtype.str, value.tobytes().hex()]}


def _check_type(dtype: "np.dtype[Any]") -> None:
    import numpy as np  # here: it may be missing

    is_held = not dtype.hasobject and not dtype.metadata and dtype.char not in _LONG
    if not is_held or repr(np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype))) != repr(dtype):
        raise InvalidArgument(f"the result has a numpy array of {dtype!r}, which npy cannot hold as it is. {CURE}")


def _order(value: "Array") -> list[int] | None:
    """All axes in the order they have in memory, if that is not their own."""
    wide = axes(value)
    return None if wide is None else [*wide, *(axis for axis in range(value.ndim) if axis not in wide)]


def _in_place(array: "Array", order: list[int] | None) -> "Array":
    import numpy as np  # here: it may be missing

    return array if order is None else array.transpose(np.argsort(order))


def _read_axes(parts: list[Any], reader: ResultReader) -> "Array":
    return _in_place(reader.file("npy", parts[0]), parts[1])


def _read_objects(parts: list[Any], reader: ResultReader) -> "Array":
    import numpy as np  # here: it may be missing

    shape, order, items = parts
    array = np.empty(len(items), object)
    for position, item in enumerate(items):  # one by one: numpy would take lists apart
        array[position] = reader.walk(item)
    return _in_place(array.reshape(shape), order)


def _read_scalar(parts: list[str], reader: ResultReader) -> Any:
    import numpy as np  # here: it may be missing

    # Not frombuffer: an empty text has a type of no bytes.
    return np.ndarray((), np.dtype(parts[0]), bytes.fromhex(parts[1]))[()]


# How what is tagged is read.
READERS: dict[str, Callable[[Any, ResultReader], Any]] = {
    "$npy": lambda name, reader: reader.file("npy", name),
    "$axes": _read_axes,
    "$objects": _read_objects,
    "$numpy": _read_scalar,
}
