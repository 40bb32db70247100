"""A client in Go, generated from the contract of 0.1: what it does, whose files open where.

One of the contract of today is `client/go`, and does all this in `make conformance`.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import xpstore
from support.contract.go_client import go_client
from support.contract.methods import ROOT
from support.homes import without_settings
from support.services import Server
from xpstore.artifact import CachedArtifact, DatasetArtifact, ExplanationArtifact

pytestmark = [pytest.mark.client, pytest.mark.timeout(600)]  # nothing of it is of a backend; it may have to be built


@pytest.fixture(scope="module")
def program() -> Path:
    return go_client(ROOT / "tests" / "contracts" / "0.1.binpb")


def run(program: Path, server: Server, *words: str) -> bytes:
    environment = {**without_settings(), "XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    result = subprocess.run([str(program), *words], env=environment, capture_output=True, timeout=120)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


def test_a_little_of_everything(program: Path, server: Server) -> None:
    assert json.loads(run(program, server, "tour")) == {
        "run": "RUN_STATUS_RUNNING",
        "next_record": 1,
        "counts": {"loss": 1, "x": 3},
        "found": 1,
        "same": True,
        "version": 1,
        "error": "NOT_FOUND model",
    }


def test_files_from_go_open_in_python(program: Path, server: Server, project: xpstore.Project, tmp_path: Path) -> None:
    frame, array = pd.DataFrame({"a": [1, 2], "b": ["x", None]}), np.arange(6.0).reshape(2, 3)
    frame.to_parquet(tmp_path / "data.parquet")
    np.save(tmp_path / "data.npy", array)
    (tmp_path / "results.json").write_text('{"importance": [0.5, 1]}')
    node = {"a": {"$tuple": [1, 2.5]}, "array": {"$npy": "data.npy"}, "frame": {"$parquet": "data.parquet"}}
    (tmp_path / "value.json").write_text(json.dumps({"xpstore_value": 1, "value": node}))

    def put(name: str, type_: str, metadata: str, *files: str) -> None:
        run(program, server, "put", project.uid, name, type_, metadata, str(tmp_path), *files)

    put("frame", "dataset", "", "data.parquet")
    pd.testing.assert_frame_equal(DatasetArtifact.get_by_name("frame").load(), frame)
    put("array", "dataset", '{"format": "npy"}', "data.npy")
    np.testing.assert_array_equal(DatasetArtifact.get_by_name("array").load(), array)
    put("why", "explanation", "", "results.json", "data.npy")
    assert ExplanationArtifact.get_by_name("why").results == {"importance": [0.5, 1]}
    put("value", "cached", '{"format": "value"}', "value.json", "data.npy", "data.parquet")
    value = CachedArtifact.get_by_name("value").load()
    assert value["a"] == (1, 2.5)
    np.testing.assert_array_equal(value["array"], array)
    pd.testing.assert_frame_equal(value["frame"], frame)


def test_files_from_python_open_in_go(program: Path, server: Server, project: xpstore.Project, tmp_path: Path) -> None:
    array, frame = np.arange(3), pd.DataFrame({"a": [1.5, 2]})
    saved = DatasetArtifact.save(array, "array")
    (tmp_path / "a.npy").write_bytes(run(program, server, "get", saved.id, "data.npy"))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), array)
    table = DatasetArtifact.save(frame, "frame")
    (tmp_path / "t.parquet").write_bytes(run(program, server, "get", table.id, "data.parquet"))
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), frame)
    large = os.urandom(3 << 20)
    cached = project.cache.get_or_compute("f", {"x": 1}, lambda: [large, (1,)])
    node = json.loads(run(program, server, "get", cached.id, "value.json"))["value"]
    assert node == [{"$large_bytes": "0.bin"}, {"$tuple": [1]}]
    assert run(program, server, "get", cached.id, "0.bin") == large
