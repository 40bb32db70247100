"""Columns of a search: values of fields instead of models, a jump to a row, how many there are in all."""

import math
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from support.search.asking import cells, search
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.experiment import Experiment
from xpstore.project import Project
from xpstore.v1 import run_pb2

COMMIT = "c0ffee" * 6 + "c0ff"


@pytest.fixture
def experiment(project: Project) -> Experiment:
    return project.experiment("e")


def test_columns_are_values_of_fields(experiment: Experiment, client: Client) -> None:
    config = {"lr": 0.25, "name": "é'\"", "flag": True, "zero": 0, "net": {"layers": [64, "x"]}, "a.b": None}
    model = experiment.models.create("h", config=config, name="n", tags=["b", "a"])
    model.modules.log("optimizer", {"lr": 3})
    model.modules.log("optimizer", {"lr": 4})
    bare = experiment.models.create("i")
    fields = ["hash", "name", "config.lr", "config.name", "config.flag", "config.zero", "config.net.layers.0"]
    fields += ["config.net.layers.1", 'config."a.b"', "config.no", "modules.optimizer.lr", "tags", "step", "status"]
    answer = search(experiment, *fields)
    expected = ["h", "n", 0.25, "é'\"", True, 0.0, 64.0, "x", None, None, 4.0, ["b", "a"], 0, None]
    assert cells(answer) == [expected, ["i", *[None] * 11, 0, None]]
    assert [row.model_id for row in answer.rows] == [str(model.id), str(bare.id)]
    assert [type(value) for value in cells(answer)[0]] == [type(value) for value in expected]
    created = cells(search(experiment, "created_at"))[0][0]
    assert datetime.fromtimestamp(created / 1e6, UTC) == model.created_at
    assert 0 <= answer.now_us - created < 3600 * 1_000_000


def test_same_column_may_be_asked_for_twice(experiment: Experiment) -> None:
    experiment.models.create("h", config={"a": 1})
    assert cells(search(experiment, "config.a", "hash", "config.a")) == [[1.0, "h", 1.0]]


def test_metrics_come_with_the_steps_at_which_they_were_so(experiment: Experiment, client: Client) -> None:
    model = experiment.models.create("h")
    for step, value in enumerate([3.0, 1.0, 5.0, 1.0, 5.0, math.nan, 2.0]):
        model.metrics.log("loss", value, step=10 * step, phase="train")
    model.metrics.log("loss", 0.5, step=7, phase="test")
    model.metrics.log("loss", 9.0, phase="test")
    model.metrics.log("count", 2**60, step=1)
    client.flush(60)
    kinds = ("last", "min", "max", "last_step", "min_step", "max_step")
    rows = cells(search(experiment, *[f"metrics.loss{phase}.{kind}" for phase in ("[train]", "") for kind in kinds]))
    assert rows == [[2.0, 1.0, 5.0, 60, 10, 20, 9.0, 0.5, 9.0, None, 7, None]]
    assert cells(search(experiment, "metrics.count.max_step", "metrics.loss[dev].min_step", "metrics.no.last")) == [
        [1, None, None]
    ]


def test_step_of_an_extremum_is_found_among_many_blocks(experiment: Experiment, client: Client) -> None:
    model = experiment.models.create("h")
    numbers = list(range(2_000))
    random.Random(7).shuffle(numbers)
    for start in range(0, 2_000, 100):
        for step in range(start, start + 100):
            model.metrics.log("x", numbers[step], step=step)
        client.flush(60)
    expected = [numbers.index(0), numbers.index(1_999), 1_999]
    assert cells(search(experiment, "metrics.x.min_step", "metrics.x.max_step", "metrics.x.last_step")) == [expected]
    model.metrics.remove(next(point for point in model.metrics.list() if point.value == 0))
    assert cells(search(experiment, "metrics.x.min", "metrics.x.min_step")) == [[1.0, numbers.index(1)]]


def test_what_its_newest_run_says_is_a_field(experiment: Experiment, project: Project, client: Client) -> None:
    models = [experiment.models.create(hash_) for hash_ in ("never", "old", "new")]
    started = 1_700_000_000_000_000
    for model, host, seconds in ((models[1], "alpha", 90), (models[2], "beta", 10)):
        run_id = new_id()
        environment = run_pb2.RunEnvironment(host=host, git_commit=COMMIT)
        request = run_pb2.CreateRunRequest(
            model_id=str(model.id), run_id=run_id, environment=environment, started_at_us=started
        )
        client.call(client.stubs.runs.CreateRun, request)
        finish = run_pb2.FinishRunRequest(
            run_id=run_id, status=run_pb2.RUN_STATUS_FINISHED, ended_at_us=started + seconds * 1_000_000
        )
        client.call(client.stubs.runs.FinishRun, finish)
    answer = search(experiment, "host", "git_commit", "duration", "status")
    assert cells(answer) == [[None] * 4, ["alpha", COMMIT, 90.0, "finished"], ["beta", COMMIT, 10.0, "finished"]]
    (heard,) = cells(search(experiment, "heartbeat_at", filter="host = 'alpha'"))
    assert 0 <= answer.now_us - heard[0] < 3600 * 1_000_000

    def hashes(filter: str, order_by: str = "") -> list[str]:
        return [row[0] for row in cells(search(experiment, "hash", filter=filter, order_by=order_by))]

    assert hashes("duration > 60") == ["old"] and hashes("duration <= 10") == ["new"]
    assert hashes("", "duration") == ["new", "old", "never"] == hashes("", "host desc")
    assert hashes("git_commit like 'c0%' and heartbeat_at > '2020-01-01'") == ["old", "new"]
    assert hashes("host is null") == ["never"] == hashes("heartbeat_at is null")
    assert cells(search(project, "host", "duration"))[1:] == [
        ["alpha", 90.0],
        ["beta", 10.0],
    ]


@pytest.mark.parametrize("order", ["", "config.x", "config.x desc, hash", "metrics.m.last desc", "name"])
@pytest.mark.parametrize("scope", ["experiment", "project"])
def test_jump_is_where_pages_would_come(scope: str, order: str, project: Project, client: Client) -> None:
    experiment = project.experiment("e")
    for number in range(25):
        config = {"x": number % 4} if number % 3 else {"x": str(number)} if number % 2 else {}
        model = experiment.models.create(number, config=config, name=None if number % 5 else str(number))
        if number % 4 == 0:
            model.metrics.log("m", number % 3)
    client.flush(60)
    asked: dict[str, Any] = {"order_by": order, "page_size": 7, "with_total": True, "filter": "hash != '3'"}
    where = project if scope == "project" else experiment

    def rows_from(skip: int) -> list[Any]:
        token, found = "", list[Any]()
        while True:
            answer = search(where, "hash", **asked, skip=skip, page_token=token)
            assert answer.total_count == 24
            found += cells(answer)
            if not (token := answer.next_page_token):
                return found

    everything = rows_from(0)
    assert len(everything) == 24
    for skip in (1, 6, 7, 8, 15, 23, 24, 25, 1_000_000):
        assert rows_from(skip) == everything[skip:], skip
    models = search(where, **asked, skip=5).models
    assert [[model.hash] for model in models] == everything[5:12]
    assert not search(experiment, filter="hash = '1'").HasField("total_count")


@pytest.mark.parametrize(
    ("columns", "field", "told"),
    [
        (["nme"], "columns[0]", "expected a field"),
        (["hash", "config"], "columns[1]", "name an attribute"),
        (["metrics.a.best"], "columns[0]", ".min or .max"),
        (["hash desc"], "columns[0]", "column 6"),
        ([""], "columns[0]", "expected a field"),
        (["hash"] * 101, "columns", "at most 100"),
        ([f"config.{'x' * 200}"] * 90, "columns", "16384 bytes"),
        (["metrics.a[b].max_step[c]"], "columns[0]", "column"),
    ],
)
def test_column_that_is_none_is_refused(experiment: Experiment, columns: list[str], field: str, told: str) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        search(experiment, *columns)
    assert caught.value.metadata["field"] == field and told in str(caught.value)


@pytest.mark.parametrize(
    "filter", ["metrics.a.min_step > 1", "metrics.a.last_step is null", "metrics.a[b].max_step in (1)"]
)
def test_steps_neither_filter_nor_order(experiment: Experiment, filter: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="can be a column"):
        search(experiment, filter=filter)
    with pytest.raises(errors.InvalidArgument, match="can be a column"):
        search(experiment, order_by=filter.partition(" ")[0])


@pytest.mark.parametrize("skip", [-1, 1_000_001])
def test_jump_that_is_out_of_range_is_refused(experiment: Experiment, skip: int) -> None:
    with pytest.raises(errors.InvalidArgument, match="skip"):
        search(experiment, skip=skip)


def test_page_token_is_of_its_columns(experiment: Experiment) -> None:
    for number in range(3):
        experiment.models.create(number)
    token = search(experiment, "hash", page_size=1).next_page_token
    assert cells(search(experiment, "hash", page_token=token)) == [["1"], ["2"]]
    with pytest.raises(errors.InvalidArgument, match="page_token"):
        search(experiment, "name", page_token=token)


def test_page_of_heavy_columns_is_cut(experiment: Experiment) -> None:
    for number in range(40):
        experiment.models.create(number, config={f"k{place}": "x" * 1_000 for place in range(100)})
    columns = [f"config.k{place}" for place in range(100)]
    answer = search(experiment, *columns, page_size=40)
    assert 1 <= len(answer.rows) < 40 and answer.next_page_token and answer.ByteSize() < 4 << 20
    more = search(experiment, *columns, page_size=40, page_token=answer.next_page_token)
    assert len(answer.rows) + len(more.rows) == 40
