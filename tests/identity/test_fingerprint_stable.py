"""Each type of the table in docs/fingerprint.md: the same value again, copied, pickled and in another process."""

import contextlib
import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from support.fingerprints import values
from support.fingerprints.values import Make
from xpstore._identity.process import fingerprint

TABLES: dict[str, tuple[str | None, Callable[[], dict[str, Make]]]] = {
    "builtins": (None, lambda: values.BUILTINS),
    "arrays": (None, lambda: values.ARRAYS),
    "frames": (None, lambda: values.FRAMES),
    "estimators": ("sklearn", values.estimators),
    "sparse": ("scipy", values.sparse),
    "polars": ("polars", values.polars),
    "other libraries": ("ml_dtypes", values.other_libraries),
}
# The fifth keeps the order of bytes of arrays.
PROTOCOL = 5
# Arrays whose elements do not follow each other in memory: a pickle lays them out anew, in another order of axes.
LAID_OUT_ANEW = {"TruncatedSVD"}

READ = """
import pickle, sys
from xpstore._identity.process import fingerprint
for name, value in pickle.load(sys.stdin.buffer).items():
    print(fingerprint(value), name)
"""


@pytest.mark.parametrize("table", TABLES)
def test_same_when_copied_pickled_and_in_another_process(table: str) -> None:
    library, make_all = TABLES[table]
    if library is not None:
        pytest.importorskip(library, reason=f"{library} is not installed")
    made = {name: make() for name, make in make_all().items()}
    expected = {name: fingerprint(value) for name, value in made.items()}
    assert expected == {name: fingerprint(value) for name, value in made.items()}
    assert expected == {name: fingerprint(copy.deepcopy(value)) for name, value in made.items()}
    sent = {name: value for name, value in made.items() if name not in LAID_OUT_ANEW}
    there = in_another_process(pickle.dumps(sent, PROTOCOL))
    assert there == {name: expected[name] for name in sent}
    assert len({*expected.values()}) == len(expected)


def test_estimator_is_the_same_after_it_was_used() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    rows = np.random.RandomState(1).rand(10, 4)
    used = 0
    for name, make in values.estimators().items():
        estimator = make()
        before = fingerprint(estimator)
        for method in ("predict", "transform", "predict_proba", "kneighbors", "score_samples"):
            with contextlib.suppress(Exception):
                getattr(estimator, method)(["some text"] if "Vectorizer" in name else rows)
                used += 1
        assert fingerprint(estimator) == before, name
    assert used >= 70


def in_another_process(pickled: bytes) -> dict[str, str]:
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", READ]
    said = subprocess.run(command, env=environment, input=pickled, capture_output=True, check=True).stdout.decode()
    return {name: digest for digest, _, name in (line.partition(" ") for line in said.splitlines())}


def test_at_least_forty_estimators_are_tried() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    assert len(values.estimators()) >= 40


def test_paths_are_the_same_elsewhere(tmp_path: Path) -> None:
    found = []
    for place in ("here", "there"):
        (tmp_path / place).mkdir()
        found.append({name: fingerprint(make()) for name, make in values.paths(tmp_path / place).items()})
    assert found[0] == found[1]
