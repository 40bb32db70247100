"""Charts of metrics, drawn by matplotlib."""

import logging
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib
import pytest
from matplotlib import dates, pyplot

from xpstore.errors import InvalidArgument
from xpstore.experiment import Experiment
from xpstore.model import Model
from xpstore.series import Series

pytestmark = pytest.mark.client


@pytest.fixture(autouse=True)
def figures() -> Iterator[None]:
    """Figures without a screen."""
    matplotlib.use("Agg")
    yield
    pyplot.close("all")


def lines(axes: Any) -> dict[str, tuple[list[float], list[float]]]:
    """What is drawn, by the texts of the legend."""
    axes.figure.canvas.draw()
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    drawn = [([*map(float, line.get_xdata())], [*map(float, line.get_ydata())]) for line in axes.get_lines()]
    return dict(zip(texts, drawn, strict=True))


def test_metric_is_drawn_as_it_was_logged(model: Model) -> None:
    for step, value in enumerate([3.0, math.nan, 1.0]):
        model.metrics.log("loss", value, 10 * step)
    axes = model.metrics.plot("loss")
    ((label, (xs, ys)),) = lines(axes).items()
    assert label == model.display_name and xs == [0, 10, 20] and ys[::2] == [3.0, 1.0] and math.isnan(ys[1])
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("step", "loss", "linear")
    same = model.metrics.read("loss").plot(log=True, label="mine", ax=axes)
    assert same is axes and axes.get_yscale() == "log" and "mine" in lines(axes)


def test_names_and_phases_have_a_line_each(model: Model) -> None:
    model.metrics.log("loss", 1.0, 1, "train")
    model.metrics.log("loss", 2.0, 1, "test")
    model.metrics.log("_cost $x$", 3, 1)
    called = model.display_name
    drawn = lines(model.metrics.plot("loss", "_cost $x$"))
    assert {label.replace("\\", ""): ys for label, (_, ys) in drawn.items()} == {
        f"{called} loss[train]": [1.0],
        f"{called} loss[test]": [2.0],
        f"{called} _cost $x$": [3.0],
    }
    assert list(lines(model.metrics.plot("loss", phase="test"))) == [called]
    assert lines(model.metrics.read("_cost $x$").plot()).popitem()[0] == " _cost \\$x\\$"


def test_long_series_are_drawn_from_buckets_that_keep_extremes(model: Model) -> None:
    values = [float(number % 7) for number in range(20_000)]
    values[12_345] = 99.0
    model.metrics.log_arrays("loss", range(20_000), values)
    whole = model.metrics.read("loss")
    buckets = model.metrics.read("loss", buckets=100)
    assert buckets is not None
    for axes in (model.metrics.plot("loss"), whole.plot(), buckets.plot()):
        ((xs, ys),) = lines(axes).values()
        (band,) = axes.collections
        assert len(xs) <= 1_000 and xs[-1] == 19_999 and max(ys) < 99
        assert band.get_paths()[0].get_extents().ymax == 99


def test_time_is_an_axis_and_points_without_steps_are_counted(model: Model) -> None:
    for value in (1.0, 2.0):
        model.metrics.log("loss", value)
    model.metrics.log("other", 1.0, 5)
    alone = model.metrics.plot("loss")
    assert alone.get_xlabel() == "point" and lines(alone).popitem()[1] == ([1, 2], [1.0, 2.0])
    with pytest.raises(InvalidArgument, match=r"loss' has no steps and others have: .* x=.time."):
        model.metrics.plot("loss", "other")
    axes: Any = model.metrics.plot("loss", "other", x="time")
    first = model.metrics.list("loss")[0].time
    number: Any = dates.date2num
    line = axes.get_lines()[0]
    assert axes.get_xlabel() == "time (UTC)"
    assert number(line.get_xdata()[0]) == pytest.approx(number(first), abs=1e-10)


def test_first_models_of_a_search_have_a_line_each(experiment: Experiment) -> None:
    for number in range(22):
        experiment.model(number, f"m{number}", config={"n": number}).metrics.log("loss", number, 1)
    experiment.model("without", config={"n": -1})
    axes = experiment.models.search(order_by="config.n").plot("loss")
    assert list(lines(axes)) == [f"m{number}" for number in range(19)]
    assert axes.get_title() == "the first 20 models"
    few = experiment.models.search("config.n >= 20", order_by="config.n desc").plot("loss", log=True)
    assert {label: ys for label, (_, ys) in lines(few).items()} == {"m21": [21.0], "m20": [20.0]}
    assert few.get_title() == ""
    for phase in ("train", "test"):
        experiment.model(1).metrics.log("acc", 1.0, 1, phase)
    with pytest.raises(InvalidArgument, match=r"phases 'test', 'train': say which"):
        experiment.models.search().plot("acc")
    assert list(lines(experiment.models.search().plot("acc", "test"))) == ["m1"]


def test_what_cannot_be_drawn_is_said(model: Model, experiment: Experiment, caplog: pytest.LogCaptureFixture) -> None:
    model.metrics.log("loss", -1.0, 1)
    model.metrics.log("loss", 1.0, 2)
    model.metrics.log("note", "text", 1)
    faults: list[tuple[Callable[[], Any], str]] = [
        (lambda: model.metrics.plot("loss", "los"), "no numbers of 'los'"),
        (lambda: model.metrics.plot("note"), "no numbers of 'note'"),
        (lambda: model.metrics.plot(), "names are missing"),
        (lambda: model.metrics.plot("loss", x="steps"), 'must be "step" or "time"'),  # type: ignore[arg-type]
        (lambda: model.metrics.read("note").plot(), "no numbers"),
        (lambda: model.metrics.read("nothing").plot(), "no numbers"),
        (lambda: experiment.models.search().plot("los"), "none of the first 1 models found has numbers of 'los'"),
        (lambda: experiment.models.search("step > 9").plot("loss"), "none of the first 0 models"),
    ]
    for draw, words in faults:
        with pytest.raises(InvalidArgument, match=words):
            draw()
    with caplog.at_level(logging.WARNING, "xpstore"):
        model.metrics.plot("loss", log=True)
    assert "1 of 2 values are not positive" in caplog.text
    model.metrics.log("loss", 5.0)
    model.metrics.plot("loss")
    assert '1 parts without a step are left out: x="time"' in caplog.text
    huge = Series("huge", None, [1, 2], [10**400, 1], [1, 2], 3)
    ((xs, ys),) = lines(huge.plot()).values()
    assert xs == [1, 2] and math.isnan(ys[0]) and ys[1] == 1
    large = Series("large", None, range(2_000), [1e306] * 2_000, range(2_000), 0)
    assert lines(large.plot()).popitem()[1][1] == [1e306] * 1_000 and "<polyline" in large._repr_html_()


def test_plot_without_matplotlib_says_what_is_missing(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    model.metrics.log("loss", 1.0, 1)
    series = model.metrics.read("loss")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot")
    draws: list[Callable[[], Any]] = [series.plot, lambda: model.metrics.plot("loss")]
    for draw in draws:
        with pytest.raises(ImportError, match="pip install matplotlib"):
            draw()
    assert "<svg" in series._repr_html_()
