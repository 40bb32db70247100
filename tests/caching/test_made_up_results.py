"""Results that somebody made up, and libraries whose files run code, are refused by name."""

import json
from pathlib import Path
from typing import Any

import pandas
import pyarrow
import pytest
import skops

import xpstore
from support.folders import lay
from support.hostility.hostile import HostileServer
from xpstore import errors
from xpstore._results import results
from xpstore._results.copies import LocalCopies
from xpstore._results.formats import FORMATS, check_sound
from xpstore.artifact import DatasetArtifact

pytestmark = pytest.mark.client


def loaded(node: Any, files: dict[str, bytes | None], tmp_path: Path) -> Any:
    """What a result is read as that somebody wrote by hand."""
    value = json.dumps({"xpstore_value": 1, "value": node}).encode()
    with HostileServer() as server:
        artifact = server.hold({"value.json": value, **files}).artifact()
        return results.load(LocalCopies(tmp_path / "copies", 1 << 30), artifact._client, artifact._wire)


MORE: dict[str, bytes | None] = {"0/tree/a": b"a", "0/tree/b/c": b"c", "0/empty": None, "1/file": b"f"}


@pytest.mark.parametrize("files", [{}, MORE], ids=["one file", "many files"])
@pytest.mark.parametrize(
    "path",
    [
        *("OUTSIDE", "../../outside", "..", "", ".", "/", "0/..", "0/tree/../tree", "missing", "0/tre", "value.json/x"),
        *("0/tree/", "//", "0//tree", "\x00", 7, None, ["0"], {"a": 1}),
    ],
    ids=repr,
)
def test_path_that_is_not_in_the_result_is_refused(path: Any, files: dict[str, Any], tmp_path: Path) -> None:
    outside = lay(tmp_path / "outside", {})
    with pytest.raises(errors.DataLoss, match="path"):
        loaded({"$path": str(outside) if path == "OUTSIDE" else path}, files, tmp_path)


def test_paths_in_a_result_are_inside(tmp_path: Path) -> None:
    nodes = [{"$path": path} for path in ("0/tree", "0/empty", "1/file", "0/tree/b/c", "0")]
    for path in loaded(nodes, MORE, tmp_path):
        assert path.exists() and path.resolve().is_relative_to((tmp_path / "copies").resolve())


@pytest.mark.parametrize(
    ("name", "version"),
    [
        *[("skops", version) for version in ("0.10.0", "0.12", "0.13rc1", "0.13.dev0", "unknown")],
        *[("pyarrow", version) for version in ("14.0.0", "9.0.1", "14.0.1.dev3", "")],
    ],
)
def test_libraries_that_run_code_are_refused(name: str, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = {"skops": skops, "pyarrow": pyarrow}[name]
    monkeypatch.setattr(module, "__version__", version)
    with pytest.raises(errors.InvalidArgument, match=f"{name}.* update it .*{name}>="):
        check_sound(module)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        *[("skops", version) for version in ("0.13", "0.13.0", "1.0", "0.16.dev0")],
        *[("pyarrow", version) for version in ("14.0.1", "14.0.2", "100.0.0rc1", "15.0.0.dev1+gabc")],
    ],
)
def test_sound_libraries_are_taken(name: str, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = {"skops": skops, "pyarrow": pyarrow}[name]
    monkeypatch.setattr(module, "__version__", version)
    check_sound(module)


@pytest.mark.parametrize("format_", ["parquet", "arrow-parquet", "arrow", "skops"])
def test_every_format_of_theirs_looks_at_the_version(format_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skops, "__version__", "0.11.0")
    monkeypatch.setattr(pyarrow, "__version__", "13.0.0")
    with pytest.raises(errors.InvalidArgument, match="update"):
        FORMATS[format_].load(b"", None)


def test_artifacts_are_not_loaded_by_old_libraries(project: xpstore.Project, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = DatasetArtifact.save(pandas.DataFrame({"a": [1]}), "frame")
    monkeypatch.setattr(pyarrow, "__version__", "13.0.0")
    with pytest.raises(errors.InvalidArgument, match=r"pyarrow 13\.0\.0 may run code"):
        saved.load()
