"""Objects as artifacts: saved in a format that cannot run code, and loaded as they were."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import PIL.Image as Image
import pyarrow as pa
import pytest
from matplotlib.figure import Figure
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import xpstore
from support.services import Server
from xpstore import errors
from xpstore.artifact import Artifact, DatasetArtifact, DirectoryArtifact, ExplanationArtifact, TrainedModelArtifact

FRAME = pd.DataFrame({"x": [1, 2, 3], "when": pd.to_datetime(["2026-01-01"] * 3), "word": ["a", "ü", None]})

TRAIN = """
import sys, xpstore
from xpstore.artifact import TrainedModelArtifact
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
xpstore.init(sys.argv[1], sys.argv[2])
features, labels = make_classification(60, random_state=0)
with xpstore.Project(sys.argv[3]):
    print(TrainedModelArtifact.save(LogisticRegression().fit(features, labels), "model").id)
"""


def trained() -> tuple[Any, Any]:
    """A model that skops trusts, and what it was trained on."""
    features = np.random.default_rng(0).normal(size=(60, 4))
    labels = (features[:, 0] > 0).astype(int)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    return model.fit(features, labels), features


@pytest.mark.store
def test_model_of_scikit_learn_predicts_the_same_when_loaded(project: xpstore.Project) -> None:
    model, features = trained()
    saved = TrainedModelArtifact.save(model, "model", metadata={"accuracy": 0.9})
    assert saved.metadata == {"format": "skops", "accuracy": 0.9}
    assert [file.path for file in saved.files()] == ["model.skops"]
    loaded = TrainedModelArtifact.get_by_name("model").load()
    assert type(loaded) is type(model)
    assert (loaded.predict_proba(features) == model.predict_proba(features)).all()


@pytest.mark.client
def test_model_of_types_that_could_do_harm_is_loaded_when_they_are_trusted(project: xpstore.Project) -> None:
    _, features = trained()
    forest = RandomForestClassifier(3, random_state=0).fit(features, features[:, 0] > 0)
    saved = TrainedModelArtifact.save(forest, "forest")
    with pytest.raises(errors.InvalidArgument, match="trusted=") as caught:
        saved.load()
    assert "sklearn.tree._tree.Tree" in str(caught.value)
    assert (saved.load(trusted=["sklearn.tree._tree.Tree"]).predict(features) == forest.predict(features)).all()


@pytest.mark.client
def test_same_model_is_the_same_version_from_any_process(project: xpstore.Project, server: Server) -> None:
    command = [sys.executable, "-c", TRAIN, server.api_key, server.address, project.id]
    ids = {subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert len(ids) == 1


def test_object_saved_again_without_metadata_is_the_same_version(project: xpstore.Project) -> None:
    array = np.arange(10)
    first = DatasetArtifact.save(array, "array", metadata={"rows": 10})
    assert DatasetArtifact.save(array, "array") == first
    assert DatasetArtifact.save(array, "array", metadata={"rows": 10}) == first
    other = DatasetArtifact.save(array, "array", metadata={"rows": 11})
    assert (other.version, other.metadata) == (2, {"format": "npy", "rows": 11})


@pytest.mark.client
def test_numpy_array_comes_back_with_type_and_shape(project: xpstore.Project) -> None:
    for array in (np.arange(12, dtype=np.int16).reshape(3, 4), np.array([0.1, np.nan], np.float32), np.array("word")):
        loaded = DatasetArtifact.save(array, "array").load()
        assert (loaded.dtype, loaded.shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(loaded, array)


@pytest.mark.client
def test_frame_of_pandas_comes_back_as_a_frame(project: xpstore.Project) -> None:
    saved = DatasetArtifact.save(FRAME, "frame")
    assert saved.metadata == {"format": "parquet"}
    loaded = saved.load()
    assert type(loaded) is pd.DataFrame
    pd.testing.assert_frame_equal(loaded, FRAME)
    assert DatasetArtifact.save(FRAME.copy(), "frame") == saved


@pytest.mark.client
def test_table_of_pyarrow_comes_back_as_a_table(project: xpstore.Project) -> None:
    table = pa.table({"x": [1, 2, None], "nested": [[1], [], [2, 3]]})
    saved = DatasetArtifact.save(table, "table")
    loaded = saved.load()
    assert type(loaded) is pa.Table and loaded.equals(table)
    assert DatasetArtifact.save(table, "table") == saved


@pytest.mark.client
def test_torch_state_comes_back(project: xpstore.Project) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    layer = torch.nn.Linear(3, 2)
    module = TrainedModelArtifact.save(layer, "layer")
    state = TrainedModelArtifact.save(layer.state_dict(), "layer")
    assert module == state and state.metadata == {"format": "safetensors"}
    assert all(torch.equal(value, layer.state_dict()[name]) for name, value in state.load().items())


@pytest.mark.parametrize("results", [{"importance": [0.5, 0.25], "names": {"ü": None}}, [1, "two", None], {}, []])
@pytest.mark.client
def test_explanation_of_json_gives_its_results(results: Any, project: xpstore.Project) -> None:
    saved = ExplanationArtifact.save(results, "why")
    assert saved.results == results == saved.load()
    assert [file.path for file in saved.files()] == ["results.json"]


@pytest.mark.parametrize("kind", [TrainedModelArtifact, DatasetArtifact])
@pytest.mark.client
def test_dictionary_is_saved_as_json(kind: type[Artifact], project: xpstore.Project) -> None:
    weights = {"bias": [0.5, 1], "names": {"ü": None}}
    saved = kind.save(weights, "weights")
    assert ([file.path for file in saved.files()], saved.metadata) == (["data.json"], {"format": "json"})
    assert saved.load() == weights


@pytest.mark.client
def test_image_is_saved_as_png(project: xpstore.Project) -> None:
    image = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(2, 2, 3))
    saved = DatasetArtifact.save(image, "image")
    assert ([file.path for file in saved.files()], saved.metadata) == (["picture.png"], {"format": "png"})
    loaded = saved.load()
    assert (loaded.mode, loaded.tobytes()) == ("RGB", image.tobytes())


@pytest.mark.client
def test_figure_is_saved_as_png_of_its_size(project: xpstore.Project) -> None:
    figure = Figure(figsize=(3, 2), dpi=50)
    figure.subplots().plot([1, 2, 4])
    first = TrainedModelArtifact.save(figure, "curve")
    assert first.load().size == (150, 100)
    assert TrainedModelArtifact.save(figure, "curve").id == first.id


@pytest.mark.client
def test_explanation_takes_numbers_of_numpy(project: xpstore.Project) -> None:
    assert ExplanationArtifact.save({"a": np.float32(0.5), "b": np.int64(3)}, "why").results == {"a": 0.5, "b": 3}


@pytest.mark.client
def test_explanation_of_files_gives_its_results_file(project: xpstore.Project, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"name": "Zürich"}', encoding="utf-8")
    (tmp_path / "plot.png").write_bytes(b"png")
    saved = ExplanationArtifact.save(tmp_path, "why")
    assert saved.results == {"name": "Zürich"}
    assert saved.open("plot.png").read() == b"png"


@pytest.mark.client
def test_file_in_a_safe_format_is_loaded_by_its_name(project: xpstore.Project, tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", np.arange(3))
    FRAME.to_parquet(tmp_path / "frame.parquet")
    saved = DirectoryArtifact.save(tmp_path, "files")
    assert list(saved.load("data.npy")) == [0, 1, 2]
    assert len(saved.load("frame.parquet")) == 3
    with pytest.raises(errors.InvalidArgument, match="2 files"):
        saved.load()
    with pytest.raises(errors.NotFound):
        saved.load("nothing.npy")


@pytest.mark.client
def test_pickle_is_never_loaded(project: xpstore.Project, tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"a": 1}))
    saved = TrainedModelArtifact.save(tmp_path / "model.pkl", "pickle", metadata={"format": "pickle"})
    with pytest.raises(errors.InvalidArgument, match="safe format"):
        saved.load()
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    disguised = DatasetArtifact.save(tmp_path / "objects.npy", "objects")
    with pytest.raises(ValueError, match="allow_pickle"):
        disguised.load()


class Callback:
    """A type without a safe format."""


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (TrainedModelArtifact, Callback()),
        (TrainedModelArtifact, {"a": Callback()}),
        (TrainedModelArtifact, Image.new("CMYK", (2, 2))),
        (TrainedModelArtifact, None),
        (TrainedModelArtifact, LogisticRegression),
        (DatasetArtifact, [float("nan")]),
        (DatasetArtifact, np.array([Callback()])),
        (DatasetArtifact, pd.DataFrame({"x": [Callback()]})),
        (ExplanationArtifact, {"a": float("nan")}),
        (ExplanationArtifact, {"a": Callback()}),
        (DirectoryArtifact, np.arange(3)),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, type) else value.__name__,
)
@pytest.mark.client
def test_object_without_a_safe_format_is_refused(kind: type[Artifact], value: Any, project: xpstore.Project) -> None:
    with pytest.raises(errors.InvalidArgument, match="source"):
        kind.save(value, "refused")
    assert Artifact.load_all() == []
