"""Fingerprints of columns that may have nulls: by type and what they say, however they are chunked."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from xpstore._identity.arrays import seal_pieces
from xpstore._identity.builtins import LEAVES
from xpstore._identity.nodes import Branch, Node, NodeType, Refused, at_key, named, seal, seal_text

if TYPE_CHECKING:
    import pyarrow as pa

    from xpstore._identity.arrays import Array

BATCH_ROWS = 1 << 16


def expand_arrow(value: Any) -> bytes | Branch | None:
    """Tables, record batches, arrays and chunked arrays of Arrow."""
    import pyarrow as pa  # here: it may be missing

    if isinstance(value, (pa.Table, pa.RecordBatch)):
        names = tuple(value.schema.names)
        notes = tuple((field.nullable, field.metadata) for field in value.schema)
        head = [(None, names), (None, value.num_rows), (None, value.schema.metadata), (None, notes)]
        return Branch(NodeType.TABLE, [*head, *zip(names, value.columns, strict=True)], at_key)
    if isinstance(value, (pa.Array, pa.ChunkedArray)):
        return seal_arrow(value)
    if isinstance(value, (pa.DataType, pa.Field, pa.Schema)):
        return named(NodeType.SUBCLASS, value, (None, _schema_of(value).serialize().to_pybytes()))
    if isinstance(value, pa.Scalar):
        return named(NodeType.SUBCLASS, value, (None, pa.array([value.as_py()], value.type)))
    return None


def _schema_of(value: Any) -> "pa.Schema":
    import pyarrow as pa  # here: it may be missing

    if isinstance(value, pa.DataType):
        value = pa.field("", value)
    return pa.schema([value]) if isinstance(value, pa.Field) else value


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
    if pa.types.is_dictionary(kind):  # chunks may have other ones each
        chunks = pa.chunked_array(chunks, kind).unify_dictionaries().chunks
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
    if types.is_dictionary(kind):
        name = f"dictionary[{_code(kind.index_type)}{', ordered' if kind.ordered else ''}]"
        indices = (_numbers(piece.indices).astype("i8") for piece in _pieces(chunks))
        words = _seal_chunks(kind.value_type, [chunk.dictionary for chunk in chunks[:1]])
        return name, [words, _seal_array("i8", sum(map(len, chunks)), indices)]
    if types.is_struct(kind):
        fields = [kind.field(position) for position in range(kind.num_fields)]
        parts = [chunk.flatten() for chunk in chunks]
        return "struct", [_seal_field(field, [part[i] for part in parts]) for i, field in enumerate(fields)]
    if types.is_map(kind):
        entries = pa.list_(pa.struct([kind.key_field, kind.item_field]))
        _, inner = _children(entries, [chunk.cast(entries) for chunk in chunks])
        return "map[sorted]" if kind.keys_sorted else "map", inner
    if types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind):
        lengths = (_numbers(piece.value_lengths()).astype("i8") for piece in _pieces(chunks))
        inner = [_seal_field(kind.value_field, [chunk.flatten() for chunk in chunks])]
        name = "large_list" if types.is_large_list(kind) else "list"
        name = f"fixed_size_list[{kind.list_size}]" if types.is_fixed_size_list(kind) else name
        return name, [_seal_array("i8", sum(map(len, chunks)), lengths), *inner]
    if types.is_decimal(kind):
        texts = [chunk.cast(pa.large_string()) for chunk in chunks]
        return str(kind), _seal_data(map(_rows, _pieces(texts)))
    if types.is_fixed_size_binary(kind):
        return str(kind), _seal_data(map(_rows, _pieces([chunk.cast(pa.binary()) for chunk in chunks])))
    for name in _BYTES:
        if getattr(types, f"is_{name}", _never)(kind):
            return name, _seal_data(map(_rows, _pieces(chunks)))
    return _numeric(kind, chunks)


def _seal_field(field: "pa.Field[Any]", chunks: Sequence[Any]) -> bytes:
    """A column inside of another one: its name, whether it may have nulls, what is noted beside it, and its rows."""
    pairs = (field.metadata or {}).items()
    notes = seal(NodeType.DICT + b"".join(LEAVES[bytes](one) for pair in pairs for one in pair))
    notes = LEAVES[type(None)](None) if field.metadata is None else notes
    return seal_text(field.name) + LEAVES[bool](field.nullable) + notes + _seal_chunks(field.type, chunks)


def _never(_: Any) -> bool:
    return False


# What holds text and bytes; views are of later versions of Arrow.
_BYTES = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")


def _numeric(kind: "pa.DataType", chunks: Sequence[Any]) -> tuple[str, list[bytes]]:
    import pyarrow as pa  # here: it may be missing

    types, length = pa.types, sum(map(len, chunks))
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        code = _code(kind)
        return code, [_seal_array(code, length, map(_numbers, _pieces(chunks)))]
    if types.is_temporal(kind) and kind.bit_width in (32, 64):
        plain = pa.int32() if kind.bit_width == 32 else pa.int64()
        numbers = (_numbers(piece.view(plain)) for piece in _pieces(chunks))
        return str(kind), [_seal_array(f"i{kind.bit_width // 8}", length, numbers)]
    raise Refused(f"a column of {kind} has no fingerprint: cast it to another type")


def _code(kind: "pa.DataType") -> str:
    """The type of a number, as numpy has it."""
    import pyarrow as pa  # here: it may be missing

    if pa.types.is_boolean(kind):
        return "b1"
    letter = "f" if pa.types.is_floating(kind) else "i" if pa.types.is_signed_integer(kind) else "u"
    return f"{letter}{kind.bit_width // 8}"


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
