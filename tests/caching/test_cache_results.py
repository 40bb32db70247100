"""Results of cached functions: what comes back is what was returned, or it is refused."""

import io
import json
import math
import multiprocessing
import os
import signal
import threading
import time
import uuid
from collections import OrderedDict
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as time_of_day
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from blake3 import blake3
from matplotlib.figure import Figure
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression

import xpstore
from support.cached_program import fetch
from support.services import Server
from xpstore import cached, errors
from xpstore._caching.state import CacheState
from xpstore._files.manifest import bare_entry, tree_digest
from xpstore._files.scan import scan
from xpstore._results import results
from xpstore._results.copies import LocalCopies
from xpstore.artifact import CachedArtifact

pytestmark = pytest.mark.client

matplotlib.use("agg")
MIB = 1 << 20
TREE = "sklearn.tree._tree.Tree"


class Folder:
    """The files of a result without a store."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, path: str) -> bytearray:
        return bytearray((self._path / path).read_bytes())

    def path(self, path: str) -> Path:
        return self._path / path


def there_and_back(value: Any, folder: Path, **options: Any) -> Any:
    results.write(value, folder, **options)
    return results.read(None, Folder(folder), **options)  # type: ignore[arg-type]


BERLIN = ZoneInfo("Europe/Berlin")
VALUES = [
    *(None, True, False, 0, -1, 2**200, 1.5, -0.0, math.inf, -math.inf, math.nan, 1 + 2j, complex(math.nan, -0.0)),
    *("", "ü\0\ud800", b"", b"abc", bytearray(b"abc"), b"x" * 100_000, bytearray(100_000)),
    *([], [1, (2, [3])], (), {}, {"a": {"b": 1}}, {1: 2, None: 3, (1, 2): 4}, {"$tuple": [1]}, {"$a": 1, "b": 2}),
    *(set(), {1, 2}, frozenset({(1, "a")}), OrderedDict(b=1, a=2), range(1, 9, 3)),
    *(date(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5, 6), datetime(2026, 1, 2, tzinfo=UTC)),
    *(datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1), time_of_day(1, 2, tzinfo=timezone(timedelta(hours=2)))),
    *(time_of_day(1, 2, 3, 4), time_of_day(1, tzinfo=BERLIN), timedelta(-1, 5, 7), Decimal("1.10"), uuid.UUID(int=7)),
    *(np.str_(""), np.bytes_(b"")),  # of types of no bytes
    *(np.float32(1.1), np.int64(-5), np.bool_(True), np.str_("ü"), np.datetime64("2026-01-01", "ns"), np.complex64(1j)),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__} {str(value)[:20]!a}")
def test_small_value_comes_back_with_its_type(value: Any, tmp_path: Path) -> None:
    back = there_and_back(value, tmp_path)
    assert type(back) is type(value) and repr(back) == repr(value)
    assert getattr(back, "fold", 0) == getattr(value, "fold", 0)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.array(5, dtype=">i2"),
        np.zeros((0, 3), dtype=np.float16),
        np.array(["a", "bb"]),
        np.array([(1, 2.0)], dtype=[("a", "<i4"), ("ü\u0416", "<f8")]),
        np.arange(10)[::3],
        np.array(["2026-01-01", "NaT"], dtype="M8[D]"),
        np.random.default_rng(0).random(300_000),
    ],
    ids=lambda array: f"{array.dtype} {array.shape}",
)
def test_array_comes_back_with_its_type_and_order(array: Any, tmp_path: Path) -> None:
    back = there_and_back({"deep": [array]}, tmp_path)["deep"][0]
    assert (type(back), back.dtype, back.shape) == (np.ndarray, array.dtype, array.shape)
    assert back.tobytes() == array.tobytes() and back.flags.writeable
    assert back.flags.f_contiguous >= array.flags.f_contiguous


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"x": [1, 2], "word": ["a", None], "c": pd.Categorical(["u", "v"])}),
        pd.DataFrame({"x": [1.0, math.nan]}, index=pd.date_range("2026-01-01", periods=2, tz="UTC", name="when")),
        pd.DataFrame({1: [True], 2: [None]}),
        pd.DataFrame(np.eye(2), columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])),
        pd.DataFrame(),
    ],
)
def test_frame_comes_back_as_it_is(frame: pd.DataFrame, tmp_path: Path) -> None:
    pd.testing.assert_frame_equal(there_and_back(frame, tmp_path), frame, check_exact=True, check_freq=True)


def test_columns_of_a_frame_are_one_parquet_file_with_their_names(tmp_path: Path) -> None:
    there_and_back(pd.DataFrame({"x": [1.5], "word": ["a"]}, index=pd.Index([3])), tmp_path)
    assert pd.read_parquet(tmp_path / "0.parquet").to_dict("list") == {"x": [1.5], "word": ["a"]}


def test_results_of_version_0_1_are_read(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1, 2]}, index=pd.Index([3, 4], name="k"))
    frame.to_parquet(tmp_path / "0.parquet")
    pa.parquet.write_table(pa.table({"x": [1]}), tmp_path / "1.parquet")
    written = [{"$parquet": "0.parquet"}, {"$series": ["2.parquet", "n"]}, {"$arrow-parquet": "1.parquet"}]
    frame.rename(columns={"x": "value"}).to_parquet(tmp_path / "2.parquet")
    (tmp_path / "value.json").write_text(json.dumps({"xpstore_value": 1, "value": written}))
    old_frame, old_series, old_table = results.read(None, Folder(tmp_path))  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(old_frame, frame)
    pd.testing.assert_series_equal(old_series, frame["x"].rename("n"))
    assert old_table.to_pydict() == {"x": [1]}


def test_series_table_and_estimator_come_back(tmp_path: Path) -> None:
    series = pd.Series([1.5, 2.5], index=["a", "b"], name=("x", 1))
    table = pa.table({"x": [1, None], "word": pa.array(["a", "b"]).dictionary_encode()})
    model = LinearRegression().fit([[1.0], [2.0]], [3.0, 5.0])
    back = there_and_back((series, table, model), tmp_path)
    pd.testing.assert_series_equal(back[0], series)
    assert back[1].equals(table) and back[1].schema.equals(table.schema)
    assert back[2].predict([[3.0]]) == model.predict([[3.0]])


def test_estimator_that_a_hit_could_not_load_is_refused_unless_trusted(tmp_path: Path) -> None:
    forest = RandomForestClassifier(2, random_state=0).fit([[0], [1]], [0, 1])
    for name in "ab":
        (tmp_path / name).mkdir()
    with pytest.raises(errors.InvalidArgument, match="trusted="):
        there_and_back(forest, tmp_path / "a")
    back = there_and_back(forest, tmp_path / "b", trusted=(TREE,))
    assert (back.predict([[0], [1]]) == forest.predict([[0], [1]])).all()


def test_figure_comes_back_as_one_that_shows_the_same_picture(tmp_path: Path) -> None:
    def pixels(figure: Figure) -> bytes:
        output = io.BytesIO()
        figure.savefig(output, format="rgba", dpi=figure.dpi)
        return output.getvalue()

    figure = Figure(figsize=(3, 2), dpi=70)
    figure.add_subplot().plot([1, 3, 2])
    back = there_and_back(figure, tmp_path)
    assert type(back) is Figure and pixels(back) == pixels(figure)


def test_figure_of_plotly_comes_back(tmp_path: Path) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    figure = graph_objects.Figure(graph_objects.Scatter(y=[1, 3, 2]))
    assert there_and_back(figure, tmp_path) == figure


def test_tensors_come_back(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    shared = torch.arange(6.0)
    state = OrderedDict(b=shared[:3], a=shared[3:])
    back = there_and_back({"state": state, "one": shared.reshape(2, 3).T, "int": torch.tensor(1)}, tmp_path)
    assert type(back["state"]) is OrderedDict and list(back["state"]) == ["b", "a"]
    assert all(torch.equal(back["state"][name], state[name]) for name in state)
    assert torch.equal(back["one"], shared.reshape(2, 3).T) and back["int"].dtype == torch.int64
    for bad in (torch.nn.Linear(1, 1), torch.ones(1, requires_grad=True)):
        with pytest.raises(errors.InvalidArgument):
            there_and_back(bad, tmp_path)


def with_note(value: Any) -> Any:
    value.note = "beside"
    return value


LOOP: list[Any] = []
LOOP.append(LOOP)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "builtins.object, which has no safe format"),
        ([lambda: 1], "builtins.function"),
        (np.array([{1: object()}]), "builtins.object"),
        (np.array([1], "longdouble"), "npy cannot hold"),
        (np.longdouble(1), "no safe format"),
        (np.ma.masked_array([1], [True]), "MaskedArray"),
        (pd.DataFrame({"x": [object()]}), "builtins.object"),
        (pd.DataFrame({"x": pd.arrays.SparseArray([1])}), "parquet cannot hold"),
        (with_note(pd.DataFrame({"x": [1]})), "DataFrame would not come back as it is"),
        (TruncatedSVD(2, random_state=0).fit(np.random.default_rng(0).random((9, 4))), "its components_ would differ"),
        (pd.offsets.MonthEnd(2), "MonthEnd"),
        (OrderedDict(a=lambda: 1), "builtins.function"),
        (LOOP, "contains itself"),
        (10**5000, "digits"),
        (Path("/does/not/exist"), "cannot be read"),
    ],
    ids=lambda value: f"{value:.20}" if isinstance(value, str) else "",
)
def test_what_would_not_come_back_is_refused(value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidArgument, match=message):
        results.write(value, tmp_path)


# Through the store.


def make_tree(folder: Path) -> Path:
    (folder / "sub" / "empty").mkdir(parents=True)
    (folder / "sub" / "a.bin").write_bytes(os.urandom(2 * MIB))
    (folder / "run.sh").write_text("#!/bin/sh")
    (folder / "run.sh").chmod(0o755)
    return folder


def test_paths_come_back_as_verified_files_of_this_machine(project: xpstore.Project, tmp_path: Path) -> None:
    @cached(name="paths", version=1)
    def paths() -> dict[str, Path]:
        return {"tree": make_tree(tmp_path / "out"), "file": tmp_path / "out" / "run.sh"}

    made, hit = paths(), paths()
    assert made["tree"] == tmp_path / "out" and hit["tree"] != made["tree"]
    assert {p.relative_to(hit["tree"]) for p in hit["tree"].rglob("*")} == {
        p.relative_to(made["tree"]) for p in made["tree"].rglob("*")
    }
    assert (hit["tree"] / "sub/a.bin").read_bytes() == (made["tree"] / "sub/a.bin").read_bytes()
    assert (hit["file"].name, hit["file"].read_text()) == ("run.sh", "#!/bin/sh")
    assert os.access(hit["file"], os.X_OK) and not hit["file"].stat().st_mode & 0o222, "nobody changes it by mistake"

    (hit["tree"] / "one too many").touch()
    again = paths()
    assert not (again["tree"] / "one too many").exists()


def test_result_is_the_same_from_the_server_as_from_the_local_copy(project: xpstore.Project, cache: Path) -> None:
    artifact = project.cache.get_or_compute("p", {}, lambda: {"a": np.arange(400_000), "b": (1, b"x")})
    here = artifact.load()
    for copy in (cache / "copies").iterdir():
        project._client.kept(CacheState).copies.drop(bytes.fromhex(artifact.digest), artifact.size_bytes)
        assert copy
    there = CachedArtifact.get_by_id(artifact.id).load()
    assert (here["a"] == there["a"]).all() and here["b"] == there["b"] == (1, b"x")
    assert [file.path for file in artifact.files()] == ["0.npy", "value.json"]
    assert artifact.load("0.npy").tolist() == there["a"].tolist()


def copy_of(artifact: CachedArtifact, cache: Path) -> Path:
    return cache / "copies" / f"{artifact.digest}-{artifact.size_bytes}"


@pytest.mark.parametrize("size", [10, 400_000], ids=["small", "mapped"])
@pytest.mark.parametrize("victim", ["files/0.npy", "files/value.json", "manifest"])
def test_damaged_copy_is_noticed_and_fetched_again(
    project: xpstore.Project, cache: Path, size: int, victim: str
) -> None:
    value = np.random.default_rng(size).random(size)
    artifact = project.cache.get_or_compute(victim, {"size": size}, lambda: value)
    path = copy_of(artifact, cache) / victim
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert (artifact.load() == value).all()
    path.unlink()
    assert (artifact.load() == value).all()
    assert path.exists()


def test_copies_are_bounded_and_the_least_recently_used_go(
    project: xpstore.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XPSTORE_CACHE", str(tmp_path))
    monkeypatch.setenv("XPSTORE_CACHE_MIB", "5")
    client = xpstore.Client(project._client._authorization[1].removeprefix("Bearer "), project._client.api_url)
    here = client.project(project.id)
    made = []
    for number in range(6):
        made.append(here.cache.get_or_compute("p", {"n": number}, partial(np.full, MIB // 8, number)))
        made[0].load()  # used again and again
        time.sleep(0.02)
    there = {artifact.load()[0] for artifact in made if copy_of(artifact, tmp_path).exists()}
    assert 0 in there and len(there) <= 5
    assert not list((tmp_path / "copies").glob(".*"))
    assert [artifact.load()[0] for artifact in made] == list(range(6)), "what is gone is fetched again"
    client.close()


def test_copy_given_out_as_a_path_stays_while_the_process_lives(tmp_path: Path) -> None:
    copies, kept = LocalCopies(tmp_path, 1), []
    for name in ("held", "free"):
        with copies.making() as folder:
            for file in ("beside", name):
                (folder / file).write_text(name)
            entries = [bare_entry(source, blake3(name.encode()).digest()) for source in scan(folder)]
            kept.append(copies.keep(folder, tree_digest(entries), 8, entries))
    held = kept[0].path("held")
    copies.trim()
    assert held.read_text() == "held"
    assert len(list(tmp_path.iterdir())) == 1


def test_folder_that_cannot_be_used_costs_only_the_copies(
    project: xpstore.Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XPSTORE_CACHE", str(tmp_path / "file"))
    client = xpstore.Client(server.api_key, server.address)
    there = client.project(project.id).cache
    assert there.get_or_compute("p", {}, lambda: [1]).load() == there.get_or_compute("p", {}, lambda: [2]).load() == [1]
    client.close()


def test_processes_share_a_copy_and_one_that_is_killed_leaves_none_that_is_wrong(
    project: xpstore.Project, server: Server, tmp_path: Path
) -> None:
    artifact = project.cache.get_or_compute("p", {}, lambda: np.arange(3 * MIB))
    arguments = (server.api_key, server.address, artifact.id, str(tmp_path))
    context = multiprocessing.get_context("spawn")
    killed = context.Process(target=fetch, args=arguments)
    killed.start()
    while killed.is_alive() and not list(tmp_path.glob("copies/.*")):
        time.sleep(0.002)
    os.kill(killed.pid or 0, signal.SIGKILL)
    with context.Pool(4) as pool:
        assert set(pool.starmap(fetch, [arguments] * 8)) == {sum(range(3 * MIB))}
    assert copy_of(artifact, tmp_path).exists()


def test_hit_of_a_large_array_is_the_callers_own(project: xpstore.Project) -> None:
    big = cached(name="big", version=1)(lambda: np.zeros(MIB))
    big()
    first = big()
    first[:] = 7
    barrier = threading.Barrier(4)

    def use() -> None:
        barrier.wait()
        value = big()
        value += 1
        seen.append(float(value.sum()))

    seen: list[float] = []
    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [MIB] * 4
