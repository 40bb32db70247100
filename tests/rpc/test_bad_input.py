"""Bad input to every RPC but those of artifacts: the right typed error, the field, and nothing changed."""

import math
from collections.abc import Iterator
from typing import Any

import pytest

from support.hostility.sound_requests import POINT, REQUESTS, Ids, call, make
from support.media import put_medium
from support.raw import Raw
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.project import Project
from xpstore.v1 import metric_pb2, model_pb2, project_pb2, run_pb2

pytestmark = pytest.mark.client  # nearly all of it is refused before a database is asked

UNKNOWN = Ids(**{kind: "6f1c2b9e-4d1f-4c55-9a57-3d8f0d3c2a11" for kind in Ids.__slots__})
BAD_ID = ["", "nonsense", "6f1c2b9e4d1f4c559a573d8f0d3c2a11", "\x00", "a" * 5_000]
BAD_NAME = ["", "x" * 257, "a\x00b", "a\nb", "a\x7fb"]
BAD_HASH = ["", "x" * 1_025, "a\x00b", "a\nb"]
BAD_TEXT = ["x" * 16_385, "a\x00b"]
BAD_JSON = ['{"a": ', '{"a": NaN}', '{"a": "\\u0000"}', '{"a":' * 100_000, '{"a": "' + "x" * (1 << 20) + '"}']
BAD_OBJECT = ["[]", "5", *BAD_JSON]
BAD_STEP = [-1, (1 << 62) + 1]
BAD_SIZE = [-1, -(1 << 31)]
BAD_TOKEN = ["nonsense", "AAAAAAAAAAAAAAAA", "%%%", "\x00", "A" * 100_000]
BAD_PATHS: list[list[str]] = [[], ["created_at_us"], [""]]
BAD: dict[str, dict[str, list[Any]]] = {
    "projects.CreateProject": {
        "project_id": BAD_NAME,
        "name": BAD_NAME,
        "description": BAD_TEXT,
        "creation_id": BAD_ID,
    },
    "projects.GetProject": {"project_uid": BAD_ID, "project_id": BAD_NAME},
    "projects.ListProjects": {"page_size": BAD_SIZE, "page_token": BAD_TOKEN},
    "projects.UpdateProject": {
        "project_uid": BAD_ID,
        "name": BAD_NAME,
        "description": BAD_TEXT,
        "update_mask": BAD_PATHS,
    },
    "projects.DeleteProject": {"project_uid": BAD_ID},
    "projects.UndeleteProject": {"project_uid": BAD_ID},
    "experiments.CreateExperiment": {"project_uid": BAD_ID, "experiment_id": BAD_ID, "name": BAD_NAME},
    "experiments.GetExperiment": {"experiment_id": BAD_ID},
    "experiments.GetExperiment/name": {"experiment_name.project_uid": BAD_ID, "experiment_name.name": BAD_NAME},
    "experiments.ListExperiments": {"project_uid": BAD_ID, "page_size": BAD_SIZE, "page_token": BAD_TOKEN},
    "experiments.UpdateExperiment": {"experiment_id": BAD_ID, "name": BAD_NAME, "update_mask": BAD_PATHS},
    "experiments.DeleteExperiment": {"experiment_id": BAD_ID},
    "experiments.UndeleteExperiment": {"experiment_id": BAD_ID},
    "models.CreateModel": {
        "experiment_id": BAD_ID,
        "model_id": BAD_ID,
        "hash": BAD_HASH,
        "name": BAD_NAME,
        "description": BAD_TEXT,
        "config_json": BAD_OBJECT,
        "tags": [["x"] * 1_001],
        "tags[0]": BAD_NAME,
    },
    "models.CreateModels": {
        "experiment_id": BAD_ID,
        "models[0].model_id": BAD_ID,
        "models[0].hash": BAD_HASH,
        "models[0].name": BAD_NAME,
        "models[0].description": BAD_TEXT,
        "models[0].config_json": BAD_OBJECT,
        "models[0].tags": [["x"] * 1_001],
        "models[0].tags[0]": BAD_NAME,
        "models[0].modules[0].module_id": BAD_ID,
        "models[0].modules[0].name": BAD_NAME,
        "models[0].modules[0].attributes_json": BAD_OBJECT,
        "models[0].series[0].name": BAD_NAME,
        "models[0].series[0].phase": BAD_NAME,
    },
    "models.GetModel": {"model_id": BAD_ID},
    "models.GetModel/hash": {"model_hash.experiment_id": BAD_ID, "model_hash.hash": BAD_HASH},
    "models.ListModels": {"experiment_id": BAD_ID, "page_size": BAD_SIZE, "page_token": BAD_TOKEN},
    "models.ListModels/project": {"project_uid": BAD_ID[1:], "page_size": BAD_SIZE, "page_token": BAD_TOKEN},
    "models.SearchModels": {
        "experiment_id": BAD_ID,
        "filter": ["step", "name = 'a\x00'", "x" * 20_000],
        "order_by": ["tags", "step,", "x" * 20_000],
        "page_size": BAD_SIZE,
        "page_token": BAD_TOKEN,
    },
    "models.SearchModels/project": {"project_uid": BAD_ID},
    "models.UpdateModel": {
        "model_id": BAD_ID,
        "name": BAD_NAME,
        "description": BAD_TEXT,
        "step": BAD_STEP,
        "update_mask": BAD_PATHS,
    },
    "models.AdvanceModel": {
        "model_id": BAD_ID,
        "advance_id": BAD_ID,
        "delta": [-8, (1 << 63) - 1],
    },
    "models.RewindModel": {"model_id": BAD_ID, "step": BAD_STEP},
    "models.UpdateModelTags": {
        "model_id": BAD_ID,
        "add[0]": BAD_NAME,
        "remove[0]": BAD_NAME,
        "remove": [["x"] * 1_001, ["b"]],
    },
    "models.DeleteModel": {"model_id": BAD_ID},
    "models.UndeleteModel": {"model_id": BAD_ID},
    "models.CreateModule": {
        "model_id": BAD_ID,
        "iteration_id": BAD_ID,
        "module_id": BAD_ID,
        "name": BAD_NAME,
        "attributes_json": BAD_OBJECT,
    },
    "models.ListModules": {
        "model_id": BAD_ID,
        "iteration_id": BAD_ID,
        "page_size": BAD_SIZE,
        "page_token": BAD_TOKEN,
    },
    "models.ListNewestModules": {
        "model_ids[0]": BAD_ID,
        "model_ids": [["6f1c2b9e-4d1f-4c55-9a57-3d8f0d3c2a11"] * 1_001],
        "page_size": BAD_SIZE,
        "page_token": BAD_TOKEN,
    },
    "models.DeleteModule": {"module_id": BAD_ID},
    "models.ClearModules": {"model_id": BAD_ID, "iteration_id": BAD_ID},
    "iterations.CreateIteration": {"model_id": BAD_ID, "iteration_id": BAD_ID, "step": BAD_STEP},
    "iterations.GetIteration": {"iteration_id": BAD_ID},
    "iterations.GetIteration/step": {"iteration_step.model_id": BAD_ID, "iteration_step.step": BAD_STEP},
    "iterations.ListIterations": {"model_id": BAD_ID, "page_size": BAD_SIZE, "page_token": BAD_TOKEN},
    "iterations.DeleteIteration": {"iteration_id": BAD_ID},
    "iterations.ClearIterations": {"model_id": BAD_ID},
    "media.ListMediaNames": {"model_id": BAD_ID, "page_size": BAD_SIZE, "page_token": BAD_TOKEN},
    "media.ListMedia": {
        "model_id": BAD_ID,
        "names[0]": [*BAD_NAME, "x" * 214],
        "from_step": BAD_STEP,
        "to_step": BAD_STEP,
        "page_size": BAD_SIZE,
        "page_token": BAD_TOKEN,
    },
    "metrics.LogMetrics": {
        "model_id": BAD_ID,
        "writer_id": BAD_ID,
        "first_point": BAD_STEP,
        "points": [[POINT] * 10_001],
        "points[0].name": BAD_NAME,
        "points[0].json_value": [*BAD_JSON, "", "NaN"],
        "points[0].step": BAD_STEP,
        "points[0].phase": BAD_NAME,
        "points[0].time_us": [-1, 1 << 62],
    },
    "metrics.ListMetrics": {"model_id": BAD_ID, "name": BAD_NAME, "page_size": BAD_SIZE, "page_token": BAD_TOKEN},
    "metrics.GetLastMetric": {"model_id": BAD_ID, "name": BAD_NAME, "phase": BAD_NAME},
    "metrics.DeleteMetric": {"model_id": BAD_ID, "metric_id": BAD_ID},
    "metrics.ClearMetrics": {"model_id": BAD_ID},
    "runs.CreateRun": {
        "model_id": BAD_ID,
        "run_id": BAD_ID,
        "environment.rank": [-1],
        "environment.host": BAD_TEXT,
        "environment.user": BAD_TEXT,
        "environment.command": BAD_TEXT,
        "environment.python": BAD_TEXT,
        "environment.packages_json": BAD_OBJECT,
        "environment.git_commit": ["abc", "g" * 40, "A" * 40, "a" * 65],
        "environment.git_diff": ["x" * ((256 << 10) + 1), "a\x00"],
        "environment.job_json": BAD_OBJECT,
    },
    "alerts.ListAlerts": {"model_id": BAD_ID, "page_size": BAD_SIZE, "page_token": BAD_TOKEN},
    "alerts.ListAlerts/project": {"project_uid": BAD_ID, "page_size": BAD_SIZE, "page_token": BAD_TOKEN},
    "runs.GetRun": {"run_id": BAD_ID},
    "runs.ListRuns": {"model_id": BAD_ID, "page_size": BAD_SIZE, "page_token": BAD_TOKEN},
    "runs.HeartbeatRun": {"run_id": BAD_ID},
    "runs.ReadConsole": {"run_id": BAD_ID, "offset": BAD_STEP, "max_bytes": BAD_SIZE},
    "runs.FinishRun": {
        "run_id": BAD_ID,
        "error": BAD_TEXT,
        "status": [0, run_pb2.RUN_STATUS_RUNNING, run_pb2.RUN_STATUS_LOST, 9],
    },
}
CASES = [pytest.param(rpc, field, id=f"{rpc}-{field}") for rpc, fields in BAD.items() for field in fields]
ONE_OF_KEYS = {
    "projects.GetProject": "key",
    "experiments.GetExperiment": "key",
    "models.GetModel": "key",
    "iterations.GetIteration": "key",
    "models.SearchModels": "scope",
    "alerts.ListAlerts": "scope",
    "models.CreateModule": "parent",
    "models.ListModules": "parent",
    "models.ClearModules": "parent",
}
# These answer that there was nothing to do.
FORGIVING = ("Delete", "Clear", "Newest")


@pytest.fixture(scope="module")
def world() -> dict[str, Any]:
    """What `ids` made for the first test of a module and backend."""
    return {}


@pytest.fixture
def ids(client: Client, world: dict[str, Any], server: Any) -> Ids:
    if server.address not in world:
        world[server.address] = make(client.project(f"bad input {new_id()}"))
    return world[server.address]  # type: ignore[no-any-return]


def snapshot(client: Client, ids: Ids) -> Iterator[Any]:
    """All there is of the project, and how many projects there are."""
    yield len(call(client, "projects.ListProjects", project_pb2.ListProjectsRequest(page_size=1_000)).projects)
    for rpc, request in REQUESTS.items():
        if (".List" in rpc and "Projects" not in rpc) or rpc in ("projects.GetProject", "models.GetModel"):
            yield call(client, rpc, request(ids))
    yield call(client, "models.ListModules", model_pb2.ListModulesRequest(model_id=ids.model))


def put(request: Any, field: str, value: Any) -> None:
    """Sets a field by its path, as an error names it."""
    *parents, last = field.split(".")
    for parent in parents:
        name, _, index = parent.rstrip("]").partition("[")
        request = getattr(request, name)[int(index)] if index else getattr(request, name)
    name, is_item, _ = last.partition("[")
    if name == "update_mask":
        request.update_mask.paths[:] = value
    elif is_item:
        getattr(request, name)[:] = [value]
    elif isinstance(value, list):
        request.ClearField(name)
        getattr(request, name).extend(value)
    else:
        setattr(request, name, value)


def test_every_request_is_sound_as_it_is(client: Client, ids: Ids) -> None:
    for rpc, request in REQUESTS.items():
        if not any(word in rpc for word in ("Delete", "Clear", "Undelete", "CreateProject")):
            call(client, rpc, request(make(client.project(f"sound {new_id()}"))))


@pytest.mark.parametrize(("rpc", "field"), CASES)
@pytest.mark.client
def test_malformed_field_is_named_and_changes_nothing(client: Client, ids: Ids, rpc: str, field: str) -> None:
    before = list(snapshot(client, ids))
    for value in BAD[rpc][field]:
        request = REQUESTS[rpc](ids)
        put(request, field, value)
        with pytest.raises(errors.InvalidArgument) as caught:
            call(client, rpc, request)
        assert caught.value.reason == "INVALID_ARGUMENT"
        assert caught.value.metadata["field"] == field
        assert len(caught.value.metadata["value"]) < 200
        assert field in str(caught.value)
        assert caught.value.request_id
    assert list(snapshot(client, ids)) == before


@pytest.mark.parametrize("rpc", ONE_OF_KEYS)
@pytest.mark.client
def test_missing_key_is_named(client: Client, ids: Ids, rpc: str) -> None:
    request = REQUESTS[rpc](ids)
    request.ClearField(request.WhichOneof(ONE_OF_KEYS[rpc]))
    with pytest.raises(errors.InvalidArgument) as caught:
        call(client, rpc, request)
    assert caught.value.metadata["field"] == ONE_OF_KEYS[rpc]


@pytest.mark.client
def test_point_without_a_value_is_named(client: Client, ids: Ids) -> None:
    request = REQUESTS["metrics.LogMetrics"](ids)
    request.points.append(metric_pb2.MetricPoint(name="loss"))
    with pytest.raises(errors.InvalidArgument) as caught:
        call(client, "metrics.LogMetrics", request)
    assert caught.value.metadata["field"] == "points[1].value"


NEEDY = [rpc for rpc in REQUESTS if rpc not in ("projects.CreateProject", "projects.ListProjects")]


@pytest.mark.parametrize("rpc", NEEDY)
def test_what_is_unknown_is_not_found(client: Client, ids: Ids, rpc: str) -> None:
    before = list(snapshot(client, ids))
    check_missing(client, rpc, UNKNOWN)
    assert list(snapshot(client, ids)) == before


def test_what_is_in_a_deleted_project_is_not_found_and_unchanged(client: Client) -> None:
    project = client.project(f"deleted {new_id()}")
    ids = make(project)
    before = list(snapshot(client, ids))[1:]
    project.delete()
    for rpc in NEEDY:
        if "Undelete" not in rpc:
            check_missing(client, rpc, ids)
    Project.undelete(ids.project, client=client)
    after = list(snapshot(client, ids))[1:]
    assert after[0].project.updated_at_us > before[0].project.updated_at_us
    assert after[1:] == before[1:]


def check_missing(client: Client, rpc: str, ids: Ids) -> None:
    if "Undelete" not in rpc and any(word in rpc for word in FORGIVING):
        answer = call(client, rpc, REQUESTS[rpc](ids))
        assert not getattr(answer, "deleted", False)
        assert not getattr(answer, "deleted_count", 0)
        return
    with pytest.raises(errors.NotFound) as caught:
        call(client, rpc, REQUESTS[rpc](ids))
    assert caught.value.metadata["resource"] in Ids.__slots__
    assert caught.value.metadata["value"]


LISTS = [rpc for rpc in REQUESTS if ".List" in rpc]


@pytest.mark.parametrize("rpc", LISTS)
def test_token_of_another_list_is_refused(client: Client, rpc: str) -> None:
    one, other = make_long(client), make_long(client)
    for source in LISTS:
        request = REQUESTS[source](one)
        request.page_size = 1
        token = call(client, source, request).next_page_token
        assert token
        request = REQUESTS[rpc](one if source != rpc else other)
        request.page_token = token
        if source == rpc == "projects.ListProjects":
            continue
        with pytest.raises(errors.InvalidArgument) as caught:
            call(client, rpc, request)
        assert caught.value.metadata["field"] == "page_token"


def make_long(client: Client) -> Ids:
    """Two of everything that is listed."""
    project = client.project(f"long {new_id()}")
    ids = make(project)
    experiment = project.experiment("e2") and project.experiment("e")
    model = experiment.model("h2") and experiment.model("h")
    model.metrics.log("loss", 2)
    for name in ("one", "other"):
        model.metrics.log(name, math.nan)  # an alert of each
    model.modules.log("another")
    iteration = model.iterations.create(6) and model.iterations.create(5)
    for _ in range(2):
        iteration.modules.log("optimizer")
    call(client, "runs.CreateRun", REQUESTS["runs.CreateRun"](ids))
    for name in ("samples", "more"):
        for step in (1, 2):
            put_medium(Raw(client, ids.project), ids.model, name, step)
    return ids


@pytest.mark.parametrize("rpc", LISTS)
@pytest.mark.client
def test_page_is_never_larger_than_the_limit(client: Client, ids: Ids, rpc: str) -> None:
    request = REQUESTS[rpc](ids)
    request.page_size = 2**31 - 1
    call(client, rpc, request)
