"""Every list comes in pages that a client of 4 MiB takes, and in the order that the contract says."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import xpstore
from support.backends import Backend
from support.contract.methods import methods
from support.contract.plain_client import PlainClient, PlainError, new_id
from xpstore.artifact import DirectoryArtifact
from xpstore_server.store import tables
from xpstore_server.store.database import Database
from xpstore_server.store.ids import new_id as stored_id

MOST = 230
# Repeated fields of answers whose message has no page token, each with its bound.
BOUNDED = {
    "FindMissingChunksResponse.missing_positions": "by the digests of the request",
    "CommitArtifactResponse.missing_digests": "by `max_digests`",
    "UpdateModelTagsResponse.tags": "by `max_tags`",
    "IngestResponse.dropped": "by the models of the request",
    "IngestStreamResponse.dropped": "by the models of the requests",
    "LookupCacheEntriesResponse.hits": "by the fingerprints of the request",
    "RenewCacheLeasesResponse.lost_positions": "by the tokens of the request",
    "GetCacheStatisticsResponse.verifications": "by the enumeration",
    "ExplainCacheEntryResponse.differences": "by `max_process_parts`, of two processes",
    "ArtifactVersion.aliases": "by `max_listed`",
    "ArtifactVersion.links": "by `max_listed`",
    "ArtifactVersion.used_version_ids": "by `max_listed`",
    "ArtifactProcess.parts": "by `max_process_parts`",
    "Model.tags": "by `max_tags`",
    "Experiment.tags": "by `max_tags`",
    "Project.tags": "by `max_tags`",
    "Artifact.latest": "one",
    "CreateModelsResponse.models": "by the models of the request, and by bytes",
    "AggregateModelsResponse.groups": "by `max_groups`, and by bytes",
    "ModelGroup.keys": "by the fields of the request",
    "ModelGroup.aggregates": "by the fields of the request",
    "ModelRow.values": "by the columns of the request",
    "FieldSummary.values": "by `max_field_values`",
    "TextList.texts": "by `max_listed`",
    "ReadConsoleResponse.pieces": "by bytes",
    "LocateChunksResponse.extents": "by the digests of the request",
    "OpenPacksResponse.places": "by the packs of the request",
    "PackPlace.headers": "by what is signed",
    "ClosePacksResponse.stored": "by the packs of the request",
    "Extent.chunks": "by the digests of the request",
    "Extent.headers": "by what is signed",
}


def test_every_list_has_pages_or_a_bound() -> None:
    found = set[str]()
    for method in methods():
        if not _is_stream(method):
            found |= set(_unpaged(method.descriptor.output_type))
    assert found - set(BOUNDED) == set()
    assert {name for name in BOUNDED if not name.endswith("latest")} - found == set()


def _is_stream(method: Any) -> bool:
    from google.protobuf.descriptor_pb2 import ServiceDescriptorProto

    wire = ServiceDescriptorProto()
    method.descriptor.containing_service.CopyToProto(wire)
    return next(one.server_streaming for one in wire.method if one.name == method.descriptor.name)


def _unpaged(message: Any, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    if message.name in seen:
        return
    for field in message.fields:
        is_list = field.label == 3 if hasattr(field, "label") else field.is_repeated
        if is_list and "next_page_token" not in message.fields_by_name:
            yield f"{message.name}.{field.name}"
        if field.message_type is not None:
            yield from _unpaged(field.message_type, seen | {message.name})


def pages(client: PlainClient, method: str, field: str, **request: Any) -> list[list[Any]]:
    """What is on each page of a list."""
    found, token = list[list[Any]](), ""
    while True:
        answer = client(method, **request, page_token=token)
        found.append(list(getattr(answer, field)))
        token = answer.next_page_token
        if not token:
            return found


@pytest.fixture
def model(plain: PlainClient, uid: str) -> str:
    return make_model(plain, uid, "first")


def make_model(client: PlainClient, uid: str, hash_: str) -> str:
    made = client("CreateExperiment", project_uid=uid, experiment_id=new_id(), name="e", allow_existing=True)
    return str(client("CreateModel", experiment_id=made.experiment.id, model_id=new_id(), hash=hash_).model.id)


def log(client: PlainClient, model: str, points: list[dict[str, Any]]) -> None:
    for start in range(0, len(points), 1_000):
        client("LogMetrics", model_id=model, writer_id=new_id(), points=points[start : start + 1_000])


def test_series_with_heavy_values_come_in_several_pages(plain: PlainClient, model: str) -> None:
    value = json.dumps("x" * 900_000)
    for number in range(6):
        log(plain, model, [{"name": f"n{number}", "json_value": value}])
    found = pages(plain, "ListSeries", "series", model_ids=[model])
    assert [one.name for page in found for one in page] == [f"n{number}" for number in range(6)]
    assert len(found) >= 3


def test_thousands_of_names_come_in_several_pages(plain: PlainClient, model: str, backend: Backend) -> None:
    log(plain, model, [{"name": "first", "int_value": 1}])
    database = Database(backend.database_url)
    known = database.read(lambda tx: tx.execute(tables.series.select()).all())
    row = next(row for row in known if row.model_id == model)
    names = [f"name {number:05}" for number in range(20_000)]
    for start in range(0, len(names), 2_000):
        rows = [{**row._mapping, "id": stored_id(), "name": name} for name in names[start : start + 2_000]]
        database.write(lambda tx, rows=rows: tx.insert(tables.series, *rows))  # type: ignore[misc]
    database.close()
    found = pages(plain, "ListSeries", "series", model_ids=[model])
    assert [one.name for page in found for one in page] == ["first", *names]
    assert len(found) > 1


def test_series_are_by_model_as_asked_then_by_name_and_phase(plain: PlainClient, uid: str) -> None:
    models = [make_model(plain, uid, f"h{number}") for number in range(40)]
    models = models[::3] + models[1::3] + models[2::3]
    for place, model in enumerate(models):
        some = [("b", "test"), ("b", "train"), ("a", ""), ("c", "")][: 1 + place % 4]
        points = [{"name": name, "int_value": 1, **({"phase": phase} if phase else {})} for name, phase in some]
        log(plain, model, points * (1 if place else 2))
    gone = new_id()
    expected = [
        (model, name, phase)
        for place, model in enumerate(models)
        for name, phase in sorted([("b", "test"), ("b", "train"), ("a", ""), ("c", "")][: 1 + place % 4])
    ]
    asked = [models[0], gone, *models[1:], models[0]]
    for size in (0, 1, 7, 1_000):
        found = pages(plain, "ListSeries", "series", model_ids=asked, page_size=size)
        assert [(one.model_id, one.name, one.phase) for page in found for one in page] == expected
        assert all(len(page) <= (size or 1_000) for page in found)
    found = pages(plain, "ListSeries", "series", model_ids=asked, names=["a", "c"], page_size=3)
    assert [(one.model_id, one.name) for page in found for one in page] == [
        (model, name) for model, name, _ in expected if name in ("a", "c")
    ]


@pytest.mark.parametrize("change", [{"model_ids": []}, {"names": ["other"]}, {"page_token": "nonsense"}])
def test_token_of_another_list_of_series_is_refused(plain: PlainClient, model: str, change: dict[str, Any]) -> None:
    log(plain, model, [{"name": "a", "int_value": 1}, {"name": "b", "int_value": 1}])
    token = plain("ListSeries", model_ids=[model], page_size=1).next_page_token
    with pytest.raises(PlainError) as caught:
        plain("ListSeries", **{"model_ids": [model], "page_size": 1, "page_token": token, **change})
    assert caught.value.metadata["field"] == "page_token"
    with pytest.raises(PlainError) as caught:
        plain("ListSeries", model_ids=[model], page_size=-1)
    assert caught.value.metadata["field"] == "page_size"


class TestHanging:
    """What hangs on a version."""

    def test_links_of_a_version(self, plain: PlainClient, uid: str, model: str) -> None:
        links = [{"model_id": model, "step": number} for number in range(MOST)]
        version = plain.publish(uid, "linked", {"a": b"a"}, links=links)
        assert (len(version.links), version.link_count) == (100, MOST)
        found = pages(plain, "ListArtifactLinks", "links", version_id=version.id, page_size=99)
        assert [len(page) for page in found] == [99, 99, 32]
        assert [one.step for page in found for one in page] == list(range(MOST))
        assert [one.step for one in version.links] == list(range(100))

    def test_aliases_of_an_artifact(self, plain: PlainClient, uid: str) -> None:
        names = [f"a{number:03}" for number in range(MOST)]
        first = plain.publish(uid, "aliased", {"a": b"a"}, aliases=names)
        second = plain.publish(uid, "aliased", {"a": b"b"}, aliases=["b"])
        assert (list(first.aliases), first.alias_count) == (names[:100], MOST)
        found = pages(plain, "ListArtifactAliases", "aliases", artifact_id=first.artifact_id, page_size=100)
        assert [(one.alias, one.version_id, one.version) for page in found for one in page] == [
            *((name, first.id, 1) for name in names),
            ("b", second.id, 2),
        ]

    def test_lineage_of_a_version(self, plain: PlainClient, uid: str) -> None:
        used = [plain.publish(uid, f"used {number}", {"a": b"%d" % number}) for number in range(5)]
        ids = sorted(version.id for version in used)
        users = [plain.publish(uid, f"user {number}", {"a": b"a"}, used_version_ids=ids) for number in range(3)]
        found = pages(plain, "ListArtifactLineage", "versions", version_id=users[0].id, page_size=2)
        assert [one.version_id for page in found for one in page] == ids
        by_id = {version.id: version for version in used}
        assert all(
            (one.name, one.type, one.version) == (by_id[one.version_id].name, "directory", 1) for one in found[0]
        )
        request = {"version_id": ids[0], "users": True, "page_size": 2}
        found = pages(plain, "ListArtifactLineage", "versions", **request)
        assert [one.version_id for page in found for one in page] == sorted(version.id for version in users)
        plain("DeleteArtifactVersion", version_id=users[1].id)
        left = pages(plain, "ListArtifactLineage", "versions", **request)
        assert users[1].id not in [one.version_id for page in left for one in page]
        with pytest.raises(PlainError) as caught:
            plain("ListArtifactLineage", version_id=users[1].id)
        assert caught.value.reason == "NOT_FOUND"

    @pytest.mark.client
    def test_client_shows_all_of_it(self, plain: PlainClient, project: xpstore.Project) -> None:
        model = project.experiment("e").model("h")
        used = [new_id() for _ in range(101)]
        for number, id_ in enumerate(used):
            draft = {"name": f"used {number}", "type": "directory"}
            plain("CommitArtifact", project_uid=project.uid, version_id=id_, draft=draft)
        names = [f"a{number:03}" for number in range(MOST)]
        iterations = [str(model.iterations.create(number).id) for number in range(101)]
        links: list[dict[str, Any]] = [{"model_id": str(model.id), "iteration_id": id_} for id_ in iterations]
        links.append({"model_id": str(model.id), "step": 7})
        more = {"aliases": names, "links": links, "used_version_ids": used}
        version = DirectoryArtifact.get_by_id(plain.publish(project.uid, "all", {"a": b"a"}, **more).id)
        assert version.aliases == names
        assert sorted(one.id for one in version.used) == sorted(used)
        assert (version.step, version.model.id) == (7, model.id)


def test_latest_reads_as_an_alias_wherever_one_is_read(plain: PlainClient, uid: str) -> None:
    text_id = plain("GetProject", project_uid=uid).project.id
    versions = [plain.publish(uid, "weights", {"a": b"%d" % number}) for number in range(3)]
    other = plain.publish(uid, "other", {"a": b"a"})
    name = {"project_id": text_id, "name": "weights", "alias": "latest"}
    assert plain("GetArtifactVersion", artifact_name=name).version.id == versions[-1].id
    assert b"".join(one.data for one in plain("ReadFile", artifact_name=name)) == b"2"
    listed = plain("ListArtifactVersions", project_uid=uid, name="weights", alias="latest").versions
    assert [one.id for one in listed] == [versions[-1].id]
    listed = plain("ListArtifactVersions", project_uid=uid, alias="latest").versions
    assert [one.id for one in listed] == [versions[-1].id, other.id]
    plain("DeleteArtifactVersion", version_id=versions[-1].id)
    assert plain("GetArtifactVersion", artifact_name=name).version.id == versions[1].id
    assert [one.id for one in plain("ListArtifactVersions", project_uid=uid, alias="latest").versions] == [
        versions[1].id,
        other.id,
    ]
    for request in ({"version_id": other.id, "alias": "latest"},):
        with pytest.raises(PlainError) as caught:
            plain("SetArtifactAlias", **request)
        assert (caught.value.reason, caught.value.metadata["field"]) == ("INVALID_ARGUMENT", "alias")


@pytest.mark.client
def test_client_takes_latest_too(project: xpstore.Project) -> None:
    saved = [DirectoryArtifact.save(b"%d" % number, "weights") for number in range(2)]
    assert DirectoryArtifact.get_by_name("weights", alias="latest") == saved[-1]
    found = project.artifacts.get("weights", alias="latest")
    assert found is not None and found.id == saved[-1].id
