"""Frames, series, indexes, arrays and scalars of pandas as files and JSON, and back.

A frame is one Parquet file of its columns, whose names there are for people. Its labels are beside it, and so is each
column that Parquet would change: objects one by one, categories that are no text, numbers of types that it lacks.
"""

from collections.abc import Callable
from typing import Any, Protocol

from xpstore._results import tagged_json
from xpstore.errors import InvalidArgument

# So many texts, such as names of columns, are JSON: a file of them takes longer.
INLINE_TEXTS = 1_000


class ResultWriter(Protocol):
    """Writes what is in a value."""

    def walk(self, value: Any) -> Any:
        """JSON of a value."""

    def file(self, format: str, value: Any) -> str:
        """Writes a file of a format; returns its name."""


class ResultReader(Protocol):
    """Reads what a `ResultWriter` wrote."""

    def walk(self, node: Any) -> Any:
        """The value of JSON."""

    def file(self, format: str, name: str) -> Any:
        """The object in a file."""


def encode(value: Any, out: ResultWriter) -> Any:
    """JSON of a value of pandas; None if it is of another type. Whoever writes compares what comes back.

    Raises:
        InvalidArgument: it holds something that has no safe format.
    """
    import pandas as pd  # here: it may be missing

    if value is pd.NaT or value is pd.NA:
        return {"$missing": "NaT" if value is pd.NaT else "NA"}
    if isinstance(value, pd.Index):
        return _index(value, out)
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return {"$pandas_array": _column(_array_of(pd.Series(value, dtype=value.dtype, copy=False)), out)}
    write: Any = {
        pd.DataFrame: _frame,
        pd.Series: _series,
        pd.Timestamp: _timestamp,
        pd.Timedelta: _timedelta,
        pd.Period: lambda value, _: {"$period": [value.ordinal, value.freqstr]},
        pd.Interval: lambda value, out: {"$interval": [out.walk(value.left), out.walk(value.right), value.closed]},
    }.get(type(value))
    return None if write is None else write(value, out)


def _frame(frame: Any, out: ResultWriter) -> Any:
    columns = [_array_of(frame.iloc[:, position]) for position in range(frame.shape[1])]
    apart = [position for position, column in enumerate(columns) if _is_apart(column)]
    inside = [position for position in range(len(columns)) if position not in {*apart}]
    rows = None
    if inside:
        bare = frame.iloc[:, inside] if apart else frame.copy(deep=False)
        names = list(bare.columns)
        is_text = all(type(name) is str and tagged_json.is_unicode(name) for name in names)
        bare.columns = names if is_text and len({*names}) == len(names) else [str(position) for position in inside]
        rows = out.file("parquet", _bare(bare.reset_index(drop=True)))
    node = {
        "rows": rows,
        "apart": [[position, _column(columns[position], out)] for position in apart],
        "columns": out.walk(frame.columns),
        "index": out.walk(frame.index),
    }
    return {"$frame": node | _notes(frame, out)}


def _series(series: Any, out: ResultWriter) -> Any:
    node = {"values": _column(_array_of(series), out), "index": out.walk(series.index), "name": out.walk(series.name)}
    return {"$pandas_series": node | _notes(series, out)}


def _notes(value: Any, out: ResultWriter) -> dict[str, Any]:
    """What few frames have: notes beside, and that labels may not be twice."""
    notes = {"attrs": out.walk(value.attrs)} if value.attrs else {}
    return notes if value.flags.allows_duplicate_labels else notes | {"unique": True}


def _bare(frame: Any) -> Any:
    frame.attrs = {}
    return frame


def _array_of(values: Any) -> Any:
    """The array of a series or index: of numpy where it is one, else of pandas."""
    import numpy as np  # here: it may be missing

    return values.to_numpy() if isinstance(values.dtype, np.dtype) else values.array


def _is_apart(column: Any) -> bool:
    """Whether Parquet would make another type of a column."""
    import numpy as np  # here: it may be missing
    import pandas as pd  # here: it may be missing

    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return not isinstance(dtype.categories.dtype, pd.StringDtype)
    if isinstance(dtype, pd.StringDtype):
        return bool(dtype.storage == "python")
    if isinstance(dtype, np.dtype):
        is_known = (
            dtype.kind in "biuf" or np.datetime_data(dtype)[0] in ("ms", "us", "ns")
            if dtype.kind in "biufmM"
            else False
        )
        return not (is_known and dtype.isnative and dtype.itemsize <= 8)
    return isinstance(dtype, pd.ArrowDtype | pd.DatetimeTZDtype)


def _column(column: Any, out: ResultWriter) -> Any:
    import numpy as np  # here: it may be missing
    import pandas as pd  # here: it may be missing

    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return out.walk(column)
    if isinstance(dtype, pd.CategoricalDtype):
        return {"$categorical": [out.walk(dtype.categories), out.walk(np.asarray(column.codes)), bool(dtype.ordered)]}
    if isinstance(dtype, pd.StringDtype) and (dtype.storage == "python" or len(column) <= INLINE_TEXTS):
        texts = column.to_numpy(dtype=object, na_value=None).tolist()
        return {"$texts": [dtype.storage, "NA" if dtype.na_value is pd.NA else "nan", out.walk(texts)]}
    if isinstance(dtype, pd.ArrowDtype):
        return {"$arrow_column": out.walk(column.__arrow_array__())}
    if isinstance(dtype, pd.DatetimeTZDtype):
        instants = column.tz_convert("UTC").tz_localize(None).to_numpy()
        return {"$zoned": [out.walk(instants), _from_zone(dtype.tz)]}
    return {"$column": out.file("parquet", pd.DataFrame({"values": column}, copy=False))}


def _index(index: Any, out: ResultWriter) -> Any:
    import numpy as np  # here: it may be missing
    import pandas as pd  # here: it may be missing

    names = out.walk(list(index.names))
    if isinstance(index, pd.RangeIndex):
        return {"$range_index": [index.start, index.stop, index.step, names]}
    if isinstance(index, pd.MultiIndex):
        codes = [out.walk(np.asarray(codes)) for codes in index.codes]
        return {"$multi_index": [[out.walk(level) for level in index.levels], codes, names]}
    freq = getattr(index, "freq", None) if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)) else None
    if freq is not None and pd.tseries.frequencies.to_offset(freq.freqstr) != freq:
        raise InvalidArgument(f"the result has an index of the frequency {freq!r}, which its name does not say")
    return {"$index": [_column(_array_of(index), out), names, freq and freq.freqstr]}


def _from_zone(zone: Any) -> Any:
    """A zone as what is in it, of pytz too, which is what pandas 2 has: a time of day could not take that as it is."""
    if type(zone).__module__.partition(".")[0] == "pytz" and zone.zone:
        return {"pytz": zone.zone}
    return tagged_json.from_zone(zone)


def _to_zone(node: Any) -> Any:
    if isinstance(node, dict):
        import pytz  # here: it may be missing

        return pytz.timezone(node["pytz"])
    return tagged_json.to_zone(node)


def _timestamp(value: Any, out: ResultWriter) -> Any:
    number = int(value.asm8.view("i8"))
    return {"$timestamp": [number, value.unit, _from_zone(value.tzinfo), value.fold]}


def _timedelta(value: Any, out: ResultWriter) -> Any:
    return {"$pandas_timedelta": [int(value.asm8.view("i8")), value.unit]}


def _read_frame(node: dict[str, Any], reader: ResultReader) -> Any:
    import pandas as pd  # here: it may be missing

    index = reader.walk(node["index"])
    frame = pd.DataFrame(index=range(len(index))) if node["rows"] is None else reader.file("parquet", node["rows"])
    frame.columns = range(-frame.shape[1], 0)
    for position, column in node["apart"]:
        frame.insert(position, position, _values(column, reader))
    frame.index, frame.columns = index, reader.walk(node["columns"])
    return _annotated(frame, node, reader)


def _read_series(node: dict[str, Any], reader: ResultReader) -> Any:
    series = _values(node["values"], reader)
    series.index, series.name = reader.walk(node["index"]), reader.walk(node["name"])
    return _annotated(series, node, reader)


def _annotated(value: Any, node: dict[str, Any], reader: ResultReader) -> Any:
    if "attrs" in node:
        value.attrs = reader.walk(node["attrs"])
    if "unique" in node:
        value.flags.allows_duplicate_labels = False
    return value


def _values(node: Any, reader: ResultReader) -> Any:
    """A column as a series of its own."""
    import pandas as pd  # here: it may be missing

    column = reader.walk(node)
    return pd.Series(column, dtype=column.dtype, copy=False)


def _read_categorical(parts: list[Any], reader: ResultReader) -> Any:
    import pandas as pd  # here: it may be missing

    categories, codes, is_ordered = parts
    dtype = pd.CategoricalDtype(reader.walk(categories), is_ordered)
    return pd.Categorical.from_codes(reader.walk(codes), dtype=dtype)


def _read_texts(parts: list[Any], reader: ResultReader) -> Any:
    import pandas as pd  # here: it may be missing

    storage, missing, texts = parts
    dtype = pd.StringDtype(storage, **({} if missing == "NA" else {"na_value": float("nan")}))
    return pd.array(reader.walk(texts), dtype=dtype)


def _read_arrow_column(node: Any, reader: ResultReader) -> Any:
    import pandas as pd  # here: it may be missing

    return pd.arrays.ArrowExtensionArray(reader.walk(node))


def _read_zoned(parts: list[Any], reader: ResultReader) -> Any:
    instants = _values(parts[0], reader).dt.tz_localize("UTC")
    return instants.dt.tz_convert(_to_zone(parts[1])).array


def _read_index(parts: list[Any], reader: ResultReader) -> Any:
    import pandas as pd  # here: it may be missing

    column, names, freq = parts
    values = reader.walk(column)
    index = pd.Index(values, dtype=values.dtype)
    index.names = reader.walk(names)
    if freq is not None:
        index.freq = freq
    return index


def _read_range_index(parts: list[Any], reader: ResultReader) -> Any:
    import pandas as pd  # here: it may be missing

    return pd.RangeIndex(*parts[:3], name=reader.walk(parts[3])[0])


def _read_multi_index(parts: list[Any], reader: ResultReader) -> Any:
    import pandas as pd  # here: it may be missing

    levels, codes, names = parts
    return pd.MultiIndex([*map(reader.walk, levels)], [*map(reader.walk, codes)], names=reader.walk(names))


def _read_timestamp(parts: list[Any], reader: ResultReader) -> Any:
    import numpy as np  # here: it may be missing
    import pandas as pd  # here: it may be missing

    number, unit, zone, fold = parts
    value = pd.Timestamp(np.datetime64(number, unit))
    if zone is not None:
        return value.tz_localize("UTC").tz_convert(_to_zone(zone))
    return value.replace(fold=fold) if fold else value


def _read_timedelta(parts: list[Any], reader: ResultReader) -> Any:
    import numpy as np  # here: it may be missing
    import pandas as pd  # here: it may be missing

    return pd.Timedelta(np.timedelta64(*parts))


def _read_period(parts: list[Any], reader: ResultReader) -> Any:
    import pandas as pd  # here: it may be missing

    return pd.Period(ordinal=parts[0], freq=parts[1])


def _read_interval(parts: list[Any], reader: ResultReader) -> Any:
    import pandas as pd  # here: it may be missing

    return pd.Interval(reader.walk(parts[0]), reader.walk(parts[1]), closed=parts[2])


def _read_missing(name: str, reader: ResultReader) -> Any:
    import pandas as pd  # here: it may be missing

    return pd.NaT if name == "NaT" else pd.NA


# How what is tagged is read.
READERS: dict[str, Callable[[Any, ResultReader], Any]] = {
    "$frame": _read_frame,
    "$pandas_series": _read_series,
    "$pandas_array": lambda node, reader: _values(node, reader).array,
    "$column": lambda name, reader: reader.file("parquet", name)["values"].array,
    "$categorical": _read_categorical,
    "$texts": _read_texts,
    "$zoned": _read_zoned,
    "$arrow_column": _read_arrow_column,
    "$index": _read_index,
    "$range_index": _read_range_index,
    "$multi_index": _read_multi_index,
    "$timestamp": _read_timestamp,
    "$pandas_timedelta": _read_timedelta,
    "$period": _read_period,
    "$interval": _read_interval,
    "$missing": _read_missing,
}
