"""What docs/artifact-types.md promises: what a client without this package stores Python opens, and the reverse."""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import xpstore
from support.contract.plain_client import PlainClient, as_json
from xpstore import errors
from xpstore._identity.values import fingerprint_plain
from xpstore.artifact import (
    Artifact,
    CachedArtifact,
    DatasetArtifact,
    DirectoryArtifact,
    ExplanationArtifact,
    TrainedModelArtifact,
)

pytestmark = pytest.mark.client  # nothing of it is of a backend

TABLE = pa.table({"id": pa.array([1, 2, 3], pa.int32()), "name": ["a", "ü", None], "x": [0.5, float("nan"), -0.0]})
ARRAY = np.array([[1.5, np.nan], [-0.0, 4]], ">f4")


def parquet() -> bytes:
    buffer = io.BytesIO()
    pa.parquet.write_table(TABLE, buffer, store_schema=False)  # as others write it, without Arrow's own notes
    return buffer.getvalue()


def npy(array: Any = ARRAY) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def value(node: Any) -> bytes:
    return as_json({"xpstore_value": 1, "value": node})


# Made elsewhere, opened here.


def stored(
    plain: PlainClient, project: xpstore.Project, type_: str, files: dict[str, bytes], metadata: str = ""
) -> Any:
    """An artifact as another client makes it, by one way or the other."""
    draft = {"type": type_, "metadata_json": metadata}
    if len(files) == 1:
        ((path, data),) = files.items()
        return plain.upload(project.uid, "made", path, data, finish=True, draft=draft).version
    return plain.publish(project.uid, "made", files, **draft)


@pytest.mark.parametrize(
    "metadata", ["", '{"format": "parquet"}', '{"format": "csv", "rows": 3}', '{"format": ["npy"]}']
)
def test_table_from_elsewhere_is_a_frame(metadata: str, plain: PlainClient, project: xpstore.Project) -> None:
    stored(plain, project, "dataset", {"data.parquet": parquet()}, metadata)
    made = DatasetArtifact.get_by_name("made")
    pd.testing.assert_frame_equal(made.load(), TABLE.to_pandas(), check_dtype=False)
    assert made.metadata == json.loads(metadata or "{}")


def test_table_from_elsewhere_is_a_table_if_it_says_so(plain: PlainClient, project: xpstore.Project) -> None:
    stored(plain, project, "dataset", {"any.name": parquet()}, '{"format": "arrow-parquet"}')
    found = DatasetArtifact.get_by_name("made").load()
    assert isinstance(found, pa.Table) and found.schema.equals(TABLE.schema) and found.num_rows == 3
    assert found.drop_columns("x").equals(TABLE.drop_columns("x"))


@pytest.mark.parametrize("metadata", ["", '{"format": "npy"}'])
def test_array_from_elsewhere_is_an_array(metadata: str, plain: PlainClient, project: xpstore.Project) -> None:
    stored(plain, project, "dataset", {"data.npy": npy()}, metadata)
    assert fingerprint_plain(DatasetArtifact.get_by_name("made").load()) == fingerprint_plain(ARRAY)


@pytest.mark.parametrize(
    "beside", [{}, {"plot.png": b"\x89PNG", "notes/a.txt": b"x"}], ids=["alone", "with files beside"]
)
def test_explanation_from_elsewhere(beside: dict[str, bytes], plain: PlainClient, project: xpstore.Project) -> None:
    results = {"importance": [0.25, 1], "ü": None}
    stored(plain, project, "explanation", {"results.json": as_json(results), **beside})
    made = ExplanationArtifact.get_by_name("made")
    assert made.results == results and sorted(file.path for file in made.files()) == sorted(["results.json", *beside])


def test_value_from_elsewhere(plain: PlainClient, project: xpstore.Project) -> None:
    node = {
        "point": {"$tuple": [1, 2.0, {"$float": "nan"}]},
        "when": {"$datetime": ["2026-11-22T06:00:00Z", None, 0]},
        "raw": {"$bytes": "AP8Q"},
        "large": {"$large_bytes": "large.bin"},
        "array": {"$npy": "weights.npy"},
        "frame": {"$parquet": "t.parquet"},
        "table": {"$arrow-parquet": "t.parquet"},
        "notes": {"$path": "0/notes.txt"},
    }
    files = {"value.json": value(node), "large.bin": bytes(5_000), "weights.npy": npy(), "t.parquet": parquet()}
    stored(plain, project, "cached", {**files, "0/notes.txt": b"hello"}, '{"format": "value"}')
    found = CachedArtifact.get_by_name("made").load()
    assert repr(found["point"]) == "(1, 2.0, nan)" and found["when"].isoformat() == "2026-11-22T06:00:00+00:00"
    assert (found["raw"], found["large"]) == (b"\x00\xff\x10", bytes(5_000))
    assert fingerprint_plain(found["array"]) == fingerprint_plain(ARRAY)
    assert found["table"].column("name").to_pylist() == ["a", "ü", None] and found["frame"]["x"][0] == 0.5
    assert Path(found["notes"]).read_text() == "hello"


def test_unknown_format_and_type_are_files(plain: PlainClient, project: xpstore.Project, tmp_path: Path) -> None:
    stored(plain, project, "point_cloud", {"cloud.ply": b"ply"}, '{"format": "ply", "xpstore_later": {"a": 1}}')
    made = Artifact.get_by_name("made")
    assert (type(made), made.metadata["format"]) == (Artifact, "ply")
    assert (made.download(tmp_path) / "cloud.ply").read_bytes() == b"ply" == made.open().read()
    with pytest.raises(errors.InvalidArgument, match="no safe format"):
        made.load()


@pytest.mark.parametrize(
    ("type_", "file", "metadata"),
    [
        ("dataset", {"data.npy": b"PAR1"}, ""),
        ("dataset", {"data.parquet": npy()}, ""),
        ("dataset", {"data.parquet": parquet()}, '{"format": "npy"}'),
        ("trained_model", {"model.skops": b"pickled"}, ""),
        ("explanation", {"results.json": b"\xff\xfe{"}, ""),
        ("cached", {"value.json": b"[]"}, ""),
        ("cached", {"value.json": value({"$datetime": 5})}, ""),
        ("cached", {"value.json": value({"$npy": "missing.npy"})}, ""),
        ("cached", {"value.json": value({"$never_heard_of": 1})}, ""),
        ("cached", {"value.json": b'{"xpstore_value": 2, "value": 1}'}, ""),
        ("cached", {"value.json": value({"$pickle": "value.pickle"})}, ""),
    ],
    ids=lambda one: "-".join(one) if isinstance(one, dict) else str(one),
)
def test_what_does_not_fit_is_a_typed_error(
    type_: str, file: dict[str, bytes], metadata: str, plain: PlainClient, project: xpstore.Project
) -> None:
    stored(plain, project, type_, file, metadata)
    made = Artifact.get_by_name("made")
    with pytest.raises((errors.InvalidArgument, errors.NotFound)) as caught:
        made.load()
    assert any(name in str(caught.value) for name in (*file, "made", "update", "pickle", "missing.npy"))
    assert made.open().read() == next(iter(file.values()))


def test_pickle_is_never_loaded_by_its_name(plain: PlainClient, project: xpstore.Project) -> None:
    pickle = b"cposix\nsystem\n(S'touch /tmp/xpstore-was-here'\ntR."
    stored(plain, project, "trained_model", {"model.pkl": pickle}, '{"format": "pickle"}')
    with pytest.raises(errors.InvalidArgument, match="no safe format"):
        TrainedModelArtifact.get_by_name("made").load()
    assert not os.path.exists("/tmp/xpstore-was-here")


# Made here, read elsewhere.


def found(plain: PlainClient, artifact: Artifact) -> tuple[str, Any, list[str]]:
    version = plain("GetArtifactVersion", version_id=artifact.id).version
    paths = [file.path for file in plain("ListArtifactFiles", version_id=artifact.id).files]
    return version.type, json.loads(version.metadata_json), paths


def test_objects_from_here_are_the_documented_files(plain: PlainClient, project: xpstore.Project) -> None:
    frame = DatasetArtifact.save(TABLE.to_pandas(), "frame")
    assert found(plain, frame) == ("dataset", {"format": "parquet"}, ["data.parquet"])
    read = pa.parquet.read_table(io.BytesIO(plain.read(frame.id)))
    assert read.column("name").to_pylist() == ["a", "ü", None]
    table = DatasetArtifact.save(TABLE, "table")
    assert found(plain, table) == ("dataset", {"format": "arrow-parquet"}, ["data.parquet"])
    array = DatasetArtifact.save(ARRAY, "array", metadata={"rows": 2})
    assert found(plain, array) == ("dataset", {"format": "npy", "rows": 2}, ["data.npy"])
    assert plain.read(array.id) == npy()
    results = ExplanationArtifact.save({"a": [1.0]}, "results")
    assert found(plain, results) == ("explanation", {"format": "json"}, ["results.json"])
    assert json.loads(plain.read(results.id)) == {"a": [1.0]}
    assert found(plain, DirectoryArtifact.save(b"bytes", "bytes")) == ("directory", {}, ["data"])


def test_value_from_here_is_value_json(plain: PlainClient, project: xpstore.Project) -> None:
    project.cache.get_or_compute("f", {"x": 1}, lambda: {"a": (1, 2.0), "b": ARRAY, "c": bytes(5_000)})
    (version,) = plain("ListArtifactVersions", project_uid=project.uid).versions
    assert (version.type, json.loads(version.metadata_json)) == ("cached", {"format": "value"})
    node = {"a": {"$tuple": [1, 2.0]}, "b": {"$npy": "0.npy"}, "c": {"$large_bytes": "1.bin"}}
    assert json.loads(plain.read(version.id, "value.json")) == {"xpstore_value": 1, "value": node}
    assert (plain.read(version.id, "0.npy"), plain.read(version.id, "1.bin")) == (npy(), bytes(5_000))


def test_key_that_says_the_format_is_not_the_users(project: xpstore.Project) -> None:
    with pytest.raises(errors.InvalidArgument, match="format"):
        DatasetArtifact.save(ARRAY, "array", metadata={"format": "parquet"})
    assert DatasetArtifact.save(ARRAY, "array", metadata={"format": "npy"}).metadata == {"format": "npy"}
    # Of files nothing is implied: who saves them says what they are.
    assert DatasetArtifact.save(b"PAR1", "files", metadata={"format": "parquet"}).metadata == {"format": "parquet"}
