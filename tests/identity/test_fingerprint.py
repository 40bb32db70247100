"""Fingerprints: the same for the same value anywhere, another for every other value, an error for what has none."""

import collections
import concurrent.futures
import contextlib
import dataclasses
import io
import json
import os
import random
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest

from support.fingerprints.mutations import mutations, oracle
from support.fingerprints.notation import Notation, build
from xpstore._identity.process import fingerprint
from xpstore._identity.values import Part, PartKind, fingerprint_process
from xpstore._identity.values import fingerprint as fingerprint_with
from xpstore.errors import InvalidArgument

DOCUMENTED = Path(__file__).parents[2] / "docs" / "fingerprint-vectors.json"
VECTORS = json.loads(DOCUMENTED.read_text())
MUTATIONS = int(os.environ.get("XPSTORE_TEST_MUTATIONS") or 20_000)


def names(vectors: list[Notation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=[vector["name"] for vector in vectors])


@names(VECTORS["values"])
def test_vector(vector: Notation, tmp_path: Path) -> None:
    if vector["value"]["type"] == "tensor":
        pytest.importorskip("torch", reason="torch is not installed")
    assert fingerprint_of(vector, tmp_path) == vector["fingerprint"]


def fingerprint_of(vector: Notation, folder: Path) -> str:
    value = build(vector["value"], folder)
    if vector.get("is_global"):
        return fingerprint_with(value, follower=Nothing(), is_global=True)
    return fingerprint(value)


class Nothing:
    """The follower of values in which there is nothing to follow."""

    def code(self, value: Any) -> str:
        raise AssertionError(value)

    def met(self, value: Any) -> None:
        pass


def test_vectors_are_read_by_any_language() -> None:
    text = DOCUMENTED.read_text("ascii")
    for characters in re.findall(r"(?:\\u[0-9a-f]{4})+", text):
        json.loads(f'"{characters}"').encode()  # no half of a surrogate pair


@names(VECTORS["refused_values"])
def test_refused_vector(vector: Notation, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=vector["error"]):
        fingerprint(build(vector["value"], tmp_path))


def process(vector: Notation) -> str:
    parts = [Part(PartKind(one["kind"]), one["name"], one["fingerprint"], "") for one in vector["parts"]]
    return fingerprint_process(vector["process"], parts)


@names(VECTORS["processes"])
def test_process_vector(vector: Notation) -> None:
    assert process(vector) == vector["fingerprint"]


@names(VECTORS["refused_processes"])
def test_refused_process_vector(vector: Notation) -> None:
    with pytest.raises(InvalidArgument, match=vector["error"]):
        process(vector)


def test_vectors_are_many_and_differ_where_their_values_do() -> None:
    assert sum(map(len, VECTORS.values())) >= 90
    by_fingerprint = collections.defaultdict(list)
    for vector in VECTORS["values"]:
        by_fingerprint[vector["fingerprint"]].append(vector["name"])
    assert sorted(same for same in by_fingerprint.values() if len(same) > 1) == [
        ["NaN", "NaN with a sign and a payload"],
    ]


def test_text_of_a_part_is_shortened_and_does_not_count() -> None:
    digest = fingerprint(1)
    short, long = (Part(PartKind.PARAMETER, "x", digest, text) for text in ("1", "\0" + "1" * 1000))
    assert len(long.text) == 256
    assert fingerprint_process("f", [short]) == fingerprint_process("f", [long])


def test_part_kinds_are_those_of_the_contract() -> None:
    from xpstore.v1.artifact_pb2 import ArtifactProcessPartKind

    wire = {
        name.removeprefix("ARTIFACT_PROCESS_PART_KIND_"): number for name, number in ArtifactProcessPartKind.items()
    }
    del wire["UNSPECIFIED"]
    assert wire == {kind.name: kind for kind in PartKind}


SEEDED = """
import json, sys, pathlib, tempfile
from support.fingerprints.notation import build
from xpstore._identity.process import fingerprint
vectors = json.loads(pathlib.Path(sys.argv[1]).read_text())["values"]
with tempfile.TemporaryDirectory() as folder:
    vectors = [one for one in vectors if one["value"]["type"] != "tensor" and not one.get("is_global")]
    values = [build(one["value"], pathlib.Path(folder)) for one in vectors]
    values.append({f"word {i}" for i in range(1000)})
    values.append({(f"word {i}", i): frozenset({"a", "b", i}) for i in range(100)})
    print(*map(fingerprint, values))
"""


def test_same_with_any_hash_seed() -> None:
    def run(seed: str) -> list[str]:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", SEEDED, str(DOCUMENTED)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()

    first, second = run("1"), run("2")
    assert first == second
    plain = [one for one in VECTORS["values"] if one["value"]["type"] != "tensor" and not one.get("is_global")]
    assert first[:-2] == [one["fingerprint"] for one in plain]


def test_no_library_is_imported_for_plain_values() -> None:
    code = """
import sys, datetime, xpstore._identity.process as f
before = set(sys.modules)
f.fingerprint({"a": [1, 2.0, None, b"", "x"], 1: (True, {3}), "when": datetime.datetime.now()})
assert set(sys.modules) == before, set(sys.modules) - before
assert not {"numpy", "pandas", "pyarrow", "torch", "sklearn"} & set(sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_mutated_values_do_not_collide_and_same_ones_agree() -> None:
    known, said = dict[str, int](), dict[int, str]()
    tried = 0
    for value in mutations(seed=5):
        tried += 1
        key, digest = hash(oracle(value)), fingerprint(value)
        assert known.setdefault(digest, key) == key, value
        assert said.setdefault(key, digest) == digest, value
        if len(known) == MUTATIONS:
            break
    print(f"{tried:,} values, {MUTATIONS:,} of them different: no collision")


class Tokenizer:
    def __init__(self, words: list[Any]) -> None:
        self.words = words

    def __fingerprint__(self) -> Any:
        return self.words


def test_object_says_what_it_depends_on() -> None:
    assert fingerprint(Tokenizer(["a"])) == fingerprint(Tokenizer(["a"])) != fingerprint(Tokenizer(["b"]))
    assert fingerprint(Tokenizer(["a"])) != fingerprint(["a"])


class Endless:
    def __fingerprint__(self) -> Any:
        return Endless()


class Broken:
    def __fingerprint__(self) -> Any:
        raise KeyError("lost")


@dataclasses.dataclass
class Order:
    x: Any


def generator() -> Iterator[int]:
    yield 1


class Unsteady:
    def __reduce__(self) -> Any:
        return list, ([random.random()],)


class Unreduced:
    def __getstate__(self) -> Any:
        raise ZeroDivisionError


UNSEEN = object()
UNSEEN_TOO = Endless()

REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "generator": (lambda: {"layers": [1, 2, 3, generator()]}, r"config\['layers'\]\[3\]: a generator has no"),
    "object": (lambda: Order(object()), r"config\.x: an object has no fingerprint: .*__fingerprint__.*ignore="),
    "key": (lambda: {(1, UNSEEN): 1}, r"config, among the keys\[1\]: an object has no"),
    "element": (lambda: {frozenset([UNSEEN])}, "config, an element, an element: an object has no"),
    "module": (lambda: json, "config: a module has no"),
    "lock": (threading.Lock, "config: a _thread.lock has no"),
    "file": (lambda: io.BytesIO(b""), "config: a _io.BytesIO has no .* pass its path"),
    "seed": (lambda: random.Random(1), "config: a random.Random has no .* pass the seed"),
    "numpy seed": (lambda: {"rng": np.random.default_rng(1)}, r"config\['rng'\]: .*pass the seed"),
    "endless": (Endless, "config.*nested deeper than 20,000 levels"),
    "raises": (lambda: [Broken()], r"config\[0\]: its __fingerprint__ raised KeyError: 'lost'"),
    "inside __fingerprint__": (lambda: Tokenizer([UNSEEN]), r"config\.__fingerprint__\(\)\[0\]: an object"),
    "no path": (lambda: {"data": Path("/nonexistent/x")}, r"config\['data'\]: '/nonexistent/x': cannot be read"),
    "pure path": (lambda: PurePath("x"), "config: .*has no fingerprint: a path stands for what it contains"),
    "long double": (lambda: np.zeros(1, "g"), "config: an array of .* convert it with astype"),
    "objects": (lambda: np.array([[1, UNSEEN]], object), r"config\[1\]: an object"),
    "frame": (lambda: pd.DataFrame({"x": [1], "y": [UNSEEN]}), r"config\['y'\]\[0\]: an object"),
    "socket": (socket.socket, "config: a socket.socket has no .*pass the address"),
    "executor": (lambda: [ThreadPoolExecutor(1)], r"config\[0\]: a .*ThreadPoolExecutor has no .*how many workers"),
    "mock": (lambda: Order(mock.MagicMock()), r"config\.x: an .*MagicMock has no .*a mock stands for anything"),
    "weak reference": (lambda: weakref.ref(UNSEEN_TOO), "config: a weakref.ReferenceType has no .*what it refers to"),
    "iterator": (lambda: iter([1]), "config: a list_iterator has no .*pass a list"),
    "local of a thread": (threading.local, "config: a _thread._local has no"),
    "future": (concurrent.futures.Future, "config: a concurrent.futures._base.Future has no"),
    "database": (lambda: sqlite3.connect(":memory:"), "config: a sqlite3.Connection has no .*path of the database"),
    "never the same": (lambda: [Unsteady()], "config: something in it is made anew from other values each"),
    "reduction raises": (lambda: [Unreduced()], r"config\[0\]: a .*Unreduced has no fingerprint: .*__fingerprint__"),
    "ufunc of nobody": (lambda: np.frompyfunc(abs, 1, 1), "config: a numpy.ufunc has no .*numpy and scipy"),
    "memoryview": (lambda: np.zeros(2).data, "config: a memoryview of format 'd'"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_fingerprint_is_named_by_its_path(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(InvalidArgument, match=f"^{message}") as caught:
        fingerprint(make(), "config")
    assert caught.value.metadata == {"field": "config"}


def test_deep_nesting_is_no_matter() -> None:
    deep: Any = ()
    for level in range(10_000):
        deep = [deep] if level % 2 else {"below": deep}
    shallow = deep["below"] if isinstance(deep, dict) else deep[0]
    assert fingerprint(deep) != fingerprint(shallow)
    frozen: Any = frozenset()
    for _ in range(10_000):
        frozen = frozenset([frozen])
    assert fingerprint(frozen) != fingerprint(frozenset())
    with pytest.raises(InvalidArgument, match=r"config\[0\].*\.\.\..*an object has no"):
        bottom: Any = UNSEEN
        for _ in range(10_000):
            bottom = [bottom]
        fingerprint(bottom, "config")


def test_what_is_shared_is_read_once() -> None:
    value: Any = list(range(100))
    for _ in range(200):  # 2^200 when each is read wherever it stands
        value = [value, value]
    assert fingerprint(value) == fingerprint(value)


def test_same_in_many_threads() -> None:
    value = {"array": np.arange(1_000_000), "items": list(range(1000)), "text": "x" * 100_000}
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: fingerprint(value), range(32)))) == 1


def test_value_that_changes_while_it_is_read_is_an_error_or_read_as_it_was() -> None:
    value, stop = {"start": 0}, threading.Event()

    def change() -> None:
        while not stop.is_set():
            value[str(len(value))] = 0

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(20):
            with contextlib.suppress(InvalidArgument):
                fingerprint(value)
    finally:
        stop.set()
        thread.join()
