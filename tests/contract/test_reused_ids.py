"""Each creating method three ways: a new id, the same again, and the same id with other content."""

from collections.abc import Callable
from typing import Any

import pytest

from support.contract.plain_client import PlainClient, PlainError, new_id
from support.raw_cache import new_fingerprint

Fields = dict[str, Any]


class Place:
    """A project with one thing of each kind, and another of the same."""

    def __init__(self, client: PlainClient) -> None:
        self.client = client
        self.project, self.experiment, self.model = self._make()
        self.other_project, self.other_experiment, self.other_model = self._make()

    def _make(self) -> tuple[str, str, str]:
        uid = self.client("CreateProject", project_id=f"p {new_id()}", name="p", creation_id=new_id()).project.uid
        experiment = self.client("CreateExperiment", project_uid=uid, experiment_id=new_id(), name="e").experiment.id
        model = self.client("CreateModel", experiment_id=experiment, model_id=new_id(), hash="h").model.id
        return uid, experiment, model


@pytest.fixture
def place(plain: PlainClient) -> Place:
    return Place(plain)


# The id, and a sound request; each change that makes it another.
CREATIONS: dict[str, tuple[str, Callable[[Place], Fields], Callable[[Place], list[Fields]]]] = {
    "CreateProject": (
        "creation_id",
        lambda place: {"project_id": f"new {new_id()}", "name": "n", "description": "d", "tags": ["a", "b"]},
        lambda place: [
            {"project_id": f"other {new_id()}"},
            {"name": "other"},
            {"description": "other"},
            {"tags": ["b", "a"]},
        ],
    ),
    "CreateExperiment": (
        "experiment_id",
        lambda place: {"project_uid": place.project, "name": f"e {new_id()}", "description": "d", "tags": ["a"]},
        lambda place: [
            {"project_uid": place.other_project},
            {"name": "other"},
            {"description": ""},
            {"tags": []},
            {"name": "other", "allow_existing": True},
        ],
    ),
    "CreateModel": (
        "model_id",
        lambda place: {
            "experiment_id": place.experiment,
            "hash": f"h {new_id()}",
            "name": "n",
            "description": "d",
            "config_json": '{"lr": 0.1}',
            "tags": ["a"],
            "created_at_us": 7,
        },
        lambda place: [
            {"experiment_id": place.other_experiment},
            {"hash": "other"},
            {"name": "other"},
            {"description": "other"},
            {"config_json": '{"lr": 0.2}'},
            {"tags": ["a", "b"]},
            {"created_at_us": 8},
            {"hash": "other", "allow_existing": True},
        ],
    ),
    "CreateRun": (
        "run_id",
        lambda place: {
            "model_id": place.model,
            "environment": {"host": "here", "rank": 1, "packages_json": '{"a": "1"}'},
            "started_at_us": 5,
        },
        lambda place: [
            {"model_id": place.other_model},
            {"environment": {"host": "there", "rank": 1, "packages_json": '{"a": "1"}'}},
            {"environment": {"host": "here", "packages_json": '{"a": "1"}'}},
            {"started_at_us": 6},
        ],
    ),
    "CreateModule": (
        "module_id",
        lambda place: {"model_id": place.model, "name": "m", "attributes_json": '{"a": 1}'},
        lambda place: [{"model_id": place.other_model}, {"name": "other"}, {"attributes_json": '{"a": 2}'}],
    ),
    "CreateIteration": (
        "iteration_id",
        lambda place: {"model_id": place.model, "step": 1},
        # Step 2 has an iteration: the id is not of that one.
        lambda place: [{"model_id": place.other_model}, {"step": 2}, {"step": 3}],
    ),
    "ReportCacheVerification": (
        "id",
        lambda place: {"project_uid": place.project, "fingerprint": new_fingerprint(), "outcome": 1},
        lambda place: [{"project_uid": place.other_project}, {"outcome": 2}],
    ),
    "AdvanceModel": (
        "advance_id",
        lambda place: {"model_id": place.model, "delta": 3},
        lambda place: [{"model_id": place.other_model}, {"delta": 4}],
    ),
}


def test_table_has_all_that_create(plain: PlainClient) -> None:
    creating = {name for name in plain.methods if name.startswith(("Create", "Report", "Advance"))}
    assert creating - {"CreateModels"} == set(CREATIONS)  # of many ids: rpc/test_whole_models.py has it


@pytest.mark.parametrize("method", CREATIONS)
def test_id_stands_for_one_content(place: Place, method: str) -> None:
    field, sound, changes = CREATIONS[method]
    call, fields = place.client, {field: new_id(), **sound(place)}
    call("CreateIteration", model_id=place.model, iteration_id=new_id(), step=2)
    first = call(method, **fields)
    assert call(method, **fields) == first
    for change in changes(place):
        with pytest.raises(PlainError) as caught:
            call(method, **{**fields, **change})
        assert (caught.value.reason, caught.value.metadata["field"]) == ("ALREADY_EXISTS", field), change
    assert call(method, **fields) == first
    again = call(method, **{**fields, field: new_id(), **_free(method)})
    assert again != first or method == "ReportCacheVerification"  # which answers nothing


def _free(method: str) -> Fields:
    """What else must be new for another one."""
    names = {"CreateProject": "project_id", "CreateExperiment": "name", "CreateModel": "hash"}
    if method in names:
        return {names[method]: f"fresh {new_id()}"}
    return {"step": 9} if method == "CreateIteration" else {}


def test_what_was_changed_since_is_answered_as_it_is_now(place: Place) -> None:
    call, fields = place.client, {"experiment_id": new_id(), "project_uid": place.project, "name": "first"}
    made = call("CreateExperiment", **fields).experiment
    call("UpdateExperiment", experiment_id=made.id, name="second", tags=["t"], update_mask={"paths": ["name", "tags"]})
    again = call("CreateExperiment", **fields).experiment
    assert (again.id, again.name, list(again.tags)) == (made.id, "second", ["t"])


def test_creation_of_another_key_is_not_answered(place: Place, plain: PlainClient, server: Any) -> None:
    from support.contract.methods import ROOT
    from support.greedy.keys import new_key

    fields = {"project_id": f"mine {new_id()}", "name": "n", "creation_id": new_id()}
    plain("CreateProject", **fields)
    image = (ROOT / "proto" / "xpstore.binpb").read_bytes()
    with PlainClient(image, server.address, new_key(server)) as other, pytest.raises(PlainError) as caught:
        other("CreateProject", **fields)
    assert caught.value.reason == "ALREADY_EXISTS"
