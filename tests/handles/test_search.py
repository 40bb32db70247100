"""Search: what filters mean, how models are ordered and paged, what is refused and where, and tables to compare by."""

import base64
import json
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.search_oracle import EPOCH, Known, Writer
from support.services import Server
from xpstore import errors
from xpstore.client import Client, new_id
from xpstore.experiment import Experiment
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import model_pb2 as pb

FILTERS = int(os.environ.get("XPSTORE_TEST_FILTERS", "300"))


@pytest.fixture
def experiment(project: Project) -> Experiment:
    return project.experiment("e")


def hashes(parent: Experiment | Project, filter: str = "", order_by: str = "", limit: int | None = None) -> list[str]:
    return [model.hash for model in parent.models.search(filter, order_by=order_by, limit=limit)]


@pytest.fixture(params=["experiment", "project"])
def parent(request: pytest.FixtureRequest, project: Project, experiment: Experiment) -> Experiment | Project:
    """What is searched. Models of a small experiment are looked at one by one, those of a project through indexes."""
    return experiment if request.param == "experiment" else project


def page_of(client: Client, parent: Experiment | Project, **fields: Any) -> pb.SearchModelsResponse:
    scope = {"project_uid": parent.uid} if isinstance(parent, Project) else {"experiment_id": str(parent.id)}
    return client.call(client.stubs.models.SearchModels, pb.SearchModelsRequest(**{**scope, **fields}))


# What filters mean.


def test_without_a_filter_all_models_come_oldest_first(experiment: Experiment) -> None:
    made = [experiment.models.create(hash_) for hash_ in ("c", "a", "b")]
    assert list(experiment.models.search()) == list(experiment.models.search(" \n")) == made
    assert made[0].name is None and next(experiment.models.search(limit=1)).config == {}


def test_limit_is_the_most_that_comes(experiment: Experiment) -> None:
    for number in range(5):
        experiment.models.create(number)
    assert hashes(experiment, limit=2) == ["0", "1"]
    assert hashes(experiment, limit=0) == []
    assert hashes(experiment, limit=100) == ["0", "1", "2", "3", "4"]
    with pytest.raises(errors.InvalidArgument):
        hashes(experiment, limit=-1)


def test_project_is_searched_over_all_its_experiments_and_no_other(project: Project, client: Client) -> None:
    made = [project.experiment(name).model("h", config={"lr": 1}) for name in ("a", "b")]
    client.project(new_id()).experiment("a").model("h", config={"lr": 1})
    assert list(project.models.search("config.lr = 1")) == made
    assert list(project.experiment("b").models.search("config.lr = 1")) == made[1:]
    assert len(project.models.to_pandas()) == 2


def test_what_was_deleted_is_not_found(client: Client) -> None:
    project = client.project(new_id())
    experiment = project.experiment("e")
    experiment.models.delete(experiment.model("gone").id)
    assert hashes(experiment) == []
    project.delete()
    for models in (experiment.models, project.models):
        with pytest.raises(errors.NotFound):
            list(models.search())


def test_newest_module_of_a_name_counts(experiment: Experiment) -> None:
    model = experiment.model("h")
    model.modules.log("optimizer", {"lr": 1, "only": "old"})
    newest = model.modules.log("optimizer", {"lr": 2})
    model.modules.log("other", {"lr": 3})
    model.iterations.create(1).modules.log("optimizer", {"lr": 4})
    assert hashes(experiment, "modules.optimizer.lr = 2 and modules.optimizer.only is null") == ["h"]
    model.modules.remove(newest)
    assert hashes(experiment, "modules.optimizer.lr = 1 and modules.optimizer.only = 'old'") == ["h"]
    model.modules.clear()
    assert hashes(experiment, "modules.optimizer.lr is null and modules.other.lr is null") == ["h"]


def test_newest_module_counts_when_many_are_logged_at_once(experiment: Experiment) -> None:
    model = experiment.model("h")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda lr: model.modules.log("optimizer", {"lr": lr}), range(32)))
    (newest,) = (module.attributes["lr"] for module in model.modules.list()[-1:])
    assert hashes(experiment, f"modules.optimizer.lr = {newest}") == ["h"]
    assert hashes(experiment, f"modules.optimizer.lr != {newest}") == []


def test_repeated_recording_leaves_the_newest_module(client: Client, experiment: Experiment) -> None:
    model = experiment.model("h")
    request = pb.CreateModuleRequest(model_id=str(model.id), module_id=new_id(), name="a", attributes_json='{"n":1}')
    client.call(client.stubs.models.CreateModule, request)
    model.modules.log("a", {"n": 2})
    client.call(client.stubs.models.CreateModule, request)
    assert hashes(experiment, "modules.a.n = 2") == ["h"]


def test_metrics_without_brackets_are_of_all_phases(experiment: Experiment) -> None:
    model = experiment.model("h")
    for value, phase in ((3, "train"), (9, "test"), (1, None), (5, "train")):
        model.metrics.log("loss", value, phase=phase)
    for aspect, value in {"last": 5, "min": 1, "max": 9}.items():
        assert hashes(experiment, f"metrics.loss.{aspect} = {value}") == ["h"]
        assert hashes(experiment, f"metrics.loss.{aspect} != {value}") == []
    assert hashes(experiment, 'metrics.loss[train].min = 3 and metrics.loss[""].last = 1') == ["h"]
    assert hashes(experiment, "metrics.loss.max < 9 or metrics.loss.min > 1 or metrics.loss[test].last < 9") == []


def test_points_that_were_removed_are_not_found(experiment: Experiment) -> None:
    model = experiment.model("h")
    for step in range(4):
        model.metrics.log("loss", step, step, "train")
    model.metrics.remove(model.metrics.list()[0])
    assert hashes(experiment, "metrics.loss.min = 1 and metrics.loss.last = 3") == ["h"]
    model.rewind(2)
    assert hashes(experiment, "metrics.loss.max = 2 and metrics.loss[train].last = 2") == ["h"]
    model.metrics.clear()
    assert hashes(experiment, "metrics.loss.max is null and metrics.loss[train].last is null") == ["h"]


def test_metric_whose_last_value_is_no_number_has_no_last_value(experiment: Experiment) -> None:
    model = experiment.model("h")
    for value in (1.0, float("nan")):
        model.metrics.log("loss", value)
    model.metrics.log("note", "text")
    assert hashes(experiment, "metrics.loss.last is null and metrics.note.last is null") == ["h"]
    assert hashes(experiment, "metrics.loss.max = 1 and metrics.loss.min = 1") == ["h"]


def test_status_is_that_of_the_newest_run(experiment: Experiment) -> None:
    ended, running, _ = (experiment.model(hash_) for hash_ in ("ended", "running", "never"))
    with pytest.raises(ZeroDivisionError), ended.run():
        raise ZeroDivisionError
    with running.run():
        assert hashes(experiment, "status = 'running'") == ["running"]
        assert hashes(experiment, "status in ('failed', 'lost')") == ["ended"]
        assert hashes(experiment, "status is null") == ["never"]
        assert hashes(experiment, order_by="status desc") == ["running", "ended", "never"]
        assert hashes(experiment, "status = 'failed' or status is null", "status") == ["ended", "never"]


def test_tags_hold_if_one_does(experiment: Experiment) -> None:
    model = experiment.model("h", tags=["baseline", "v1"])
    assert hashes(experiment, "tags = 'v1' and tags in ('x', 'baseline') and tags like 'base%'") == ["h"]
    assert hashes(experiment, "tags = 'v2' or tags is null or not tags = 'v1'") == []
    model.tags.remove("baseline", "v1")
    assert hashes(experiment, "tags is null and not tags = 'v1'") == ["h"]


@pytest.mark.parametrize("value", [True, 1, 1.5, "1", "true", None])
def test_types_are_told_apart(experiment: Experiment, value: Any) -> None:
    experiment.model("h", config={"value": value})
    literals = {"true": True, "1": 1, "1.5": 1.5, "'1'": "1", "'true'": "true"}
    for text, other in literals.items():
        is_equal = type(value) is type(other) and value == other
        assert bool(hashes(experiment, f"config.value = {text}")) == is_equal
        assert bool(hashes(experiment, f"config.value != {text}")) == (value is not None and not is_equal)
    assert bool(hashes(experiment, "config.value is null")) == (value is None)


LIKE = [
    ("resnet", "res%", True),
    ("resnet", "RES%", False),
    ("Résumé", "R_sum_", True),
    ("Résumé", "r%", False),
    ("ÄÖ", "äö", False),
    ("100%", "100\\%", True),
    ("1000", "100\\%", False),
    ("a_b", "a\\_b", True),
    ("axb", "a\\_b", False),
    ("a\\b", "a\\\\b", True),
    ("a*b", "a*b", True),
    ("axxb", "a*b", False),
    ("[a]", "[a]", True),
    ("a", "[a]", False),
    ("a?", "a?", True),
    ("ab", "a?", False),
    ("line\nbreak", "line%k", True),
    ("", "%", True),
    ("", "_", False),
    ("☃🎉", "__", True),
]


@pytest.mark.parametrize(("text", "pattern", "holds"), LIKE)
def test_like_matches_whole_texts_and_case(experiment: Experiment, text: str, pattern: str, holds: bool) -> None:
    experiment.model("h", config={"text": text})
    assert bool(hashes(experiment, f"config.text like '{pattern}'")) == holds
    assert bool(hashes(experiment, f"config.text not like '{pattern}'")) == (not holds)


def test_times_are_compared_in_their_zone(experiment: Experiment) -> None:
    model = experiment.model("h")
    at = EPOCH + timedelta(microseconds=model._wire.created_at_us)
    east = (at + timedelta(hours=5)).replace(tzinfo=None).isoformat()
    assert hashes(experiment, f"created_at = '{at.isoformat()}' and created_at = '{east}+05:00'") == ["h"]
    assert hashes(experiment, f"created_at = '{east}' or created_at < '1969-12-31' or created_at > '9999-12-31'") == []


def test_steps_are_compared_exactly(experiment: Experiment) -> None:
    experiment.model("h").step = 2**62
    assert hashes(experiment, f"step = {2**62} and step > {2**62 - 1} and step < 1e300 and step > -1e300") == ["h"]
    assert hashes(experiment, f"step = {2**62 - 1} or step >= {2**62 + 1} or step = {10**30} or step = 0.5") == []
    experiment.model("h").step = 3
    assert hashes(experiment, "step > 2.5 and step >= 2.5 and step < 3.5 and step <= 3.5 and step != 2.5") == ["h"]
    assert hashes(experiment, "step > 3.5 or step >= 3.5 or step < 2.5 or step <= 2.5 or step in (2.5, 3.5)") == []


def test_paths_with_any_signs_are_found_and_none_is_another(experiment: Experiment) -> None:
    keys = ["a.b", "a\\.b", "a\\", '"', "'", "ü ☃", "", "x/y", "a\nb", "and", "*", "0"]
    for number, key in enumerate(keys):
        experiment.model(str(number), config={key: number, "a": {"b": -1}})
    for number, key in enumerate(keys):
        quoted = "'" + key.replace("'", "''") + "'"
        assert hashes(experiment, f"config.{quoted} >= 0") == [str(number)]


def test_of_large_configs_what_is_nearest_the_top_is_searched(experiment: Experiment) -> None:
    huge = {"list": list(range(5_000)), "deep": {"down": 1}, "k" * 2_000: 1, "text": "x" * 500_000, "last": 2}
    experiment.model("h", config=huge)
    model = experiment.model("h2", config={"n": 10**400, "m": 2**53 + 1, "surrogate": "\ud800", "\udc80": 1})
    model.modules.log("m" * 256, {"text": "ü" * 100_000})
    assert hashes(experiment, "config.last = 2 and config.deep.down = 1 and config.list.500 = 500") == ["h"]
    assert hashes(experiment, f"config.text = '{'x' * 2_000}' and config.text like 'xx%'") == ["h"]
    assert hashes(experiment, f"config.n is null and config.m = {2**53}") == ["h2"]
    assert hashes(experiment, f"modules.{'m' * 256}.text like 'üü%'", order_by=f"modules.{'m' * 256}.text") == ["h2"]


def test_filter_in_capitals_and_on_several_lines(experiment: Experiment) -> None:
    experiment.model("h", "it's", config={"lr": 0.5})
    assert hashes(experiment, "name = 'it''s'\n  AND NOT (config.lr IN (1, 2)\n OR config.lr IS NULL)") == ["h"]


def test_documented_search_runs(experiment: Experiment) -> None:
    page = (Path(__file__).parents[2] / "docs" / "search.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    model = experiment.model("h", config={"lr": 0.1})
    model.metrics.log("accuracy", 0.95, phase="test")
    model.modules.log("optimizer", {"lr": 0.001})
    names: dict[str, Any] = {"experiment": experiment}
    exec(code, names)
    assert list(names["best"]) == [model]
    assert len(names["table"]) == 0


# Order and pages.


def test_models_without_a_value_come_last_in_either_direction(
    experiment: Experiment, parent: Experiment | Project
) -> None:
    for number, value in enumerate((2, None, 1, 2, "a", True, None, "b", False)):
        model = experiment.model(str(number), None if value is None else str(value), config={"value": value})
        if isinstance(value, int) and not isinstance(value, bool):
            model.metrics.log("loss", value)
    assert hashes(parent, order_by="metrics.loss.last") == list("203145678")
    assert hashes(parent, order_by="metrics.loss.last desc, step ASC") == list("032145678")
    assert hashes(parent, order_by="config.value") == list("203478516")
    assert hashes(parent, order_by="config.value desc") == list("032745816")


def test_pages_neither_skip_nor_repeat_while_models_come_and_go(
    client: Client, experiment: Experiment, parent: Experiment | Project
) -> None:
    chance = random.Random(7)
    values = [chance.choice((None, 1, 2, 3, "a", "b", True)) for _ in range(40)]
    made = [experiment.model(str(number), config={"value": value}) for number, value in enumerate(values)]
    for order in ("config.value", "config.value desc, hash desc", "hash", ""):
        expected = [hash_ for hash_ in hashes(parent, order_by=order) if hash_.isdigit()]
        found: list[str] = []
        token = ""
        for number in range(100):
            page = page_of(client, parent, order_by=order, page_size=3, page_token=token)
            found += [model.hash for model in page.models]
            token = page.next_page_token
            if not token:
                break
            assert len(page.models) == 3
            experiment.model(f"new {order} {number}", config={"value": chance.choice((None, 0, 2, "aa", False))})
        assert [hash_ for hash_ in found if hash_.isdigit()] == expected
        assert max(Counter(found).values()) == 1
        experiment.models.delete(made.pop().id)


def test_token_of_another_search_is_refused(
    client: Client, experiment: Experiment, parent: Experiment | Project
) -> None:
    for number in range(3):
        experiment.model(number, config={"value": number})
    fields = {"filter": "config.value >= 0", "order_by": "config.value", "page_size": 1}
    token = page_of(client, parent, **fields).next_page_token
    assert page_of(client, parent, **fields, page_token=token).models[0].hash == "1"
    for other in ({"filter": "config.value > 0"}, {"order_by": "config.value desc"}, {"page_token": token + "AAAA"}):
        with pytest.raises(errors.InvalidArgument) as caught:
            page_of(client, parent, **{**fields, "page_token": token, **other})
        assert caught.value.metadata["field"] == "page_token"


def test_forged_key_is_refused(client: Client, experiment: Experiment, parent: Experiment | Project) -> None:
    for number in range(3):
        experiment.model(number, config={"value": number})
    token = page_of(client, parent, order_by="config.value", page_size=1).next_page_token
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))[:9] + json.dumps([0, "1", 5, "x"]).encode()
    with pytest.raises(errors.InvalidArgument) as caught:
        page_of(client, parent, order_by="config.value", page_token=base64.urlsafe_b64encode(raw).decode())
    assert caught.value.metadata["field"] == "page_token"


def test_pages_of_heavy_models_stay_within_a_message(experiment: Experiment, parent: Experiment | Project) -> None:
    text = "ü" * 450_000
    made = [experiment.models.create(number, config={"text": text, "n": -number}) for number in range(6)]
    assert list(parent.models.search("config.text like 'ü%'", order_by="config.n desc")) == made


def test_long_keys_make_tokens_that_come_back(
    client: Client, experiment: Experiment, parent: Experiment | Project
) -> None:
    long = [f"{'☃' * 1_020}{number}" for number in range(3)]
    for hash_ in reversed(long):
        experiment.model(hash_, hash_[-256:], config={"text": hash_})
    order = ", ".join(["hash", "config.text", "name"] + ["hash desc"] * 5)
    assert hashes(parent, order_by=order) == long
    token = page_of(client, parent, order_by=order, page_size=1).next_page_token
    assert [model.hash for model in page_of(client, parent, order_by=order, page_token=token).models] == long[1:]


# What is refused, and where.

BAD_FILTERS = [
    ("step >", 7, "a number"),
    ("step >> 3", 7, "a number"),
    ("step = 1 step = 2", 10, "`and`"),
    ("step = 1 and", 13, "a field"),
    ("(step = 1", 10, "`)`"),
    ("step = 1)", 9, "the end"),
    ("step", 5, "`is`"),
    ("= 1", 1, "a field"),
    ("stepp = 1", 1, "a field: name"),
    ("Step = 1", 1, "a field"),
    ("name.x = 1", 6, "no parts"),
    ("name[x] = 1", 5, "`=`"),
    ("config = 1", 1, "config.lr"),
    ("config.a[b] = 1", 10, "phases"),
    ("modules.optimizer = 1", 1, "modules.optimizer.lr"),
    ("metrics.loss > 1", 1, ".last"),
    ("metrics.loss.mean > 1", 14, ".last"),
    ("metrics.loss.last.x > 1", 19, ".last"),
    ("metrics.val/acc.last > 1", 12, "`.`"),
    ("metrics.loss.last = 'a'", 21, "a number"),
    ("metrics.loss.last = true", 21, "a number"),
    ("metrics.loss.last like 'a'", 19, "texts"),
    ("step = 'a'", 8, "a number"),
    ("step > 1e999", 8, "a double"),
    ("name = 1", 8, "a quoted text"),
    ("name = abc", 8, "a quoted text"),
    ("name = 'abc", 8, "not closed"),
    ("name = null", 8, "is null"),
    ("config.a < true", 12, "no order"),
    ("created_at > 'yesterday'", 14, "a time"),
    ("created_at > 5", 14, "a time"),
    ("created_at like '2%'", 12, "texts"),
    ("status = 'done'", 10, "'finished'"),
    ("status < 'lost'", 8, "no order"),
    ("tags != 'a'", 6, "`not` before"),
    ("tags not in ('a')", 10, "`not` before"),
    ("tags > 'a'", 6, "no order"),
    ("name like 'a\\b'", 11, "backslash"),
    ("name like 5", 11, "a quoted text"),
    ("step in ()", 10, "a number"),
    ("step in (1, 2", 14, "`,`"),
    ("ü = 1", 1, "a field"),
    ("name = '☃' or ☃", 15, "a field"),
    ("name = 'a\x00'", 10, "NUL"),
]


@pytest.mark.parametrize(("filter", "column", "fix"), BAD_FILTERS)
def test_bad_filter_is_refused_at_a_column(experiment: Experiment, filter: str, column: int, fix: str) -> None:
    with pytest.raises(errors.InvalidArgument, match=f"column {column}: ") as caught:
        hashes(experiment, filter)
    assert caught.value.metadata["field"] == "filter"
    assert caught.value.metadata["column"] == str(column)
    assert fix in str(caught.value).partition(": ")[2]


NINE_KEYS = (", ".join(["step"] * 9), 49)


@pytest.mark.parametrize(
    ("order_by", "column"),
    [("tags", 1), ("step down", 6), ("step,", 6), ("loss", 1), ("step; name", 5), ("metrics.loss", 1), NINE_KEYS],
)
def test_bad_order_is_refused_at_a_column(experiment: Experiment, order_by: str, column: int) -> None:
    with pytest.raises(errors.InvalidArgument, match=f"column {column}: ") as caught:
        hashes(experiment, order_by=order_by)
    assert caught.value.metadata["field"] == "order_by"


def test_line_is_named_where_there_are_several(experiment: Experiment) -> None:
    with pytest.raises(errors.InvalidArgument, match="line 2, column 5: ") as caught:
        hashes(experiment, "step = 1\nand stepp = 2")
    assert caught.value.metadata["column"] == "14"


PIECES = [
    "step",
    "name",
    "tags",
    "status",
    "config.a",
    "modules.a.b",
    "metrics.a.last",
    "metrics",
    ".",
    "[",
    "]",
    "(",
    ")",
    ",",
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not",
    "like",
    "is",
    "null",
    "and\nor",
    "true",
    "false",
    "asc",
    "desc",
    "1",
    "-1.5e3",
    "1e999",
    "'a'",
    '"b"',
    "'",
    '"',
    "\\",
    ";",
    "$",
    "%",
    "_",
    "☃",
    "is_null",
    ".5",
    'config."a"[b]',
    "created_at",
    "'2026-01-01'",
    "\n",
]


def test_any_text_is_a_filter_or_is_refused(client: Client, experiment: Experiment) -> None:
    chance = random.Random(3)
    for _ in range(FILTERS):
        text = " ".join(chance.choices(PIECES, k=chance.randint(1, 8)))
        for field in ("filter", "order_by"):
            try:
                page_of(client, experiment, **{field: text})
            except errors.InvalidArgument as error:
                assert error.metadata["field"] == field
                assert 1 <= int(error.metadata["column"]) <= len(text) + 1


COMPARISON = "metrics.loss.last > 0.5"


@pytest.mark.parametrize(
    "filter",
    [
        "name = '" + "x" * 16_384 + "'",
        "not " * 5_000 + "step = 1",
        " or ".join([COMPARISON] * 201),
        "(step = 1 and not (step = 2 or " * 70 + "step = 3" + "))" * 70,
    ],
)
def test_filter_that_is_too_large_is_refused(experiment: Experiment, filter: str) -> None:
    with pytest.raises(errors.InvalidArgument, match="at most"):
        hashes(experiment, filter)


@pytest.mark.parametrize(
    "filter",
    [
        " and ".join([COMPARISON] * 200),
        " or ".join([COMPARISON] * 200),
        " or ".join(f"(config.a{number} = 1 and not tags = 'x')" for number in range(100)),
        "not (" * 60 + COMPARISON + ")" * 60,
        "(" * 8_000 + "step = 1" + ")" * 8_000,
        f"step in ({', '.join(['1'] * 5_000)})",
        f"config.a like '{'%a' * 7_000}'",
        f"config.a like '{'%_' * 7_000}b'",
    ],
)
def test_largest_filters_are_answered(experiment: Experiment, filter: str) -> None:
    experiment.model("h", config={"a": "a" * 900})
    hashes(experiment, filter)


HOSTILE = [
    "'; DROP TABLE model; --",
    "' OR '1'='1",
    '" OR "1"="1',
    "%(name)s :name ? $1 {0}",
    "\\'; --",
    "') UNION SELECT hash FROM api_key --",
    "/* */ ; PRAGMA writable_schema=1",
    "%",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_filter_never_reaches_the_database_but_as_a_value(experiment: Experiment, text: str) -> None:
    experiment.model("other", config={"x": 1})
    model = experiment.model(text, text, tags=[text], config={text: text})
    model.modules.log(text, {text: text})
    model.metrics.log(text, 1, phase=text)
    quoted = "'" + text.replace("'", "''") + "'"
    fields = ("name", "hash", "tags", f"config.{quoted}", f"modules.{quoted}.{quoted}")
    for field in fields:
        assert hashes(experiment, f"{field} = {quoted}") == [text]
        assert hashes(experiment, f"not {field} = {quoted}") == ["other"]
    path = f"metrics.{quoted}[{quoted}].max"
    assert hashes(experiment, f"{path} = 1", order_by=f"{path} desc, config.{quoted}") == [text]
    for bare in (f"{text} = 1", f"step = {text}", f"step = 1 {text}", f"config.{text} = 1"):
        with pytest.raises(errors.InvalidArgument):
            hashes(experiment, bare)
    assert len(hashes(experiment)) == 2


# The oracle.


@pytest.fixture(scope="module")
def population(server: Server) -> Iterator[tuple[Project, list[Known]]]:
    """Many models with whatever a model may hold, and what was said about each."""
    client = Client(server.api_key, server.address)
    project = client.project(new_id())
    experiment = project.experiment("e")
    chance = random.Random(20_261_122)
    for number in range(60):
        experiment.models.create(f"{chance.choice('abÄ☃')}-{number}", **own(chance))
    made = [(model, say(chance, model)) for model in experiment.models.list()]
    yield project, [known(Model.get_by_id(model.id, client=client), *said) for model, said in made]
    client.close()


TEXTS = ("a", "b", "B", "aa", "it's", '"', "100%", "a_b", "x\\y", "ü", "☃ 🎉", "", "[a-z]*?", "a\nb", "true", "1")
SCALARS = (*TEXTS, None, True, False, 0, 1, 1.0, -1, 0.5, 1e300, 2**53, 2**53 + 1, 10**30, -0.0)


def own(chance: random.Random) -> dict[str, Any]:
    config: dict[str, Any] = {
        "lr": chance.choice((0.1, 0.01, 0.001, 1)),
        "mixed": chance.choice(SCALARS),
        "net": chance.choice(({"width": chance.choice((8, 16, "wide")), "layers": [1, chance.choice(SCALARS)]}, 5, [])),
        "a.b": chance.choice(SCALARS),
        "a": {"b": chance.choice(SCALARS)},
    }
    names = [text for text in TEXTS if text and text.isprintable()]
    return {
        "name": chance.choice((None, *names)),
        "description": chance.choice((None, *TEXTS)),
        "tags": chance.sample(names, chance.choice((0, 0, 1, 2))),
        "config": {key: value for key, value in config.items() if chance.random() < 0.7},
    }


def say(chance: random.Random, model: Model) -> tuple[dict[str, Any], list[Any]]:
    """Logs modules, points and runs; returns the newest modules and all points."""
    modules: dict[str, Any] = {}
    for _ in range(chance.choice((0, 1, 3))):
        name = chance.choice(("optimizer", "data set"))
        modules[name] = {"lr": chance.choice(SCALARS), "name": chance.choice(TEXTS), "it's": chance.choice(SCALARS)}
        model.modules.log(name, modules[name])
    points: list[Any] = []
    for _ in range(chance.choice((0, 2, 6))):
        name, phase = chance.choice(("loss", "val/acc", "note")), chance.choice((None, "train", "test"))
        value = chance.choice((0, 1, 0.5, -2.5, 7, float("nan"), float("inf"), True, "text"))
        model.metrics.log(name, value, phase=phase)
        points.append((name, phase, value))
    if chance.random() < 0.5:
        model.step = chance.randint(0, 5)
    for fails in chance.choice(((), (), (True,), (False,), (True, False))):
        try:
            with model.run():
                1 / (0 if fails else 1)
        except ZeroDivisionError:
            pass
    return modules, points


def known(model: Model, modules: dict[str, Any], points: list[Any]) -> Known:
    wire = model._wire
    created, updated = (EPOCH + timedelta(microseconds=us) for us in (wire.created_at_us, wire.updated_at_us))
    return Known(
        **{name: getattr(model, name) for name in ("hash", "name", "description", "step", "status", "config")},
        created_at=created,
        updated_at=updated,
        tags=model.tags.list(),
        modules=modules,
        points=points,
    )


def test_random_filters_and_orders_agree_with_python(population: tuple[Project, list[Known]]) -> None:
    """XPSTORE_TEST_FILTERS says how many. Those that find some but not all models are most."""
    project, models = population
    parents = (project, project.experiment("e"))
    telling = 0
    for seed in range(FILTERS):
        writer = Writer(seed, models)
        (filter, holds), (order_by, ordered) = writer.filter(), writer.order()
        expected = [known.hash for known in ordered([known for known in models if holds(known)])]
        found = hashes(parents[seed % 2], filter, order_by)
        assert found == expected, f"seed {seed}: {filter!r}, {order_by!r}"
        telling += 0 < len(expected) < len(models)
    assert telling > FILTERS / 2


# Tables.


def test_table_has_a_row_for_each_model_and_a_column_for_all_that_they_hold(experiment: Experiment) -> None:
    first = experiment.model("a", "first", config={"lr": 0.1, "net": {"width": 8, "layers": [1, 2]}}, tags=["t"])
    first.modules.log("optimizer", {"lr": 1})
    first.modules.log("optimizer", {"lr": 2, "name": "adam"})
    for value in (1.0, 0.5):
        first.metrics.log("loss", value, phase="train")
    first.metrics.log("val/acc", 7)
    first.step = 3
    second = experiment.model("b", config={"lr": 0.2})
    second.metrics.log("note", {"any": "JSON"})
    table = experiment.models.to_pandas("config.lr > 0", order_by="config.lr desc")
    assert list(table.columns) == [
        *("id", "hash", "name", "step", "status", "created_at", "tags"),
        *("config.lr", "config.net.width", "config.net.layers"),
        *("modules.optimizer.lr", "modules.optimizer.name"),
        *("metrics.note", "metrics.loss[train]", "metrics.val/acc"),
    ]
    assert list(table["hash"]) == ["b", "a"]
    row = table.iloc[1]
    assert (row["id"], row["name"], row["step"], row["status"], row["tags"]) == (first.id, "first", 3, None, ["t"])
    assert row["created_at"].to_pydatetime() == first.created_at
    assert (row["config.net.width"], row["config.net.layers"]) == (8, [1, 2])
    assert (row["modules.optimizer.lr"], row["modules.optimizer.name"]) == (2, "adam")
    assert (row["metrics.loss[train]"], row["metrics.val/acc"]) == (0.5, 7)
    assert table.iloc[0]["metrics.note"] == {"any": "JSON"}
    assert table.isna().iloc[0]["metrics.val/acc"]


def test_table_of_no_models_has_its_columns(experiment: Experiment) -> None:
    table = experiment.models.to_pandas()
    assert len(table) == 0 and list(table.columns)[:2] == ["id", "hash"]


def test_table_asks_for_many_models_at_once(
    client: Client, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(120):
        experiment.model(number, config={"n": number})
    calls: list[Any] = []
    call: Callable[..., Any] = client.call

    def counted(method: Any, request: Any, **options: Any) -> Any:
        calls.append(request)
        return call(method, request, **options)

    monkeypatch.setattr(client, "call", counted)
    assert len(experiment.models.to_pandas(limit=110)) == 110
    assert len(calls) <= 10


def test_table_without_pandas_says_what_is_missing(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        experiment.models.to_pandas()
