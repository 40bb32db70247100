"""What is of a project that the caller may not see is as what does not exist, in every field of every method."""

import json
import os
import secrets
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from support.backends import Backend
from support.contract.methods import ROOT, Method, methods
from support.contract.plain_client import PlainClient, PlainError, new_id
from support.contract.requests import id_paths, request_of
from support.contract.roled_server import ROLES
from support.greedy.keys import new_key
from support.services import Server
from xpstore_server.app import Stores
from xpstore_server.core.roles.acting import Role
from xpstore_server.settings import load
from xpstore_server.store.sweep import NO_GRACE

EVERY = [(method, path) for method in methods() for path in id_paths(method)]
# What brings deleted things back finds them, for those who may.
BRING_BACK = ("UndeleteProject", "UndeleteArtifactVersion")


class Roled:
    """A server whose keys have roles, the admin and somebody who has a role in one project alone."""

    def __init__(self, backend: Backend, folder: Path) -> None:
        self._file = folder / "roles.json"
        self.roles: dict[str, dict[str, int]] = {}
        self.save()
        path = os.pathsep.join(filter(None, sys.path))
        environment = {ROLES: str(self._file), "PYTHONPATH": path}
        self.server = Server(backend.database_url, backend.blob_url, folder, environment=environment)
        self.server.module = "support.contract.roled_server"
        self.image = (ROOT / "proto" / "xpstore.binpb").read_bytes()

    def save(self) -> None:
        """Has the server know the roles."""
        new = self._file.with_suffix(f".{secrets.token_hex(4)}")
        new.write_text(json.dumps(self.roles))
        new.replace(self._file)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller sees, the id that was asked for replaced."""

    code: str
    text: str
    details: bytes
    responses: tuple[bytes, ...]


@pytest.fixture(scope="module")
def roled(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Roled]:
    roled = Roled(backend, tmp_path_factory.mktemp("roled"))
    with roled.server:
        yield roled


@pytest.fixture(scope="module")
def admin(roled: Roled) -> Iterator[PlainClient]:
    with PlainClient(roled.image, roled.server.address, roled.server.api_key) as client:
        yield client


@pytest.fixture(scope="module")
def key(roled: Roled) -> str:
    return new_key(roled.server)


@pytest.fixture(scope="module")
def somebody(roled: Roled, key: str) -> Iterator[PlainClient]:
    with PlainClient(roled.image, roled.server.address, key) as client:
        yield client


@pytest.fixture(scope="module")
def name(somebody: PlainClient) -> str:
    """What the server calls somebody, who has a role everywhere until another is said."""
    made = somebody("CreateProject", project_id=f"p {uuid.uuid4()}", name="p", creation_id=new_id()).project
    return str(made.created_by)


def make_place(client: PlainClient) -> dict[str, str]:
    """A project with a thing of each kind; their ids by the names that requests have for them."""
    text_id = f"p {uuid.uuid4()}"
    uid = client("CreateProject", project_id=text_id, name="p", creation_id=new_id()).project.uid
    experiment = client("CreateExperiment", project_uid=uid, experiment_id=new_id(), name="loss").experiment.id
    model = client("CreateModel", experiment_id=experiment, model_id=new_id(), hash="h").model.id
    iteration = client("CreateIteration", model_id=model, iteration_id=new_id(), step=0).iteration.id
    points = [{"name": "loss", "int_value": 1}]
    client("LogMetrics", model_id=model, writer_id=new_id(), points=points)
    version = client.publish(uid, "loss", {"file.bin": b"data"}, aliases=["best"])
    upload = new_id()
    messages = client.file_messages(uid, "up", "file.bin", b"data", finish=False, upload_id=upload)
    with pytest.raises(PlainError):
        client("UploadFile", messages)
    reserved = {"project_uid": uid, "fingerprint": "b" * 64, "token": os.urandom(16)}
    return {
        "project_uid": uid,
        "project_id": text_id,
        "experiment_id": experiment,
        "model_id": model,
        "model_ids": model,
        "iteration_id": iteration,
        "module_id": client("CreateModule", model_id=model, module_id=new_id(), name="m").module.id,
        "run_id": client("CreateRun", model_id=model, run_id=new_id()).run.id,
        "metric_id": client("ListMetrics", model_id=model).metrics[0].id,
        "version_id": version.id,
        "newest_version_id": version.id,
        "used_version_ids": version.id,
        "artifact_id": version.artifact_id,
        "upload_id": upload,
        "lease_id": client("ReserveCacheEntry", **reserved).granted.id,
    }


def seen(client: PlainClient, place: dict[str, str]) -> list[Any]:
    """What there is in a place."""
    uid, model = place["project_uid"], place["model_id"]
    return [
        client("GetProject", project_uid=uid),
        client("ListExperiments", project_uid=uid),
        client("GetModel", model_id=model),
        client("ListIterations", model_id=model),
        client("ListModules", model_id=model),
        client("ListRuns", model_id=model),
        client("ListMetrics", model_id=model),
        client("ListArtifactVersions", project_uid=uid),
    ]


def ask(roled: Roled, key: str, method: Method, request: Any, asked: str) -> Answer:
    """Makes a call as raw as it is answered."""
    descriptor = method.descriptor
    how: Any = {"request_serializer": bytes, "response_deserializer": bytes}
    options: Any = {"metadata": [("authorization", f"Bearer {key}")], "timeout": 30}
    with grpc.insecure_channel(roled.server.address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        raw = request.SerializeToString()
        kind = f"{'stream' if _streams(method) else 'unary'}_{'stream' if _streams(method, True) else 'unary'}"
        call: Any = getattr(channel, kind)(method.path, **how)
        sent = iter([raw, *_end(method)]) if _streams(method) else raw
        try:
            answer = call(sent, **options)
            responses = tuple(answer) if _streams(method, True) else (answer,)
        except grpc.RpcError as error:
            failed: Any = error
            return Answer(failed.code().name, _blank(failed.details(), asked), _details(failed, asked), ())
    assert descriptor.name
    return Answer("OK", "", b"", tuple(one.replace(asked.encode(), b"ID") for one in responses))


def _end(method: Method) -> list[bytes]:
    """What follows the first message of a stream."""
    return [method.request(finish=True).SerializeToString()] if method.descriptor.name == "UploadFile" else []


def _streams(method: Method, is_response: bool = False) -> bool:
    from google.protobuf.descriptor_pb2 import ServiceDescriptorProto

    wire = ServiceDescriptorProto()
    method.descriptor.containing_service.CopyToProto(wire)
    one = next(one for one in wire.method if one.name == method.descriptor.name)
    return one.server_streaming if is_response else one.client_streaming


def _blank(text: str, asked: str) -> str:
    return text.replace(asked, "ID")


def _details(error: Any, asked: str) -> bytes:
    """The details of an error without its request's own id."""
    status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    found = b""
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            del info.metadata["request_id"]
            found += info.SerializeToString(deterministic=True)
        else:
            found += detail.SerializeToString(deterministic=True)
    return found.replace(asked.encode(), b"ID")


def test_every_id_of_a_foreign_project_is_as_one_that_is_not_there(
    roled: Roled, admin: PlainClient, key: str, name: str
) -> None:
    own, foreign, gone = make_place(admin), make_place(admin), make_place(admin)
    admin("DeleteProject", project_uid=gone["project_uid"])
    roled.roles[name] = {own["project_uid"]: Role.OWNER, gone["project_uid"]: Role.OWNER}
    roled.save()
    before, differ = seen(admin, foreign), list[str]()
    for method, path in EVERY:
        field = path.rpartition(".")[2]
        unknown = f"p {uuid.uuid4()}" if field == "project_id" else new_id()
        expected = ask(roled, key, method, request_of(method, own, path, unknown), unknown)
        assert "INVALID_ARGUMENT" not in expected.code, (method.name, path, expected.text)
        for place in (foreign, *(() if method.descriptor.name in BRING_BACK else (gone,))):
            if field in place:
                answer = ask(roled, key, method, request_of(method, own, path, place[field]), place[field])
                if answer != expected:
                    differ.append(f"{method.name} {path}: {answer}, not {expected}")
    assert differ == []
    assert seen(admin, foreign) == before


def test_every_id_of_a_request_is_tried() -> None:
    assert len({method.name for method, _ in EVERY}) > 70
    names = {path.rpartition(".")[2] for _, path in EVERY}
    known = {
        "project_uid",
        "project_id",
        "experiment_id",
        "model_id",
        "model_ids",
        "iteration_id",
        "module_id",
        "run_id",
    }
    known |= {
        "metric_id",
        "version_id",
        "newest_version_id",
        "used_version_ids",
        "artifact_id",
        "upload_id",
        "lease_id",
    }
    assert names == known


def test_role_that_is_too_little_is_told(
    roled: Roled, admin: PlainClient, somebody: PlainClient, key: str, name: str
) -> None:
    place = make_place(admin)
    needs = {Role(method.access.role): method for method in methods() if method.access.project}
    assert set(needs) == {Role.VIEWER, Role.EDITOR, Role.OWNER}
    for role in (Role.VIEWER, Role.EDITOR):
        roled.roles[name] = {place["project_uid"]: role}
        roled.save()
        for method in methods():
            if not method.access.project or method.access.role <= role or method.descriptor.name == "GetUpload":
                continue
            path = method.access.project[0]
            field = path.rpartition(".")[2]
            answer = ask(roled, key, method, request_of(method, place, path, place[field]), place[field])
            assert answer.code == "PERMISSION_DENIED", (method.name, role, answer)
            assert Role(method.access.role).name.lower() in answer.text
    assert somebody("GetModel", model_id=place["model_id"]).model.hash == "h"
    with pytest.raises(PlainError) as caught:
        somebody("DeleteProject", project_uid=place["project_uid"])
    assert (caught.value.reason, caught.value.metadata["role"]) == ("PERMISSION_DENIED", "owner")


def test_lists_leave_out_what_the_caller_may_not_see(
    roled: Roled, admin: PlainClient, somebody: PlainClient, name: str
) -> None:
    own, foreign = make_place(admin), make_place(admin)
    roled.roles[name] = {own["project_uid"]: Role.VIEWER}
    roled.save()
    both = [own["model_id"], foreign["model_id"]]
    assert [one.model_id for one in somebody("ListSeries", model_ids=both).series] == both[:1]
    assert [one.model_id for one in somebody("ListNewestModules", model_ids=both).modules] == both[:1]
    keys = [{"model_id": id_, "name": "loss"} for id_ in both]
    assert [one.model_id for one in somebody("ReadSeries", keys=keys)] == both[:1]
    assert [one.model_id for one in somebody("ReadSeries", keys=keys, buckets=2)] == both[:1]
    assert [one.uid for one in somebody("ListProjects").projects] == [own["project_uid"]]
    assert [one.model_id for one in admin("ListSeries", model_ids=both).series] == both


def test_what_is_deleted_is_of_its_project(roled: Roled, admin: PlainClient, somebody: PlainClient, name: str) -> None:
    own, foreign = make_place(admin), make_place(admin)
    experiment = admin(
        "CreateExperiment", project_uid=foreign["project_uid"], experiment_id=new_id(), name="e"
    ).experiment
    admin("DeleteModel", model_id=foreign["model_id"])
    admin("DeleteExperiment", experiment_id=experiment.id)
    calls: list[tuple[str, dict[str, str]]] = [
        ("UndeleteModel", {"model_id": foreign["model_id"]}),
        ("UndeleteExperiment", {"experiment_id": experiment.id}),
    ]
    lists = [
        ("ListModels", {"experiment_id": foreign["experiment_id"]}, "models"),
        ("ListModels", {"project_uid": foreign["project_uid"]}, "models"),
        ("ListExperiments", {"project_uid": foreign["project_uid"]}, "experiments"),
    ]
    for role, refused in ((Role.NONE, "NOT_FOUND"), (Role.VIEWER, "PERMISSION_DENIED")):
        roled.roles[name] = {own["project_uid"]: Role.OWNER, foreign["project_uid"]: role}
        roled.save()
        for method, ids in calls:
            with pytest.raises(PlainError) as caught:
                somebody(method, **ids)
            assert caught.value.reason == refused
        for method, ids, field in lists:
            if role:
                assert len(getattr(somebody(method, **ids, deleted=True), field)) == 1
                continue
            with pytest.raises(PlainError) as caught:
                somebody(method, **ids, deleted=True)
            assert caught.value.reason == "NOT_FOUND"
    roled.roles[name] = {foreign["project_uid"]: Role.EDITOR}
    roled.save()
    for method, ids in calls:
        somebody(method, **ids)
    assert [len(getattr(somebody(method, **ids, deleted=True), field)) for method, ids, field in lists] == [0, 0, 0]


def test_id_that_comes_back_elsewhere_is_found_there(admin: PlainClient, backend: Backend) -> None:
    first, second = make_place(admin), make_place(admin)
    id_ = first["model_id"]
    assert admin("GetModel", model_id=id_).model.project_uid == first["project_uid"]
    admin("DeleteModel", model_id=id_)
    with pytest.raises(PlainError) as caught:
        admin("GetModel", model_id=id_)
    assert caught.value.reason == "NOT_FOUND"
    stores = Stores(load(database_url=backend.database_url, blob_url=backend.blob_url))
    stores.collector.collect(NO_GRACE)
    stores.close()
    admin("CreateModel", experiment_id=second["experiment_id"], model_id=id_, hash="again")
    assert admin("GetModel", model_id=id_).model.project_uid == second["project_uid"]
    admin("LogMetrics", model_id=id_, writer_id=new_id(), points=[{"name": "loss", "int_value": 1}])
