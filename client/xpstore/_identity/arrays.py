"""Fingerprints of arrays and tensors: type, shape, the order of the axes in memory, and elements in C order."""

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from xpstore._identity.builtins import LEAVES
from xpstore._identity.nodes import (
    Branch,
    Node,
    NodeType,
    Refused,
    at_index,
    named,
    no_fingerprint,
    seal,
    seal_text,
)
from xpstore._identity.reductions import attributes, expand_reduced, name_to

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

# A piece stays in the processor's cache between the look for NaN and the hash.
PIECE_BYTES = 1 << 20
TILE = 16
# NaN is one value: the bits of the quiet one, by size of the number. What makes NaN differs in sign between processors.
_NAN = {2: 0x7E00, 4: 0x7FC00000, 8: 0x7FF8000000000000}
_HALF_INFINITY = 0x7C00


def expand_numpy(value: Any) -> bytes | Branch | None:
    """Arrays, scalars, element types and universal functions of numpy."""
    import numpy as np  # here: it may be missing

    if isinstance(value, np.generic):
        return _scalar(value)
    if isinstance(value, np.dtype):
        return _dtype(value)
    if isinstance(value, np.ufunc):
        return _ufunc(value)
    if value is np.ma.masked:
        return seal(NodeType.TYPE + b"numpy.ma.masked")
    if isinstance(value, np.ma.MaskedArray):
        return _masked(value)
    if isinstance(value, np.ndarray):
        # joblib sends large arrays as files mapped into memory: the same arrays to whoever is sent them.
        if type(value) in (np.ndarray, np.memmap):
            return expand_array(value)
        return _subclass(value, ("attributes", attributes(vars(value))))
    if isinstance(value, (np.random.Generator, np.random.RandomState)):
        raise no_fingerprint(value, "pass the seed that it is made from")
    return None


def _subclass(array: "Array", *more: tuple[str | None, Any]) -> Branch:
    import numpy as np  # here: it may be missing

    return named(NodeType.SUBCLASS, array, (None, array.view(np.ndarray)), *((None, value) for _, value in more))


def _masked(array: Any) -> Branch:
    """The elements, also those under the mask, what is masked, and what stands for that."""
    import numpy as np  # here: it may be missing

    known = ("_mask", "_fill_value", "_hardmask", "_sharedmask", "_isfield", "_baseclass", "_basedict")
    more = {name: value for name, value in vars(array).items() if name not in known and value != {}}
    beside = [("mask", np.ma.getmaskarray(array)), ("fill_value", array.fill_value), ("hardmask", bool(array.hardmask))]
    return _subclass(array, *beside, ("attributes", attributes(more)))


def _ufunc(value: Any) -> bytes:
    module = name_to(value, value.__name__, "numpy", "scipy.special")
    if module is None:
        raise no_fingerprint(value, "only those of numpy and scipy.special have one: pass the function it is made of")
    return seal(NodeType.TYPE + f"{module}.{value.__name__}".encode())


def expand_array(array: "Array") -> bytes | Branch:
    """An array: records field by field, objects one by one, all else by its bytes."""
    if array.dtype.names is not None:
        fields = ((name, array[name]) for name in array.dtype.names)
        return Branch(NodeType.RECORDS, [(None, array.shape), (None, _layout(array.dtype)), *fields], _at_field)
    if array.dtype.kind == "O":
        return Branch(NodeType.OBJECTS, [(None, array.shape), (None, axes(array)), *enumerate(array.flat)], at_index)
    if array.dtype.kind == "T":
        return _texts(array)
    return seal_pieces(NodeType.ARRAY, array.dtype, array.shape, [array], axes(array))


def _at_field(label: Any) -> str:
    return "" if label is None else f"[{label!r}]"


def _layout(dtype: "np.dtype[Any]") -> tuple[Any, ...]:
    """What the type of records says besides the types of its fields: names, offsets, size, and the class of one."""
    import numpy as np  # here: it may be missing

    fields: Any = dtype.fields or {}
    offsets = tuple((name, *fields[name][1:]) for name in dtype.names or ())  # and titles, where there are any
    return offsets, dtype.itemsize, issubclass(dtype.type, np.record)


def _texts(array: "Array") -> Branch:
    """An array of texts of any length, and what stands for a missing one."""
    kind: Any = array.dtype
    missing = (kind.na_object,) if hasattr(kind, "na_object") else ()
    head = (array.shape, axes(array), missing, bool(kind.coerce))
    return Branch(NodeType.TEXTS, [(None, head), *enumerate(array.astype(object).flat)], at_index)


def axes(array: "Array") -> tuple[int, ...] | None:
    """The axes from that of the largest steps in memory to that of the smallest; None if that is their order.

    numpy adds numbers up along memory, so sums differ in their last digits with it.
    """
    if array.flags.c_contiguous or array.ndim < 2 or not all(array.strides):
        return None
    wide = [axis for axis in range(array.ndim) if array.shape[axis] > 1]
    order = sorted(wide, key=lambda axis: -abs(array.strides[axis]))
    return None if order == wide else tuple(order)


def _scalar(value: Any) -> bytes | Branch:
    import numpy as np  # here: it may be missing

    array = np.asarray(value)
    if array.dtype.names is not None:
        return Branch(NodeType.SCALAR, [(None, array)])
    return seal_pieces(NodeType.SCALAR, array.dtype, (), [array])


def _dtype(value: "np.dtype[Any]") -> bytes | Branch:
    if value.names is not None or value.subdtype is not None or value.kind == "T":
        return expand_reduced(value)
    return seal(NodeType.DTYPE + _name(value).encode())


def seal_pieces(
    type_: bytes,
    dtype: "np.dtype[Any]",
    shape: tuple[int, ...],
    pieces: "Iterable[Array]",
    order: tuple[int, ...] | None = None,
) -> bytes:
    """Seals an array that comes in pieces."""
    node = Node(type_)
    node.write(seal_head(_name(dtype), shape))
    if type_ == NodeType.ARRAY:
        node.write(LEAVES[type(None)](None) if order is None else _seal_ints(order))
    if dtype.itemsize:
        for whole in pieces:
            for piece in cut(whole):
                node.write(one_nan(piece))
    return node.seal()


def seal_head(name: str, shape: tuple[int, ...]) -> bytes:
    """Seals the name of an element type, and a shape."""
    return seal_text(name) + _seal_ints(shape)


def _seal_ints(numbers: tuple[int, ...]) -> bytes:
    return seal(NodeType.TUPLE + b"".join(LEAVES[int](int(number)) for number in numbers))


def _name(dtype: "np.dtype[Any]") -> str:
    """The element type, with ">" before it if its bytes are in that order: "f8", ">i4", "U5", "M8[ns]"."""
    if dtype.type.__module__ == "ml_dtypes":  # bfloat16 and its like
        return dtype.name
    number_bytes = {"f": dtype.itemsize, "c": dtype.itemsize // 2}.get(dtype.kind, 0)
    is_own = dtype.type.__module__ == "numpy" and dtype.names is None and dtype.subdtype is None
    if not is_own or dtype.kind not in "biufcmMSUVO" or number_bytes > 8:  # long doubles differ between machines
        raise Refused(f"an array of {dtype} has no fingerprint: convert it with astype")
    return dtype.str.lstrip("<|")


def cut(array: "Array") -> "Iterator[Array]":
    """The elements in C order and little-endian, in one dimension, in pieces; copied only if they are not so."""
    dtype = array.dtype.newbyteorder("<")
    count = max(PIECE_BYTES // dtype.itemsize, 1)
    if array.flags.c_contiguous and array.dtype == dtype:
        flat = array.reshape(-1)
        yield from ((flat[start : start + count]) for start in range(0, flat.size, count))
        return
    leading = array.shape[0] if array.ndim else 1
    row = math.prod(array.shape[1:])
    if array.ndim > 1 and row > count:
        for part in array:
            yield from cut(part)
    elif array.size:
        rows = max(count // row, 1)
        for start in range(0, leading, rows):
            part = array[start : start + rows] if array.ndim else array
            yield _in_order(part, dtype).reshape(-1)


def _in_order(part: "Array", dtype: "np.dtype[Any]") -> "Array":
    import numpy as np  # here: it may be missing

    if part.ndim < 2 or abs(part.strides[0]) >= abs(part.strides[-1]):
        return np.ascontiguousarray(part, dtype)
    # Across the layout in memory: in tiles, as one row after the other would miss the cache at each element.
    ordered = np.empty(part.shape, dtype)
    for start in range(0, part.shape[-1], TILE):
        ordered[..., start : start + TILE] = part[..., start : start + TILE]
    return ordered


def one_nan(piece: "Array") -> memoryview:
    """The bytes of a piece, all its NaN being the same one."""
    import numpy as np  # here: it may be missing

    if piece.dtype.kind == "c":
        piece = piece.view(f"<f{piece.dtype.itemsize // 2}")
    if piece.dtype.kind == "f":
        size = piece.dtype.itemsize
        bits = piece.view(f"<u{size}")
        # numpy converts numbers of two bytes one by one to look at them.
        is_nan = (bits & 0x7FFF) > _HALF_INFINITY if size == 2 else np.isnan(piece)
        piece = np.where(is_nan, bits.dtype.type(_NAN[size]), bits) if is_nan.any() else bits
    if piece.dtype.name == "bfloat16":
        piece = with_one_bfloat16_nan(piece)
    return piece.view("u1").data.cast("B")


def with_one_bfloat16_nan(piece: "Array") -> "Array":
    """Numbers of bfloat16 as their bits, all their NaN being the same one."""
    import numpy as np  # here: it may be missing

    bits = np.ascontiguousarray(piece.view(np.uint16), "<u2")
    return np.where((bits & 0x7FFF) > 0x7F80, bits.dtype.type(0x7FC0), bits)


def expand_torch(value: Any) -> bytes | Branch | None:
    """Tensors, wherever they are and whether or not they need gradients."""
    import torch  # here: it may be missing

    if isinstance(value, (torch.dtype, torch.device)):
        return seal(NodeType.DTYPE + str(value).encode())
    if isinstance(value, torch.nn.Module):
        raise no_fingerprint(value, "pass its state_dict() and the configuration that it was built from")
    if isinstance(value, torch.Generator):
        raise no_fingerprint(value, "pass the seed that it is made from")
    if not isinstance(value, torch.Tensor):
        return None
    if value.layout is not torch.strided or value.is_quantized:
        raise no_fingerprint(value, "only dense tensors have one: pass value.to_dense() or value.dequantize()")
    return _tensor(value)


def _tensor(value: Any) -> bytes:
    import torch  # here: it may be missing

    tensor = value.detach().resolve_conj().resolve_neg().cpu()
    name = str(tensor.dtype).removeprefix("torch.")
    node = Node(NodeType.TENSOR)
    node.write(seal_head(name, tuple(tensor.shape)))
    flat = tensor.contiguous().reshape(-1)
    count = max(PIECE_BYTES // tensor.element_size(), 1)
    for start in range(0, flat.numel(), count):
        piece = flat[start : start + count]
        if tensor.dtype is torch.bfloat16:
            array = with_one_bfloat16_nan(piece.view(torch.int16).numpy())
        elif name.startswith("float8"):
            array = piece.view(torch.uint8).numpy()
        else:
            array = next(cut(piece.numpy()))
        node.write(one_nan(array))
    return node.seal()
