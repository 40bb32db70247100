"""Fingerprints of the arrays that pandas holds columns in: the type each says, and what is in it."""

from typing import Any

from xpstore._identity.arrays import expand_array
from xpstore._identity.columns import seal_arrow, seal_nullable, seal_texts
from xpstore._identity.nodes import Branch, NodeType, Sealed
from xpstore._identity.reductions import expand_reduced


def expand_values(values: Any) -> bytes | Branch:
    """An array that pandas holds: the type it says, and what is in it."""
    import numpy as np  # here: it may be missing
    import pandas as pd  # here: it may be missing

    dtype = values.dtype
    if isinstance(dtype, np.dtype) or isinstance(values, pd.arrays.NumpyExtensionArray):
        return _expand_plain(values.to_numpy())
    if isinstance(dtype, pd.ArrowDtype) or getattr(dtype, "storage", "").startswith("pyarrow"):
        return _extension(_name(dtype), Sealed(seal_arrow(values.__arrow_array__())))
    if isinstance(dtype, pd.StringDtype):
        return _extension(_name(dtype), Sealed(seal_texts(values.to_numpy(dtype=object, na_value=None).tolist())))
    if isinstance(dtype, pd.CategoricalDtype):
        codes = np.asarray(values.codes, "i4")
        return Branch(NodeType.CATEGORICAL, [(None, dtype.categories), (None, bool(dtype.ordered)), (None, codes)])
    if isinstance(dtype, pd.DatetimeTZDtype):
        instants = values.tz_convert("UTC").tz_localize(None).to_numpy()
        return Branch(NodeType.ZONED, [(None, dtype.tz), (None, instants)])
    if isinstance(dtype, pd.IntervalDtype):
        return Branch(NodeType.INTERVALS, [(None, part) for part in (values.closed, values.left, values.right)])
    if isinstance(dtype, pd.PeriodDtype):
        return _extension(_name(dtype), values.asi8)
    if isinstance(dtype, pd.SparseDtype):
        places = values.sp_index.to_int_index()
        parts = (values.kind, places.length, places.indices, values.sp_values, values.fill_value)
        return _extension(_name(dtype), parts)
    if hasattr(dtype, "numpy_dtype"):
        numbers = values.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        return _extension(_name(dtype), Sealed(seal_nullable(numbers, ~values.isna())))
    return expand_reduced(values)


def _extension(name: str, content: Any) -> Branch:
    return Branch(NodeType.EXTENSION, [(None, name), (None, content)])


def _name(dtype: Any) -> str:
    """What a type is called, with what its own text leaves out."""
    import pandas as pd  # here: it may be missing

    if isinstance(dtype, pd.StringDtype):
        return f"string[{dtype.storage}, {'NA' if dtype.na_value is pd.NA else 'nan'}]"
    return str(dtype)


def _expand_plain(array: Any) -> bytes | Branch:
    """What numpy holds. Objects that are text or None are written as text, which is quicker."""
    if array.dtype.kind == "O" and array.ndim == 1 and len(array):
        kinds = set(map(type, array))
        if str in kinds and kinds <= {str, type(None)}:
            return _extension("object", Sealed(seal_texts(array.tolist())))
    return expand_array(array)
