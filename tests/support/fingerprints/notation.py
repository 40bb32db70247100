"""Values of docs/fingerprint-vectors.json, made from the notation that docs/fingerprint.md describes."""

import copyreg
import enum
import re
import struct
import threading
from collections import OrderedDict, namedtuple
from dataclasses import make_dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import NoneType
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

from xpstore.artifact import Artifact
from xpstore.client import Client
from xpstore.model import Model
from xpstore.v1 import artifact_pb2, model_pb2

Notation = dict[str, Any]

# What artifacts and models know of themselves is asked of nobody.
NO_CLIENT = cast(Client, None)
NOTHING: Notation = {"type": "dict", "entries": []}
EPOCH = datetime(1970, 1, 1)
PLAIN = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}


def build(notation: Notation, folder: Path) -> Any:
    """Makes a value; files are written below a folder."""
    return Builder(folder).build(notation)


class Builder:
    """One method for each type of the notation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = list[Any]()  # the lists and dictionaries that are being built

    def build(self, notation: Notation) -> Any:
        return getattr(self, "_" + notation["type"])(notation)

    def _all(self, notations: list[Notation]) -> list[Any]:
        return [self.build(one) for one in notations]

    def _none(self, _: Notation) -> None:
        return None

    def _bool(self, notation: Notation) -> bool:
        return bool(notation["value"])

    def _int(self, notation: Notation) -> int:
        return int(notation["value"])

    def _float(self, notation: Notation) -> float:
        return _double(notation["bits"])

    def _complex(self, notation: Notation) -> complex:
        return complex(*map(_double, notation["bits"]))

    def _str(self, notation: Notation) -> str:
        if "utf16_hex" in notation:
            return bytes.fromhex(notation["utf16_hex"]).decode("utf-16-be", "surrogatepass")
        return str(notation["value"])

    def _bytes(self, notation: Notation) -> bytes:
        return bytes.fromhex(notation["hex"]) * int(notation.get("times", 1))

    def _bytearray(self, notation: Notation) -> bytearray:
        return bytearray(self._bytes(notation))

    def _decimal(self, notation: Notation) -> Decimal:
        return Decimal(notation["value"])

    def _fraction(self, notation: Notation) -> Fraction:
        return Fraction(int(notation["numerator"]), int(notation["denominator"]))

    def _tuple(self, notation: Notation) -> Any:
        return PLAIN[notation["type"]](self._all(notation["items"]))

    _set = _frozenset = _tuple

    def _list(self, notation: Notation) -> list[Any]:
        made = list[Any]()
        self._open.append(made)
        made.extend(self._all(notation["items"]))
        self._open.pop()
        return made

    def _dict(self, notation: Notation) -> dict[Any, Any]:
        made = dict[Any, Any]()
        self._open.append(made)
        made.update((self.build(key), self.build(value)) for key, value in notation["entries"])
        self._open.pop()
        return made

    _attributes = _dict

    def _back(self, notation: Notation) -> Any:
        return self._open[-int(notation["up"])]

    def _ordered_dict(self, notation: Notation) -> OrderedDict[Any, Any]:
        return OrderedDict(self._dict(notation))

    def _range(self, notation: Notation) -> range:
        return range(int(notation["start"]), int(notation["stop"]), int(notation["step"]))

    def _slice(self, notation: Notation) -> slice:
        return slice(*self._all([notation["start"], notation["stop"], notation["step"]]))

    def _date(self, notation: Notation) -> date:
        return date.fromisoformat(notation["value"])

    def _datetime(self, notation: Notation) -> datetime:
        return (EPOCH + timedelta(microseconds=int(notation["microseconds"]))).replace(**self._clock(notation))

    def _time(self, notation: Notation) -> time:
        return (EPOCH + timedelta(microseconds=int(notation["microseconds"]))).time().replace(**self._clock(notation))

    def _clock(self, notation: Notation) -> Any:
        zone = notation.get("zone")
        return {"tzinfo": None if zone is None else self._zone(zone), "fold": notation.get("fold", 0)}

    def _zone(self, notation: Notation) -> tzinfo:
        if notation["class"] == "zoneinfo.ZoneInfo":
            return ZoneInfo(notation["name"])
        return timezone(timedelta(microseconds=int(notation["offset"])), notation["name"])

    def _timedelta(self, notation: Notation) -> timedelta:
        return timedelta(microseconds=int(notation["microseconds"]))

    def _uuid(self, notation: Notation) -> UUID:
        return UUID(notation["value"])

    def _pattern(self, notation: Notation) -> Any:
        return re.compile(self.build(notation["pattern"]), notation["flags"])

    def _file(self, notation: Notation) -> Path:
        folder = self._folder / f"folder-{len(list(self._folder.iterdir()))}"
        folder.mkdir()
        path = folder / str(notation["name"])
        path.write_bytes(bytes.fromhex(notation["hex"]))
        return path

    def _path_text(self, notation: Notation) -> Path:
        return Path(notation["value"])

    def _directory(self, notation: Notation) -> Path:
        root = self._folder / f"directory-{len(list(self._folder.iterdir()))}"
        root.mkdir()
        for entry in notation["entries"]:
            path = root / entry["path"]
            if entry["hex"] is None:
                path.mkdir(parents=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes.fromhex(entry["hex"]))
            path.chmod(0o755 if entry["executable"] else 0o644)
        return root

    def _artifact(self, notation: Notation) -> Artifact:
        return Artifact._from_wire(artifact_pb2.ArtifactVersion(digest=bytes.fromhex(notation["digest"])), NO_CLIENT)

    def _model(self, notation: Notation) -> Model:
        return Model(NO_CLIENT, model_pb2.Model(hash=notation["hash"]))

    def _type(self, notation: Notation) -> Any:
        known = {"builtins.int": int, "builtins.NoneType": NoneType, "numpy.float32": np.float32}
        return known[notation["name"]]

    def _fields(self, notation: Notation) -> Any:
        kind = make_dataclass("Made", [name for name, _ in notation["fields"]])
        return _named(kind, notation)(*self._all([value for _, value in notation["fields"]]))

    def _named_tuple(self, notation: Notation) -> Any:
        kind = namedtuple("Made", [name for name, _ in notation["fields"]])  # type: ignore[misc]
        return _named(kind, notation)(*self._all([value for _, value in notation["fields"]]))

    def _enum(self, notation: Notation) -> Any:
        value = self.build(notation["value"])
        if notation["name"] is None:
            return _named(enum.Flag("Made", {"A": 1, "B": 2}), notation)(value)
        return _named(enum.Enum("Made", {notation["name"]: value}), notation)(value)

    def _subclass(self, notation: Notation) -> Any:
        value = self.build(notation["value"])
        made = _named(type("Made", (type(value),), {}), notation)(value)
        vars(made).update({name: self.build(attribute) for name, attribute in notation["attributes"]})
        return made

    def _own(self, notation: Notation) -> Any:
        value = self.build(notation["value"])
        return _named(type("Made", (), {"__fingerprint__": lambda _: value}), notation)()

    def _reduced(self, notation: Notation) -> Any:
        arguments, state, items, entries = (
            self.build(notation.get(part, {"type": "none"})) for part in ("arguments", "state", "items", "entries")
        )
        kind = _named(type("Made", (), {}), notation)
        kind.__reduce_ex__ = (
            lambda _, __: (
                {"copyreg.__newobj__": copyreg.__newobj__}[notation["make"]],  # type: ignore[attr-defined]
                (kind, *arguments[1:]),
                state,
                items,
                None if entries is None else list(entries.items()),
            )
        )
        return kind()

    def _object(self, _: Notation) -> object:
        return object()

    def _idle(self, _: Notation) -> Any:
        return threading.Event()

    def _array(self, notation: Notation) -> Any:
        data = np.frombuffer(bytes.fromhex(notation["hex"]), "<" + notation["dtype"].removeprefix(">"))
        data = data.reshape(notation["shape"]).astype(notation["dtype"])
        axes = notation.get("axes")
        return data if axes is None else np.ascontiguousarray(data.transpose(axes)).transpose(np.argsort(axes))

    def _scalar(self, notation: Notation) -> Any:
        return self._array({**notation, "shape": [1]})[0]

    def _records(self, notation: Notation) -> Any:
        fields = {name: self.build(field) for name, field in notation["fields"]}
        depth = len(notation["shape"])
        kind: Any = {
            "names": list(fields),
            "formats": [(field.dtype, field.shape[depth:]) for field in fields.values()],
            "offsets": notation["offsets"],
            "itemsize": notation["itemsize"],
        }
        array: Any = np.zeros(notation["shape"], np.dtype(kind))
        for name, field in fields.items():
            array[name] = field
        return array

    def _objects(self, notation: Notation) -> Any:
        array = np.empty(len(notation["items"]), object)
        array[:] = self._all(notation["items"])
        return array.reshape(notation["shape"])

    def _dtype(self, notation: Notation) -> Any:
        return np.dtype(notation["name"])

    def _tensor(self, notation: Notation) -> Any:
        import torch

        data = torch.frombuffer(bytearray.fromhex(notation["hex"]), dtype=getattr(torch, notation["dtype"]))
        return data.reshape(notation["shape"])

    def _column(self, notation: Notation) -> Any:
        kind, values = _arrow_type(notation), notation["values"]
        return (
            pa.array(values, kind.value_type).dictionary_encode()
            if pa.types.is_dictionary(kind)
            else pa.array(values, kind)
        )

    def _table(self, notation: Notation) -> Any:
        columns = [(name, self.build(column)) for name, column in notation["columns"]]
        notes = notation.get("notes", [[True, None]] * len(columns))
        fields = [
            pa.field(name, column.type, nullable, _metadata(metadata))
            for (name, column), (nullable, metadata) in zip(columns, notes, strict=True)
        ]
        return pa.table([column for _, column in columns], pa.schema(fields, _metadata(notation.get("metadata"))))

    def _extension(self, notation: Notation) -> Any:
        return pd.array(self.build(notation["content"]).to_pylist(), dtype=notation["name"])

    def _index(self, notation: Notation) -> Any:
        name, values = self.build(notation["name"]), self.build(notation["values"])
        if isinstance(values, range):
            return pd.RangeIndex(values, name=name)
        index: Any = pd.Index(values, _kind(notation["values"]), name=name)
        if "freq" in notation:
            index.freq = notation["freq"]
        return index

    def _multi_index(self, notation: Notation) -> Any:
        levels, codes = zip(*notation["levels"], strict=True)
        return pd.MultiIndex(self._all(list(levels)), list(codes), names=self._all(notation["names"]))

    def _series(self, notation: Notation) -> Any:
        parts = self._all([notation["name"], notation["index"], notation["values"]])
        series = pd.Series(parts[2], parts[1], _kind(notation["values"]), parts[0])
        series.attrs = self.build(notation.get("attrs", NOTHING))
        return series

    def _frame(self, notation: Notation) -> Any:
        columns, index = self.build(notation["columns"]), self.build(notation["index"])
        values = {i: pd.Series(self.build(one), index, _kind(one)) for i, one in enumerate(notation["values"])}
        frame = pd.DataFrame(values, index)
        frame.columns = columns
        frame.attrs = self.build(notation.get("attrs", NOTHING))
        return frame

    def _categorical(self, notation: Notation) -> Any:
        categories = self.build(notation["categories"])
        return pd.Categorical.from_codes(notation["codes"], categories, notation["ordered"])

    def _zoned(self, notation: Notation) -> Any:
        instants = pd.DatetimeIndex(self.build(notation["instants"])).tz_localize("UTC")
        return instants.tz_convert(self._zone(notation["zone"])).array

    def _missing(self, notation: Notation) -> Any:
        return {"NaT": pd.NaT, "NA": pd.NA}[notation["name"]]

    def _timestamp(self, notation: Notation) -> Any:
        value = self.build(notation["value"])
        made = (pd.Timestamp(value) if isinstance(value, datetime) else pd.Timedelta(value)).as_unit(notation["unit"])
        return made + pd.Timedelta(notation["nanoseconds"], "ns") if notation["nanoseconds"] else made

    def _intervals(self, notation: Notation) -> Any:
        left, right = self._all([notation["left"], notation["right"]])
        return pd.arrays.IntervalArray.from_arrays(left, right, notation["closed"])


ARROW = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "binary": pa.binary(),
    "i8": pa.int64(),
    "u1": pa.uint8(),
    "b1": pa.bool_(),
    "f8": pa.float64(),
    "null": pa.null(),
    "date32[day]": pa.date32(),
    "timestamp[us, tz=UTC]": pa.timestamp("us", "UTC"),
}


def _arrow_type(notation: Notation) -> Any:
    match notation["kind"]:
        case "list":
            return pa.list_(ARROW[notation["inner"]])
        case "dictionary[i4]":
            return pa.dictionary(pa.int32(), ARROW[notation["inner"]])
        case "struct":
            return pa.struct([(name, ARROW[kind]) for name, kind in notation["fields"]])
        case kind:
            return ARROW[kind]


def _kind(notation: Notation) -> Any:
    """What to tell pandas, which else makes texts of its own of objects that are all text."""
    return object if notation.get("name") == "object" else None


def _metadata(pairs: list[list[str]] | None) -> Any:
    return None if pairs is None else {bytes.fromhex(key): bytes.fromhex(value) for key, value in pairs}


def _named(kind: Any, notation: Notation) -> Any:
    kind.__module__, _, kind.__qualname__ = notation["class"].rpartition(".")
    return kind


def _double(bits: str) -> float:
    number: float = struct.unpack(">d", bytes.fromhex(bits))[0]
    return number
