"""Fingerprints of what pandas has: by logical type, so that versions which hold the same values in other ways agree."""

from collections.abc import Iterator
from typing import Any

from xpstore._identity.arrays import PIECE_BYTES, expand_array, seal_pieces
from xpstore._identity.columns import seal_arrow, seal_nullable, seal_texts
from xpstore._identity.nodes import Branch, NodeType, Sealed, at_key, no_fingerprint, seal


def expand_pandas(value: Any) -> bytes | Branch | None:
    """Frames, series, indexes, their arrays and the scalars in them."""
    import pandas as pd  # here: it may be missing

    if value is pd.NaT or value is pd.NA:
        return seal(NodeType.MISSING + (b"NaT" if value is pd.NaT else b"NA"))
    if isinstance(value, pd.Timestamp):
        return Branch(NodeType.TIMESTAMP, [(None, value.to_pydatetime(warn=False)), (None, value.nanosecond)])
    if isinstance(value, pd.Timedelta):
        return Branch(NodeType.TIMESTAMP, [(None, value.to_pytimedelta()), (None, value.nanoseconds)])
    if isinstance(value, pd.Index):
        type_ = NodeType.MULTI_INDEX if isinstance(value, pd.MultiIndex) else NodeType.INDEX
        return Branch(type_, [("names", tuple(value.names)), *(("values", level) for level in _levels(value))])
    if type(value) is pd.Series:
        return Branch(NodeType.SERIES, [("name", value.name), ("index", value.index), ("values", value.array)])
    if type(value) is pd.DataFrame:
        columns = ((name, series.array) for name, series in value.items())
        return Branch(NodeType.FRAME, _three(("columns", value.columns), ("index", value.index), columns), at_key)
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return _expand_values(value)
    return None


def _three(first: tuple[Any, Any], second: tuple[Any, Any], rest: Iterator[tuple[Any, Any]]) -> Iterator[Any]:
    yield first
    yield second
    yield from rest


def _levels(index: Any) -> Iterator[Any]:
    import numpy as np  # here: it may be missing
    import pandas as pd  # here: it may be missing

    if isinstance(index, pd.MultiIndex):
        yield from (index.get_level_values(level).array for level in range(index.nlevels))
    elif isinstance(index, pd.RangeIndex):  # the same index as one that holds these numbers
        numbers, step = range(index.start, index.stop, index.step), PIECE_BYTES // 8
        cuts = (numbers[start : start + step] for start in range(0, len(numbers), step))
        pieces = (np.arange(cut.start, cut.stop, cut.step, dtype=np.int64) for cut in cuts)
        yield Sealed(seal_pieces(NodeType.ARRAY, np.dtype("i8"), (len(numbers),), pieces))
    else:
        yield index.array


def _expand_values(values: Any) -> bytes | Branch:
    import numpy as np  # here: it may be missing
    import pandas as pd  # here: it may be missing

    dtype = values.dtype
    if isinstance(dtype, np.dtype) or isinstance(values, pd.arrays.NumpyExtensionArray):
        return _expand_plain(values.to_numpy())
    if isinstance(dtype, pd.ArrowDtype) or getattr(dtype, "storage", "").startswith("pyarrow"):
        return seal_arrow(values.__arrow_array__())
    if isinstance(dtype, pd.StringDtype):
        return seal_texts(values.to_numpy(dtype=object, na_value=None).tolist())
    if isinstance(dtype, pd.CategoricalDtype):
        codes = np.asarray(values.codes, "i4")
        return Branch(
            NodeType.CATEGORICAL, [(None, dtype.categories.array), (None, bool(dtype.ordered)), (None, codes)]
        )
    if isinstance(dtype, pd.DatetimeTZDtype):
        instants = values.tz_convert("UTC").tz_localize(None).to_numpy()
        return Branch(NodeType.ZONED, [(None, str(dtype.tz)), (None, instants)])
    if isinstance(dtype, pd.IntervalDtype):
        return Branch(
            NodeType.INTERVALS, [(None, values.closed), (None, values.left.array), (None, values.right.array)]
        )
    if hasattr(dtype, "numpy_dtype"):
        numbers = values.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        return seal_nullable(numbers, ~values.isna())
    raise no_fingerprint(values, f"convert what is {dtype} with astype")


def _expand_plain(array: Any) -> bytes | Branch:
    """What numpy holds. Objects that are text, but for missing ones, are text, as pandas 3 has it."""
    import pandas as pd  # here: it may be missing

    if array.dtype.kind == "O" and pd.api.types.infer_dtype(array, skipna=True) == "string":
        return seal_texts([None if gone else str(text) for text, gone in zip(array, pd.isna(array), strict=True)])
    return expand_array(array)
