"""Whether two values are the same in all that a function could tell, without the fingerprints of the client."""

import collections
import copyreg
import datetime
import enum
import io
import math
import struct
import types
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import scipy.sparse
from matplotlib.figure import Figure


def difference(one: Any, other: Any) -> str:
    """Where two values differ, "" if nowhere."""
    return _difference(form(one), form(other), "it")


def _difference(one: Any, other: Any, path: str) -> str:
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        found = (
            _difference(left, right, f"{path}.{i}") for i, (left, right) in enumerate(zip(one, other, strict=True))
        )
        return next((text for text in found if text), "")
    return "" if type(one) is type(other) and one == other else f"{path}: {one!r:.200} is not {other!r:.200}"


def form(value: Any) -> Any:
    """A value as nested tuples of texts, bytes and types, which differ where it does."""
    kind = type(value)
    for types_, describe in _FORMS:
        if isinstance(value, types_):
            return kind, *describe(value)
    return kind, *_reduced(value)


def _all(values: Any) -> tuple[Any, ...]:
    return tuple(form(value) for value in values)


def _pairs(values: Any) -> tuple[Any, ...]:
    return tuple((form(key), form(item)) for key, item in values.items())


def _attributes(value: Any) -> tuple[Any, ...]:
    found = dict(getattr(value, "__dict__", {}))
    for base in type(value).__mro__:
        for name, slot in vars(base).items():
            if isinstance(slot, types.MemberDescriptorType) and hasattr(value, name):
                found[name] = getattr(value, name)
    return tuple((name, form(item)) for name, item in found.items())


def _double(value: float) -> bytes:
    return b"nan" if math.isnan(value) else struct.pack("<d", value)


def _zone(zone: Any) -> tuple[Any, ...]:
    return type(zone), str(zone), repr(zone)


def _clock(value: Any) -> tuple[Any, ...]:
    beside = (value.nanosecond, value.unit) if isinstance(value, pd.Timestamp) else ()
    return str(value), value.fold, _zone(value.tzinfo), beside


def _reduced(value: Any) -> tuple[Any, ...]:
    """What an object of any other class is made anew from, or what it holds."""
    if isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType, np.ufunc)):
        return (id(value),)
    reduce = copyreg.dispatch_table.get(type(value))
    reduced: Any = reduce(value) if reduce else value.__reduce_ex__(4)
    if isinstance(reduced, str):
        return (reduced,)
    make, arguments, state, items, entries = (*reduced, None, None, None)[:5]
    if isinstance(state, tuple):
        state = tuple(list(one.items()) if isinstance(one, dict) else one for one in state)
    return (
        id(make),
        _all(arguments),
        form(state),
        _all(items or ()),
        tuple((form(key), form(item)) for key, item in entries or ()),
    )


def _array(value: Any) -> tuple[Any, ...]:
    steps = [abs(step) for step, size in zip(value.strides, value.shape, strict=True) if size > 1]
    order = tuple(np.argsort([-step for step in steps], kind="stable").tolist()) if value.size and all(steps) else None
    order = None if order == (*range(len(steps)),) else order
    head = (repr(value.dtype), form(value.dtype.metadata and dict(value.dtype.metadata)), value.shape, order)
    beside = (_array(np.ma.getmaskarray(value)), form(value.fill_value)) if isinstance(value, np.ma.MaskedArray) else ()
    plain = value.view(np.ndarray)
    if value.dtype.names is not None:
        return *head, *beside, tuple(_array(plain[name]) for name in value.dtype.names)
    if value.dtype.kind in "OT":
        return *head, *beside, _all(plain.astype(object).flat)
    if value.dtype.kind in "fc" and np.isnan(plain).any():
        return *head, *beside, _all(plain.astype(complex).ravel().tolist())
    return *head, *beside, plain.tobytes()


def _index(value: Any) -> tuple[Any, ...]:
    head = (_all(value.names), repr(value.dtype))
    if isinstance(value, pd.MultiIndex):
        return *head, _all(value.levels), _all(map(list, value.codes))
    if isinstance(value, pd.RangeIndex):
        return *head, value.start, value.stop, value.step
    return *head, form(getattr(value, "freq", None)), form(value.array)


def _extension(value: Any) -> tuple[Any, ...]:
    dtype = value.dtype
    beside: tuple[Any, ...] = ()
    if isinstance(dtype, pd.CategoricalDtype):
        beside = (form(dtype.categories), dtype.ordered)
    if isinstance(dtype, pd.StringDtype):
        beside = (dtype.storage, form(dtype.na_value))
    if isinstance(dtype, pd.SparseDtype):
        beside = (form(dtype.fill_value), value.kind, form(value.sp_values))
    return repr(dtype), beside, _all(value)


def _notes(value: Any) -> tuple[Any, ...]:
    beside = {name: item for name, item in vars(value).items() if not name.startswith("_")}
    return form(value.attrs), value.flags.allows_duplicate_labels, form(beside)


def _frame(value: Any) -> tuple[Any, ...]:
    columns = [value.iloc[:, position].array for position in range(value.shape[1])]
    return form(value.columns), form(value.index), _notes(value), _all(columns)


def _arrow(value: Any) -> tuple[Any, ...]:
    if isinstance(value, pa.Table | pa.RecordBatch):
        notes = [(field.name, str(field.type), field.nullable, field.metadata) for field in value.schema]
        return form(value.schema.metadata), form(notes), _all(value.to_pydict().values())
    if isinstance(value, pa.Schema):
        return form(value.metadata), _all(value)
    if isinstance(value, pa.Field):
        return value.name, str(value.type), value.nullable, form(value.metadata)
    if isinstance(value, pa.DataType):
        return (str(value),)
    return str(value.type), form(value.as_py() if isinstance(value, pa.Scalar) else value.to_pylist())


def _sparse(value: Any) -> tuple[Any, ...]:
    names = ("data", "indices", "indptr", "coords", "offsets", "has_canonical_format", "has_sorted_indices")
    return value.shape, value.format, _all(getattr(value, name, None) for name in names)


def _picture(value: Figure) -> tuple[Any, ...]:
    output = io.BytesIO()
    value.savefig(output, format="rgba", dpi=value.dpi)
    return output.getvalue(), value.dpi, *map(float, value.get_size_inches())


def _content(value: Path) -> tuple[Any, ...]:
    """What is in a file or folder: that comes back, and its name, elsewhere."""
    files = sorted(path for path in value.rglob("*")) if value.is_dir() else [value]
    return tuple((path.name, path.read_bytes() if path.is_file() else b"") for path in files)


_FORMS: tuple[tuple[Any, Any], ...] = (
    ((type(None), bool, type(...), type(NotImplemented), enum.Enum), lambda value: (id(value),)),
    ((type(pd.NaT), type(pd.NA)), lambda value: ()),
    (np.generic, lambda value: _array(np.asarray(value))),
    (np.ndarray, _array),
    (np.dtype, lambda value: (repr(value), value.isalignedstruct)),
    (pd.Timestamp, _clock),
    (pd.Timedelta, lambda value: (value.value, value.unit)),
    (pd.Interval, lambda value: (form(value.left), form(value.right), value.closed)),
    (pd.MultiIndex, _index),
    (pd.Index, _index),
    (pd.api.extensions.ExtensionArray, _extension),
    (pd.Series, lambda value: (form(value.name), form(value.index), form(value.array), _notes(value))),
    (pd.DataFrame, _frame),
    ((pa.Table, pa.RecordBatch, pa.Array, pa.ChunkedArray, pa.Scalar, pa.Schema, pa.Field, pa.DataType), _arrow),
    (Figure, _picture),
    ((datetime.datetime, datetime.time), _clock),
    (scipy.sparse.sparray | scipy.sparse.spmatrix, _sparse),
    # What it was seeded with draws nothing any more.
    (np.random.RandomState, lambda value: (form(value.get_state(legacy=False)),)),
    (datetime.tzinfo, lambda value: (str(value), repr(value))),
    (Path, _content),
    (PurePath, lambda value: (str(value),)),
    (float, lambda value: (_double(value), _attributes(value))),
    (complex, lambda value: (_double(value.real), _double(value.imag), _attributes(value))),
    ((int, str, bytes, bytearray), lambda value: (repr(value), _attributes(value))),
    (collections.deque, lambda value: (value.maxlen, _all(value))),
    (collections.defaultdict, lambda value: (form(value.default_factory), _pairs(value))),
    (dict, lambda value: (_pairs(value), _attributes(value))),
    ((list, tuple), lambda value: (_all(value), _attributes(value))),
    ((set, frozenset), lambda value: (tuple(sorted(map(repr, map(form, value)))),)),
    (slice, lambda value: (form(value.start), form(value.stop), form(value.step))),
)
