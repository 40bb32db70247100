"""Fingerprints of columns that may have nulls: by what they say, whatever holds them and however they are chunked."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from xpstore._identity.arrays import seal_pieces
from xpstore._identity.builtins import LEAVES
from xpstore._identity.nodes import Branch, Node, NodeType, Refused, at_key, seal

if TYPE_CHECKING:
    import pyarrow as pa

    from xpstore._identity.arrays import Array

BATCH_ROWS = 1 << 16


def expand_arrow(value: Any) -> bytes | Branch | None:
    """Tables, record batches, arrays and chunked arrays of Arrow."""
    import pyarrow as pa  # here: it may be missing

    if isinstance(value, (pa.Table, pa.RecordBatch)):
        names = tuple(value.schema.names)
        columns = zip(names, value.columns, strict=True)
        return Branch(NodeType.TABLE, [(None, names), (None, value.num_rows), *columns], at_key)
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return seal_arrow(value)
    return None


def seal_arrow(value: "pa.Array[Any] | pa.ChunkedArray[Any]") -> bytes:
    """Seals an array of Arrow as a column."""
    import pyarrow as pa  # here: it may be missing

    return _seal_chunks(value.type, value.chunks if isinstance(value, pa.ChunkedArray) else [value])


def seal_nullable(values: "Array", is_valid: "Array") -> bytes:
    """Seals a column of numbers, those that are null being 0."""
    kind = values.dtype.str[1:]
    return _seal_column(
        kind, len(values), _seal_validity(len(values), [is_valid]), [_seal_array(kind, len(values), [values])]
    )


def seal_texts(texts: Sequence[str | None]) -> bytes:
    """Seals a column of text; None is null."""
    import numpy as np  # here: it may be missing

    def parts() -> "Iterator[tuple[Array, bytes]]":
        for start in range(0, len(texts), BATCH_ROWS):
            encoded = [(text or "").encode("utf-8", "surrogatepass") for text in texts[start : start + BATCH_ROWS]]
            yield np.fromiter(map(len, encoded), "i8", len(encoded)), b"".join(encoded)

    is_valid = np.fromiter((text is not None for text in texts), "?", len(texts))
    return _seal_column("string", len(texts), _seal_validity(len(texts), [is_valid]), _seal_data(parts()))


def _seal_column(kind: str, length: int, validity: bytes, children: Iterable[bytes]) -> bytes:
    return seal(NodeType.COLUMN + LEAVES[str](kind) + LEAVES[int](length) + validity + b"".join(children))


def _seal_validity(length: int, pieces: "Sequence[Array]") -> bytes:
    """Which rows are not null; None when all are, as there may be no note of it at all."""
    if all(piece.all() for piece in pieces):
        return LEAVES[type(None)](None)
    return _seal_array("b1", length, pieces)


def _seal_array(kind: str, length: int, pieces: "Iterable[Array]") -> bytes:
    import numpy as np  # here: it may be missing

    return seal_pieces(NodeType.ARRAY, np.dtype(kind), (length,), pieces)


def _seal_data(parts: "Iterable[tuple[Array, bytes | memoryview]]") -> list[bytes]:
    """Rows of bytes: their lengths, and all of them one after the other."""
    lengths, data = list[Any](), Node(NodeType.BYTES)
    for some, together in parts:
        lengths.append(some)
        data.write(together)
    return [_seal_array("i8", sum(map(len, lengths)), lengths), data.seal()]


def _seal_chunks(kind: "pa.DataType", chunks: Sequence[Any]) -> bytes:
    import pyarrow as pa  # here: it may be missing

    length = sum(map(len, chunks))
    if pa.types.is_dictionary(kind):
        decoded = [chunk.dictionary_decode() for chunk in chunks]
        name = "dictionary[ordered]" if kind.ordered else "dictionary"
        return _seal_column(name, length, LEAVES[type(None)](None), [_seal_chunks(kind.value_type, decoded)])
    has_nulls = any(chunk.null_count for chunk in chunks)
    validity = [piece.is_valid().to_numpy(zero_copy_only=False) for piece in _pieces(chunks)] if has_nulls else []
    name, children = _children(kind, chunks)
    return _seal_column(name, length, _seal_validity(length, validity), children)


def _children(kind: "pa.DataType", chunks: Sequence[Any]) -> tuple[str, list[bytes]]:
    """The name of a type, and what its columns consist of."""
    import pyarrow as pa  # here: it may be missing

    types = pa.types
    if types.is_null(kind):
        return "null", []
    if types.is_struct(kind):
        fields = [kind.field(position) for position in range(kind.num_fields)]
        parts = [chunk.flatten() for chunk in chunks]
        columns = [_seal_chunks(field.type, [part[i] for part in parts]) for i, field in enumerate(fields)]
        return "struct", [LEAVES[str](field.name) + column for field, column in zip(fields, columns, strict=True)]
    if types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind):
        lengths = (_numbers(piece.value_lengths()).astype("i8") for piece in _pieces(chunks))
        inner = _seal_chunks(kind.value_type, [chunk.flatten() for chunk in chunks])
        name = f"fixed_size_list[{kind.list_size}]" if types.is_fixed_size_list(kind) else "list"
        return name, [_seal_array("i8", sum(map(len, chunks)), lengths), inner]
    if types.is_decimal(kind):
        texts = [chunk.cast(pa.large_string()) for chunk in chunks]
        return f"decimal({kind.precision}, {kind.scale})", _seal_data(map(_rows, _pieces(texts)))
    if types.is_fixed_size_binary(kind):
        return str(kind), _seal_data(map(_rows, _pieces([chunk.cast(pa.binary()) for chunk in chunks])))
    for name, tests in _BYTES.items():
        if any(getattr(types, test, _never)(kind) for test in tests):
            return name, _seal_data(map(_rows, _pieces(chunks)))
    return _numeric(kind, chunks)


def _never(_: Any) -> bool:
    return False


# What holds text and bytes, by the name that their columns have; views are of later versions of Arrow.
_BYTES = {
    "string": ("is_string", "is_large_string", "is_string_view"),
    "binary": ("is_binary", "is_large_binary", "is_binary_view"),
}


def _numeric(kind: "pa.DataType", chunks: Sequence[Any]) -> tuple[str, list[bytes]]:
    import pyarrow as pa  # here: it may be missing

    types, length = pa.types, sum(map(len, chunks))
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        code = "b1" if types.is_boolean(kind) else f"{'fiu'[_sign(kind)]}{kind.bit_width // 8}"
        return code, [_seal_array(code, length, map(_numbers, _pieces(chunks)))]
    if types.is_temporal(kind) and kind.bit_width in (32, 64):
        plain = pa.int32() if kind.bit_width == 32 else pa.int64()
        numbers = (_numbers(piece.view(plain)) for piece in _pieces(chunks))
        return str(kind), [_seal_array(f"i{kind.bit_width // 8}", length, numbers)]
    raise Refused(f"a column of {kind} has no fingerprint: cast it to another type")


def _sign(kind: "pa.DataType") -> int:
    import pyarrow as pa  # here: it may be missing

    return 0 if pa.types.is_floating(kind) else 1 if pa.types.is_signed_integer(kind) else 2


def _pieces(chunks: Sequence[Any]) -> Iterator[Any]:
    for chunk in chunks:
        for start in range(0, len(chunk), BATCH_ROWS):
            yield chunk.slice(start, BATCH_ROWS)


def _numbers(piece: Any) -> "Array":
    """The numbers of a piece, 0 for a null, whatever is in memory there."""
    import numpy as np  # here: it may be missing
    import pyarrow as pa  # here: it may be missing

    if piece.null_count:
        piece = piece.fill_null(pa.array(np.zeros(1, piece.type.to_pandas_dtype()))[0])
    numbers: Array = piece.to_numpy(zero_copy_only=False)
    return numbers


def _rows(piece: Any) -> "tuple[Array, bytes | memoryview]":
    """The lengths of rows of bytes, 0 for a null, and the bytes of all of them."""
    import numpy as np  # here: it may be missing
    import pyarrow as pa  # here: it may be missing

    piece = piece.cast(pa.large_binary())
    if piece.null_count:
        piece = piece.fill_null(b"")
    _, places, data = piece.buffers()
    offsets = np.frombuffer(places, "i8")[piece.offset : piece.offset + len(piece) + 1]
    return np.diff(offsets), memoryview(data)[offsets[0] : offsets[-1]] if data is not None else b""
