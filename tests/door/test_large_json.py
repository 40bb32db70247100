"""JSON of up to a megabyte is judged as small JSON is, and holds up nobody meanwhile."""

import gc
import json
import threading
from collections.abc import Callable

import pytest

from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.project import Project
from xpstore.v1 import model_pb2
from xpstore_server import json_text

FILLER = '"filler": [' + ",".join(["1.5", '"text"', "null", "[]", "{}"] * 6_000) + "], "
BAD: dict[str, tuple[Callable[[str], str], str]] = {
    "no object": (lambda body: f"[{{{body}}}]", "must be a JSON object"),
    "cut": (lambda body: "{" + body, "must be JSON"),
    "NaN": (lambda body: "{" + body + ', "x": NaN}', "NaN is no JSON"),
    "a long integer": (lambda body: "{" + body + f', "x": -{"9" * 4_301}}}', "write it as a string"),
    "NUL": (lambda body: "{" + body + ', "x": "\\u0000"}', "must not contain NUL"),
    "too deep": (lambda body: "{" + body + ', "x": ' + "[" * 50_000 + "]" * 50_000 + "}", "must be JSON"),
}


def create(client: Client, project: Project, config_json: str) -> model_pb2.CreateModelResponse:
    request = model_pb2.CreateModelRequest(
        experiment_id=str(project.experiment("e").id), model_id=new_id(), hash=new_id(), config_json=config_json
    )
    return client.call(client.stubs.models.CreateModel, request)


@pytest.mark.client
@pytest.mark.parametrize("filler", ["", FILLER], ids=["small", "large"])
def test_large_is_judged_as_small(client: Client, project: Project, filler: str) -> None:
    body = filler + f'"number": {"9" * 4_300}, "text": "{"9" * 5_000}", "float": {"1" * 5_000}.5, "lr": 0.5'
    sound = "{" + body + "}"
    made = create(client, project, sound).model
    assert made.config_json == sound
    assert project.experiment("e").model(made.hash).config["number"] == 10**4_300 - 1
    assert [model.config["lr"] for model in project.experiment("e").models.search("config.lr = 0.5")] == [0.5]
    for spoil, told in BAD.values():
        with pytest.raises(errors.InvalidArgument, match=told) as caught:
            create(client, project, spoil(body))
        assert caught.value.metadata["field"] == "config_json"


def test_others_run_while_large_json_is_read() -> None:
    """Counted: a thread beside it has many turns, where it had none but the first before."""
    text = json.dumps({"numbers": [1.5, 2] * 100_000})
    turns, stopped = [0], threading.Event()

    def count() -> None:
        while not stopped.wait(0.0001):
            turns[0] += 1

    beside = threading.Thread(target=count)
    beside.start()
    try:
        before = turns[0]
        for _ in range(5):
            assert json_text.check(text)
        assert turns[0] - before >= 5
        assert json_text.loads(text)["numbers"][:2] == [1.5, 2.0] and gc.isenabled()
    finally:
        stopped.set()
        beside.join()
