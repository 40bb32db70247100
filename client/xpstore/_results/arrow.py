"""What Arrow holds as a file and back: tables, batches, arrays and scalars, types and schemas."""

from typing import Any

from xpstore._results.exact import CURE
from xpstore._results.frames import ResultReader, ResultWriter
from xpstore.errors import InvalidArgument


def encode(value: Any, out: ResultWriter) -> Any:
    """JSON of a value of Arrow, whose content is a file; None if it is of another type."""
    import pyarrow as pa  # here: it may be missing

    if type(value) in (pa.Table, pa.RecordBatch):
        table, kind = value, type(value).__name__
    elif isinstance(value, pa.ChunkedArray):
        table, kind = pa.table([value], [""]), "ChunkedArray"
    elif isinstance(value, pa.Array):
        table, kind = pa.table([value], [""]), "Array"
    elif isinstance(value, pa.Scalar):
        table, kind = pa.table([pa.array([value.as_py()], value.type)], [""]), "Scalar"
    elif isinstance(value, pa.Schema):
        table, kind = value.empty_table(), "Schema"
    else:
        return None
    return {"$arrow": [kind, out.file("arrow", table)]}


def check(value: Any, back: Any) -> None:
    """Raises InvalidArgument if what was read back is of another type: its elements are the same bytes."""
    one, other = (getattr(item, "schema", getattr(item, "type", item)) for item in (value, back))
    is_same = type(value) is type(back) and one.equals(other, check_metadata=True)
    # None and no notes at all are the same to Arrow.
    if not is_same or _notes(one) != _notes(other):
        raise InvalidArgument(f"Arrow would make a {other} of a {one}. {CURE}")


def _notes(schema: Any) -> list[Any]:
    import pyarrow as pa  # here: it may be missing

    return [schema.metadata, *(field.metadata for field in schema)] if isinstance(schema, pa.Schema) else []


def _read(parts: list[str], reader: ResultReader) -> Any:
    import pyarrow as pa  # here: it may be missing

    kind, name = parts
    table = reader.file("arrow", name)
    if kind == "Table":
        return table
    if kind == "Schema":
        return table.schema
    if kind == "RecordBatch":
        return table.combine_chunks().to_batches()[0] if len(table) else pa.RecordBatch.from_pylist([], table.schema)
    if kind == "ChunkedArray":
        return table.column(0)
    array = table.column(0).combine_chunks()
    return array[0] if kind == "Scalar" else array


READERS = {"$arrow": _read, "$arrow-parquet": lambda name, reader: reader.file("arrow-parquet", name)}
