"""Values of docs/fingerprint-vectors.json, made from the notation that docs/fingerprint.md describes."""

import enum
import re
import struct
from collections import OrderedDict, namedtuple
from dataclasses import make_dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import NoneType
from typing import Any, cast
from uuid import UUID

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
EPOCH = datetime(1970, 1, 1)
PLAIN = {
    "list": list,
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
        return str(notation["value"])

    def _bytes(self, notation: Notation) -> bytes:
        return bytes.fromhex(notation["hex"]) * int(notation.get("times", 1))

    def _bytearray(self, notation: Notation) -> bytearray:
        return bytearray(self._bytes(notation))

    def _decimal(self, notation: Notation) -> Decimal:
        return Decimal(notation["value"])

    def _fraction(self, notation: Notation) -> Fraction:
        return Fraction(int(notation["numerator"]), int(notation["denominator"]))

    def _list(self, notation: Notation) -> Any:
        return PLAIN[notation["type"]](self._all(notation["items"]))

    _tuple = _set = _frozenset = _list

    def _dict(self, notation: Notation) -> dict[Any, Any]:
        return {self.build(key): self.build(value) for key, value in notation["entries"]}

    def _ordered_dict(self, notation: Notation) -> OrderedDict[Any, Any]:
        return OrderedDict(self._dict(notation))

    def _range(self, notation: Notation) -> range:
        return range(int(notation["start"]), int(notation["stop"]), int(notation["step"]))

    def _slice(self, notation: Notation) -> slice:
        return slice(*self._all([notation["start"], notation["stop"], notation["step"]]))

    def _date(self, notation: Notation) -> date:
        return date.fromisoformat(notation["value"])

    def _datetime(self, notation: Notation) -> datetime:
        return (EPOCH + timedelta(microseconds=int(notation["microseconds"]))).replace(tzinfo=_zone(notation))

    def _time(self, notation: Notation) -> time:
        return (EPOCH + timedelta(microseconds=int(notation["microseconds"]))).time().replace(tzinfo=_zone(notation))

    def _timedelta(self, notation: Notation) -> timedelta:
        return timedelta(microseconds=int(notation["microseconds"]))

    def _uuid(self, notation: Notation) -> UUID:
        return UUID(notation["value"])

    def _pattern(self, notation: Notation) -> Any:
        return re.compile(self.build(notation["pattern"]), notation["flags"])

    def _file(self, notation: Notation) -> Path:
        path = self._folder / f"file-{len(list(self._folder.iterdir()))}"
        path.write_bytes(bytes.fromhex(notation["hex"]))
        return path

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

    def _array(self, notation: Notation) -> Any:
        data = np.frombuffer(bytes.fromhex(notation["hex"]), "<" + notation["dtype"])
        return data.reshape(notation["shape"])

    def _scalar(self, notation: Notation) -> Any:
        return self._array({**notation, "shape": [1]})[0]

    def _records(self, notation: Notation) -> Any:
        fields = {name: self.build(field) for name, field in notation["fields"]}
        depth = len(notation["shape"])
        array = np.zeros(
            notation["shape"], [(name, field.dtype, field.shape[depth:]) for name, field in fields.items()]
        )
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
        return pa.table({name: self.build(column) for name, column in notation["columns"]})

    def _index(self, notation: Notation) -> Any:
        names, levels = self._all(notation["names"]), [_values(level) for level in self._all(notation["levels"])]
        if notation["type"] == "index":
            return pd.Index(levels[0], name=names[0])
        return pd.MultiIndex.from_arrays(levels, names=names)

    _multi_index = _index

    def _series(self, notation: Notation) -> Any:
        parts = self._all([notation["name"], notation["index"], notation["values"]])
        return pd.Series(_values(parts[2]), index=parts[1], name=parts[0])

    def _frame(self, notation: Notation) -> Any:
        columns, index = self.build(notation["columns"]), self.build(notation["index"])
        values = [_values(one) for one in self._all(notation["values"])]
        frame = pd.DataFrame(dict(enumerate(values)), index=index)
        frame.columns = columns
        return frame

    def _categorical(self, notation: Notation) -> Any:
        categories = pd.Index(_values(self.build(notation["categories"])))
        return pd.Categorical.from_codes(notation["codes"], categories, notation["ordered"])

    def _zoned(self, notation: Notation) -> Any:
        instants = pd.DatetimeIndex(self.build(notation["instants"])).tz_localize("UTC")
        return instants.tz_convert(notation["zone"]).array

    def _missing(self, notation: Notation) -> Any:
        return {"NaT": pd.NaT, "NA": pd.NA}[notation["name"]]

    def _timestamp(self, notation: Notation) -> Any:
        value = self.build(notation["value"])
        nanoseconds = pd.Timedelta(notation["nanoseconds"], "ns")
        return (pd.Timestamp(value) if isinstance(value, datetime) else pd.Timedelta(value)).as_unit("ns") + nanoseconds

    def _intervals(self, notation: Notation) -> Any:
        left, right = self._all([notation["left"], notation["right"]])
        return pd.arrays.IntervalArray.from_arrays(left, right, notation["closed"])


ARROW = {
    "string": pa.string(),
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
        case "dictionary":
            return pa.dictionary(pa.int32(), ARROW[notation["inner"]])
        case "struct":
            return pa.struct([(name, ARROW[kind]) for name, kind in notation["fields"]])
        case kind:
            return ARROW[kind]


def _values(value: Any) -> Any:
    """What pandas keeps of a column: text as its own, numbers that may be null as its nullable ones."""
    if not isinstance(value, pa.Array):
        return value
    return pd.Series(value.to_pylist(), dtype=None if value.type == pa.string() else "Int64").array


def _named(kind: Any, notation: Notation) -> Any:
    kind.__module__, _, kind.__qualname__ = notation["class"].rpartition(".")
    return kind


def _double(bits: str) -> float:
    number: float = struct.unpack(">d", bytes.fromhex(bits))[0]
    return number


def _zone(notation: Notation) -> timezone | None:
    offset = notation["offset"]
    return None if offset is None else timezone(timedelta(microseconds=int(offset)))
