"""Fingerprints of arrays and tensors: type, shape and elements in C order, whatever the layout in memory."""

import math
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from xpstore._identity.builtins import LEAVES
from xpstore._identity.nodes import Branch, Node, NodeType, Refused, at_index, no_fingerprint, seal

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
    """Arrays, scalars and element types of numpy."""
    import numpy as np  # here: it may be missing

    if isinstance(value, np.generic):
        return _scalar(value)
    if isinstance(value, np.dtype):
        return seal(NodeType.DTYPE + _name(value).encode())
    if not isinstance(value, np.ndarray):
        if isinstance(value, (np.random.Generator, np.random.RandomState)):
            raise no_fingerprint(value, "pass the seed that it is made from")
        return None
    if type(value) not in (np.ndarray, np.memmap):
        raise no_fingerprint(value, "pass a plain array, such as numpy.asarray makes, beside what it has more")
    return expand_array(value)


def expand_array(array: "Array") -> bytes | Branch:
    """An array: records field by field, objects one by one, all else by its bytes."""
    if array.dtype.names is not None:
        fields = ((name, array[name]) for name in array.dtype.names)
        names = tuple(array.dtype.names)
        return Branch(NodeType.RECORDS, [(None, array.shape), (None, names), *fields], lambda label: f"[{label!r}]")
    if array.dtype.kind == "O":
        return Branch(NodeType.OBJECTS, [(None, array.shape), *enumerate(array.flat)], at_index)
    return seal_pieces(NodeType.ARRAY, array.dtype, array.shape, [array])


def _scalar(value: Any) -> bytes | Branch:
    import numpy as np  # here: it may be missing

    array = np.asarray(value)
    if array.dtype.names is not None:
        return Branch(NodeType.SCALAR, [(None, array)])
    return seal_pieces(NodeType.SCALAR, array.dtype, (), [array])


def seal_pieces(type_: bytes, dtype: "np.dtype[Any]", shape: tuple[int, ...], pieces: "Iterable[Array]") -> bytes:
    """Seals an array that comes in pieces."""
    node = Node(type_)
    node.write(_head(_name(dtype), shape))
    if dtype.itemsize:
        for whole in pieces:
            for piece in _cut(whole):
                node.write(_bytes(piece))
    return node.seal()


def _head(name: str, shape: tuple[int, ...]) -> bytes:
    sizes = seal_tuple(LEAVES[int](int(size)) for size in shape)
    return seal(NodeType.STR + name.encode()) + sizes


def seal_tuple(children: Iterable[bytes]) -> bytes:
    """Seals a tuple of what is sealed."""
    return seal(NodeType.TUPLE + b"".join(children))


def _name(dtype: "np.dtype[Any]") -> str:
    """The element type without its byte order: "f8", "U5", "M8[ns]"."""
    number_bytes = {"f": dtype.itemsize, "c": dtype.itemsize // 2}.get(dtype.kind, 0)
    is_own = dtype.type.__module__ == "numpy" and dtype.names is None and dtype.subdtype is None
    if not is_own or dtype.kind not in "biufcmMSUVO" or number_bytes > 8:  # long doubles differ between machines
        raise Refused(f"an array of {dtype} has no fingerprint: convert it with astype")
    return dtype.str[1:]


def _cut(array: "Array") -> "Iterator[Array]":
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
            yield from _cut(part)
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


def _bytes(piece: "Array") -> memoryview:
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
    return piece.view("u1").data.cast("B")


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
    node.write(_head(name, tuple(tensor.shape)))
    flat = tensor.contiguous().reshape(-1)
    count = max(PIECE_BYTES // tensor.element_size(), 1)
    for start in range(0, flat.numel(), count):
        piece = flat[start : start + count]
        if tensor.dtype is torch.bfloat16:
            array = _with_one_bfloat16_nan(piece.view(torch.int16).numpy())
        elif name.startswith("float8"):
            array = piece.view(torch.uint8).numpy()
        else:
            array = next(_cut(piece.numpy()))
        node.write(_bytes(array))
    return node.seal()


def _with_one_bfloat16_nan(piece: "Array") -> "Array":
    import numpy as np  # here: it may be missing

    bits = np.ascontiguousarray(piece.view(np.uint16), "<u2")
    return np.where((bits & 0x7FFF) > 0x7F80, bits.dtype.type(0x7FC0), bits)
