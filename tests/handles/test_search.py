"""Search: what filters mean."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.search.oracle import EPOCH
from support.search.searching import hashes
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.experiment import Experiment
from xpstore.project import Project
from xpstore.v1 import model_pb2 as pb


@pytest.fixture
def experiment(project: Project) -> Experiment:
    return project.experiment("e")


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


def test_field_that_no_model_has_is_told_once(experiment: Experiment, caplog: pytest.LogCaptureFixture) -> None:
    assert list(experiment.models.search("metrics.acuracy.max > 0.1")) == [] and caplog.text == ""  # no models at all
    model = experiment.model("h", config={"lr": 0.1, "metrics.x": 1})
    model.metrics.log("accuracy", 0.9, phase="test")
    for _ in range(3):
        assert list(experiment.models.search("metrics.acuracy.max > 0.1 or config.'lr ' = 5 or config.lr > 5")) == []
    assert [record.getMessage() for record in caplog.records] == [
        "No model here has a value of metrics.acuracy.max: did you mean 'metrics.accuracy'?",
        "No model here has a value of config.'lr ': did you mean 'config.lr'?",
    ]
    caplog.clear()
    for filter in ("metrics.accuracy[test].max > 1", "name = 'config.no.such'", 'config."metrics.x" > 1', "step > 5"):
        assert list(experiment.models.search(filter)) == []
    assert list(experiment.models.search("metrics.other.max is null")) == [model]
    assert list(experiment.models.search("config.other = 1", limit=0)) == []
    assert caplog.text == ""
