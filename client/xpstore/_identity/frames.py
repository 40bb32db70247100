"""Fingerprints of frames, series and indexes of pandas and polars."""

from collections.abc import Iterator
from typing import Any

from xpstore._identity.extension_arrays import expand_values
from xpstore._identity.nodes import Branch, Fields, NodeType, at_key, named, seal
from xpstore._identity.reductions import attributes


def expand_pandas(value: Any) -> bytes | Branch | None:
    """Frames, series, indexes, their arrays and the scalars in them."""
    import pandas as pd  # here: it may be missing

    if value is pd.NaT or value is pd.NA:
        return seal(NodeType.MISSING + (b"NaT" if value is pd.NaT else b"NA"))
    if isinstance(value, pd.Timestamp):
        parts = (value.to_pydatetime(warn=False), value.nanosecond, value.unit)
        return Branch(NodeType.TIMESTAMP, [(None, part) for part in parts])
    if isinstance(value, pd.Timedelta):
        parts = (value.to_pytimedelta(), value.nanoseconds, value.unit)
        return Branch(NodeType.TIMESTAMP, [(None, part) for part in parts])
    if isinstance(value, pd.MultiIndex):
        levels = ((None, part) for pair in zip(value.levels, map(_codes, value.codes), strict=True) for part in pair)
        return Branch(NodeType.MULTI_INDEX, [("names", tuple(value.names)), *levels])
    if isinstance(value, pd.Index):
        return _index(value)
    if isinstance(value, (pd.Series, pd.DataFrame)):
        return _labelled(value)
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return expand_values(value)
    if isinstance(value, pd.api.extensions.ExtensionDtype):
        names = vars(value) if isinstance(value, pd.StringDtype) else value._metadata
        return named(NodeType.FIELDS, value, (None, Fields({name: getattr(value, name) for name in names})))
    return None


def _codes(codes: Any) -> Any:
    import numpy as np  # here: it may be missing

    return np.asarray(codes, "i8")


def _index(index: Any) -> Branch:
    import pandas as pd  # here: it may be missing

    values = range(index.start, index.stop, index.step) if isinstance(index, pd.RangeIndex) else index.array
    freq = getattr(index, "freqstr", None)
    return Branch(NodeType.INDEX, [("names", tuple(index.names)), ("values", values), (None, freq)])


def _labelled(value: Any) -> Branch:
    """A frame or series; with what a subclass or whoever had it set beside, if anything is."""
    import pandas as pd  # here: it may be missing

    is_frame = isinstance(value, pd.DataFrame)
    kind: Any = pd.DataFrame if is_frame else pd.Series
    plain = _frame(value) if is_frame else _series(value)
    names = {name for name in vars(value) if not name.startswith("_")} | {*value._metadata} - {*kind._metadata}
    beside = attributes({name: getattr(value, name, None) for name in names})
    if type(value) is kind and not beside:
        return plain
    return named(NodeType.SUBCLASS, value, (None, plain), (None, beside))


def _series(series: Any) -> Branch:
    parts = [("name", series.name), ("index", series.index), ("values", series.array), *_notes(series)]
    return Branch(NodeType.SERIES, parts)


def _frame(frame: Any) -> Branch:
    def parts() -> Iterator[tuple[Any, Any]]:
        yield "columns", frame.columns
        yield "index", frame.index
        yield from _notes(frame)
        for position, name in enumerate(frame.columns):
            yield name, frame.iloc[:, position].array

    return Branch(NodeType.FRAME, parts(), at_key)


def _notes(value: Any) -> list[tuple[str, Any]]:
    return [("attrs", value.attrs), ("flags", value.flags.allows_duplicate_labels)]


def expand_polars(value: Any) -> Branch | None:
    """Frames and series of polars."""
    import polars as pl  # here: it may be missing

    if isinstance(value, pl.DataFrame):
        columns = {name: value.get_column(name) for name in value.columns}
        return named(NodeType.SUBCLASS, value, (None, value.height), (None, columns))
    if isinstance(value, pl.Series):
        return named(
            NodeType.SUBCLASS, value, *((None, part) for part in (value.name, str(value.dtype), value.to_arrow()))
        )
    return None
