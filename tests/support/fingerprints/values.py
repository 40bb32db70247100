"""One value, or a few, of each type that docs/fingerprint.md says has a fingerprint; what makes them by name."""

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import operator
import re
import types
import uuid
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa

Make = Callable[[], Any]


class Color(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int


@dataclasses.dataclass
class Order:
    x: Any


class Plain:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


class Slotted:
    __slots__ = ("name", "unset")

    def __init__(self, name: str) -> None:
        self.name = name


class Node:
    """A tree whose nodes know what they hang on."""

    def __init__(self, parent: "Node | None", depth: int) -> None:
        self.parent = parent
        self.children = [Node(self, depth - 1) for _ in range(2)] if depth else []


class Words(dict[str, int]):
    pass


class Labelled(np.ndarray[Any, Any]):
    pass


class Scale(pd.DataFrame):  # type: ignore[misc]
    _metadata = ["unit"]  # noqa: RUF012  # pandas wants a list

    @property
    def _constructor(self) -> Any:
        return Scale


def labelled() -> Any:
    made = np.arange(3.0).view(Labelled)
    return made


def scale() -> Any:
    made = Scale({"x": [1.5]})
    made.unit = "km"
    return made


def cycle() -> list[Any]:
    values: list[Any] = [1]
    values.append({"again": values})
    return values


def annotated() -> pd.DataFrame:
    frame = pd.DataFrame({"x": [1.5, None], "word": ["a", None], "mixed": [1, "a"]}, index=pd.Index([3, 4], name="k"))
    frame.attrs["unit"] = "m"
    return frame


BUILTINS: dict[str, Make] = {
    "none": lambda: None,
    "numbers": lambda: [True, 1, 2**70, 0.5, -0.0, 1j, decimal.Decimal("1.10"), fractions.Fraction(1, 3)],
    "texts": lambda: ["", "a", "\ud800", b"a", bytearray(b"a")],
    "containers": lambda: [[1], (1,), {1, "a"}, frozenset({1}), {"b": 1, "a": 2}, range(3), slice(1, None)],
    "ordered": lambda: [collections.OrderedDict(a=1), collections.Counter("aab"), collections.deque([1], 3)],
    "defaultdict": lambda: collections.defaultdict(list, {"a": [1]}),
    "dates": lambda: [datetime.date(2026, 1, 1), datetime.timedelta(1), datetime.datetime(2026, 1, 1, fold=1)],
    "zones": lambda: [
        datetime.datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Paris")),
        datetime.time(1, tzinfo=ZoneInfo("Europe/Paris")),
        datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1), "CET")),
    ],
    "others": lambda: [uuid.UUID(int=1), re.compile("a+", re.I), types.SimpleNamespace(b=1, a=2)],
    "array": lambda: [array.array("d", [1.5, float("nan")]), array.array("i", [1]), array.array("u", "ab")],
    "classes": lambda: [int, np.float32, np.log, operator.itemgetter(1)],
    "enum": lambda: [Color.RED, Access.READ | Access.WRITE],
    "named tuple": lambda: Point(1),
    "data class": lambda: Order({"x": Order(1)}),
    "plain object": lambda: Plain(b=Plain(), a=[1, {2}], t=np.arange(3)),
    "slots": lambda: Slotted("a"),
    "subclass": lambda: Words(a=1),
    "tree": lambda: Node(None, 3),
    "cycle": cycle,
    "exception": lambda: ValueError("lost", 1),
}

ARRAYS: dict[str, Make] = {
    "array": lambda: np.arange(12.0).reshape(3, 4),
    "Fortran": lambda: np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "big-endian": lambda: np.arange(3, dtype=">i4"),
    "texts": lambda: np.array(["a", "bcd"]),
    "instants": lambda: np.array(["2026-01-01", "NaT"], "M8[ms]"),
    "objects": lambda: np.array([None, 1, "a", float("nan"), pd.NaT, pd.NA], object),
    "records": lambda: np.array([(1, 2.5)], np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "recarray": lambda: np.rec.array([(1, 2.5)], dtype=[("a", "i1"), ("b", "f8")]),
    "masked": lambda: np.ma.masked_invalid([1.0, float("nan")]),
    "masked nowhere": lambda: np.ma.zeros(2),
    "matrix": lambda: np.asmatrix(np.eye(2)),
    "own": labelled,
    "scalars": lambda: [np.float32(1.5), np.int64(1), np.datetime64("2026-01-01"), np.array([(1,)], "i4,")[0]],
    "element types": lambda: [np.dtype("f8"), np.dtype([("a", "i4")]), np.dtype(">u2")],
    "StringDType": lambda: np.array(["a", "long " * 20], np.dtypes.StringDType()),
    "StringDType with a missing one": lambda: np.array(["a", None], np.dtypes.StringDType(na_object=None)),
}

FRAMES: dict[str, Make] = {
    "frame": annotated,
    "frame of a subclass": scale,
    "frame of levels": lambda: pd.DataFrame({"v": [1, 2, 3]}, index=[["a", "a", "b"], [1, 2, 1]]).iloc[:2],
    "series": lambda: pd.Series([1, 2], name="n"),
    "text": lambda: [pd.Series(["a", None], dtype=kind) for kind in (object, "str", "string[python]", "string")],
    "nullable": lambda: [pd.array([1, None], dtype="Int64"), pd.array([True, None], dtype="boolean")],
    "Arrow's": lambda: pd.Series([[1], None], dtype=pd.ArrowDtype(pa.list_(pa.int64()))),
    "categories": lambda: pd.Categorical(["b", "a", None], ["b", "a"], ordered=True),
    "instants": lambda: pd.Series(pd.date_range("2026-01-01", periods=2, tz="Europe/Paris")),
    "index of days": lambda: pd.date_range("2026-01-01", periods=2, freq="D"),
    "RangeIndex": lambda: pd.RangeIndex(3),
    "intervals": lambda: pd.interval_range(0, 2),
    "periods": lambda: pd.period_range("2026-01", periods=2, freq="M"),
    "sparse": lambda: pd.Series(pd.arrays.SparseArray([0, 0, 1.5], fill_value=0)),
    "scalars": lambda: [
        pd.Timestamp("2026-01-01 00:00:00.000000001", tz="Europe/Paris"),
        pd.Timedelta("1ns"),
        pd.Period("2026-01", "M"),
        pd.Interval(0, 1),
        pd.offsets.MonthEnd(2),
        pd.offsets.CustomBusinessDay(holidays=["2026-01-01"]),
        pd.NaT,
        pd.NA,
    ],
    "types": lambda: [pd.CategoricalDtype(["a"]), pd.Int64Dtype(), pd.StringDtype(), pd.ArrowDtype(pa.int64())],
    "table": lambda: pa.table({"x": [1, None], "w": ["a", None]}, metadata={"unit": "m"}),
    "Arrow's types": lambda: pa.table(
        {
            "map": pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int8())),
            "list": [[1, None], None],
            "large list": pa.array([["a"], []], pa.large_list(pa.large_string())),
            "struct": [{"x": 1, "y": "a"}, None],
            "dictionary": pa.array(["a", None]).dictionary_encode(),
            "decimal": pa.array([decimal.Decimal("1.10"), None], pa.decimal128(9, 2)),
            "duration": pa.array([1, None], pa.duration("ms")),
        }
    ),
    "schema": lambda: [pa.schema({"x": pa.int8()}), pa.int8(), pa.field("x", pa.string(), False), pa.scalar(1)],
}


def estimators() -> dict[str, Make]:
    """Fitted estimators of scikit-learn, of every family."""
    from sklearn import (
        calibration,
        cluster,
        compose,
        cross_decomposition,
        decomposition,
        discriminant_analysis,
        dummy,
        ensemble,
        feature_extraction,
        feature_selection,
        gaussian_process,
        impute,
        isotonic,
        kernel_approximation,
        kernel_ridge,
        linear_model,
        manifold,
        mixture,
        model_selection,
        multiclass,
        naive_bayes,
        neighbors,
        neural_network,
        pipeline,
        preprocessing,
        random_projection,
        semi_supervised,
        svm,
        tree,
    )

    chance = np.random.RandomState(0)
    rows = chance.rand(60, 4)
    labels = (rows[:, 0] > 0.5).astype(int)
    tree_model, line = tree.DecisionTreeClassifier(max_depth=2, random_state=0), linear_model.LogisticRegression()
    grid = {"max_depth": [1, 2]}
    made: list[Any] = [
        linear_model.LinearRegression(),
        linear_model.LogisticRegression(),
        linear_model.LassoCV(cv=2),
        linear_model.SGDClassifier(random_state=0),
        linear_model.SGDRegressor(random_state=0),
        linear_model.Perceptron(random_state=0),
        linear_model.BayesianRidge(),
        linear_model.HuberRegressor(),
        tree.DecisionTreeClassifier(random_state=0),
        tree.DecisionTreeRegressor(random_state=0),
        ensemble.RandomForestClassifier(3, random_state=0),
        ensemble.ExtraTreesRegressor(3, random_state=0),
        ensemble.GradientBoostingClassifier(n_estimators=3, random_state=0),
        ensemble.GradientBoostingRegressor(n_estimators=3, random_state=np.random.RandomState(0)),
        ensemble.HistGradientBoostingClassifier(max_iter=3, random_state=0),
        ensemble.HistGradientBoostingRegressor(max_iter=3, early_stopping=True, random_state=0),
        ensemble.AdaBoostClassifier(n_estimators=3, random_state=0),
        ensemble.BaggingClassifier(n_estimators=3, random_state=0),
        ensemble.IsolationForest(n_estimators=3, random_state=0),
        ensemble.VotingClassifier([("tree", tree_model), ("line", line)]),
        ensemble.StackingClassifier([("tree", tree_model)], line, cv=2),
        svm.SVC(),
        svm.LinearSVC(),
        svm.OneClassSVM(),
        neighbors.KNeighborsClassifier(algorithm="kd_tree"),
        neighbors.KNeighborsRegressor(algorithm="ball_tree"),
        neighbors.NearestNeighbors(),
        neighbors.LocalOutlierFactor(novelty=True),
        neighbors.KernelDensity(),
        neighbors.NearestCentroid(),
        neural_network.MLPClassifier(hidden_layer_sizes=(3,), max_iter=5, random_state=0),
        neural_network.MLPRegressor(hidden_layer_sizes=(3,), max_iter=5, early_stopping=True, random_state=0),
        neural_network.BernoulliRBM(2, n_iter=2, random_state=0),
        gaussian_process.GaussianProcessClassifier(1.0 * gaussian_process.kernels.RBF()),
        gaussian_process.GaussianProcessRegressor(
            gaussian_process.kernels.Matern() + gaussian_process.kernels.WhiteKernel()
        ),
        naive_bayes.GaussianNB(),
        naive_bayes.MultinomialNB(),
        model_selection.GridSearchCV(tree_model, grid, cv=2),
        model_selection.RandomizedSearchCV(tree_model, grid, n_iter=2, cv=2, random_state=0),
        preprocessing.FunctionTransformer(np.log1p),
        preprocessing.SplineTransformer(),
        preprocessing.StandardScaler(),
        preprocessing.OneHotEncoder(),
        preprocessing.PolynomialFeatures(),
        preprocessing.QuantileTransformer(n_quantiles=5),
        preprocessing.PowerTransformer(),
        preprocessing.KBinsDiscretizer(2, quantile_method="averaged_inverted_cdf"),
        calibration.CalibratedClassifierCV(line, cv=2),
        isotonic.IsotonicRegression(),
        impute.SimpleImputer(),
        impute.KNNImputer(),
        decomposition.PCA(2),
        decomposition.TruncatedSVD(2, random_state=0),
        decomposition.NMF(2, random_state=0),
        cluster.KMeans(2, n_init=1, random_state=0),
        cluster.MiniBatchKMeans(2, n_init=1, random_state=0),
        cluster.DBSCAN(),
        cluster.AgglomerativeClustering(),
        cluster.Birch(),
        cluster.SpectralClustering(2, random_state=0),
        mixture.GaussianMixture(2, random_state=0),
        mixture.BayesianGaussianMixture(n_components=2, random_state=0),
        manifold.Isomap(),
        discriminant_analysis.LinearDiscriminantAnalysis(),
        cross_decomposition.PLSRegression(),
        kernel_ridge.KernelRidge(),
        kernel_approximation.Nystroem(n_components=4, random_state=0),
        random_projection.GaussianRandomProjection(2, random_state=0),
        feature_selection.SelectKBest(k=2),
        feature_selection.RFE(line),
        multiclass.OneVsRestClassifier(line),
        semi_supervised.LabelPropagation(),
        dummy.DummyClassifier(),
        pipeline.make_pipeline(preprocessing.StandardScaler(), line),
        compose.ColumnTransformer([("log", preprocessing.FunctionTransformer(np.sqrt), [0])], remainder="passthrough"),
    ]
    texts = ["some words", "other words"]
    more: list[Any] = [
        feature_extraction.text.TfidfVectorizer(),
        feature_extraction.text.HashingVectorizer(n_features=8),
    ]
    return {
        **{
            type(one).__name__: _fitted(one, rows[:, 0] if "Isotonic" in type(one).__name__ else rows, labels)
            for one in made
        },
        **{type(one).__name__: _fitted(one, texts, None) for one in more},
    }


def _fitted(estimator: Any, rows: Any, labels: Any) -> Make:
    def make() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return estimator.fit(rows, labels)

    return make


def sparse() -> dict[str, Make]:
    """Matrices and arrays of scipy in each layout."""
    from scipy import interpolate, stats
    from scipy import sparse as sp

    matrix = sp.random_array((4, 6), density=0.4, rng=np.random.default_rng(0))
    layouts = {f"{name} array": matrix.asformat(name) for name in ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")}
    return {
        **{name: _constant(value) for name, value in layouts.items()},
        "csr matrix": lambda: sp.csr_matrix(matrix.toarray()),
        "spline": lambda: interpolate.CubicSpline([0, 1, 2], [0, 1, 4]),
        "distribution": lambda: stats.norm(0, 1),
    }


def _constant(value: Any) -> Make:
    return lambda: value


def polars() -> dict[str, Make]:
    """Frames and series of polars."""
    import polars as pl

    return {
        "frame": lambda: pl.DataFrame({"x": [1, None], "w": ["a", None], "l": [[1], []]}),
        "series": lambda: pl.Series("x", ["a", "b"], dtype=pl.Categorical),
        "enum": lambda: pl.Series("x", ["a", "b"], dtype=pl.Enum(["a", "b"])),
    }


def other_libraries() -> dict[str, Make]:
    """Types of libraries that are seldom installed."""
    import ml_dtypes

    return {"bfloat16": lambda: np.array([1.5, float("nan")], ml_dtypes.bfloat16)}


def paths(folder: Path) -> dict[str, Make]:
    """A file and a folder."""
    (folder / "data").mkdir()
    (folder / "data" / "a.csv").write_text("1")
    return {"file": lambda: folder / "data" / "a.csv", "folder": lambda: folder / "data"}
