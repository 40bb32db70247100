"""Media by step as calls: what is refused, what is listed, and what goes with a model."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from support.backends import Backend
from support.media import metadata, put_medium
from support.raw import Raw, digest_of
from xpstore import errors
from xpstore.client import Client
from xpstore.model import Model
from xpstore.project import Project
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import media_pb2
from xpstore_server.app import Stores
from xpstore_server.settings import load
from xpstore_server.store import tables
from xpstore_server.store.sweep import NO_GRACE, Grace

PNG = media_pb2.MEDIA_KIND_IMAGE
TEXT = media_pb2.MEDIA_KIND_TEXT


def listed(client: Client, model: Model, **request: Any) -> list[tuple[str, int]]:
    """Name and step of all media that a request lists, page by page."""
    found, token = list[tuple[str, int]](), ""
    while True:
        asked = media_pb2.ListMediaRequest(model_id=str(model.id), page_token=token, **request)
        page = client.call(client.stubs.media.ListMedia, asked)
        found += [(one.name, one.step) for one in page.media]
        if not (token := page.next_page_token):
            return found


def names(client: Client, model: Model, size: int = 0) -> list[tuple[str, int, int, int, int]]:
    found, token = list[tuple[str, int, int, int, int]](), ""
    while True:
        asked = media_pb2.ListMediaNamesRequest(model_id=str(model.id), page_size=size, page_token=token)
        page = client.call(client.stubs.media.ListMediaNames, asked)
        found += [(one.name, one.kind, one.count, one.first_step, one.last_step) for one in page.names]
        if not (token := page.next_page_token):
            return found


def test_media_are_listed_by_step_and_name_in_pages(client: Client, raw: Raw, model: Model) -> None:
    for step in (3, 1, 2):
        for name in ("b", "a"):
            put_medium(raw, model.id, name, step, f"{name} {step}".encode())
    put_medium(raw, model.id, "a", 9, b"text", metadata_json=metadata("text", caption="the end"))
    everything = [(name, step) for step in (1, 2, 3) for name in ("a", "b")]
    assert sorted(listed(client, model, page_size=2), key=lambda one: one[::-1]) == [*everything, ("a", 9)]
    assert listed(client, model, names=["a"], page_size=1) == [("a", 1), ("a", 2), ("a", 3), ("a", 9)]
    assert listed(client, model, names=["b"], descending=True, page_size=2) == [("b", 3), ("b", 2), ("b", 1)]
    assert listed(client, model, names=["a", "b"], from_step=2, to_step=2, page_size=9) in (
        [("a", 2), ("b", 2)],
        [("b", 2), ("a", 2)],
    )
    assert listed(client, model, names=["none"]) == []
    assert names(client, model, 1) == [("a", TEXT, 4, 1, 9), ("b", PNG, 3, 1, 3)]
    asked = media_pb2.ListMediaRequest(model_id=str(model.id), from_step=9)
    (last,) = client.call(client.stubs.media.ListMedia, asked).media
    assert (last.kind, last.caption, last.path, last.size_bytes) == (TEXT, "the end", "image.png", 4)
    assert raw.read(last.version_id, last.path) == b"text"


def test_lists_of_artifacts_leave_media_out_unless_asked(client: Client, raw: Raw, model: Model) -> None:
    put_medium(raw, model.id, "a", 1)
    raw.publish({"file": b"x"}, "other")

    def artifacts(**request: Any) -> list[str]:
        asked = pb.ListArtifactsRequest(project_uid=raw.project_uid, **request)
        return [one.name for one in client.call(client.stubs.artifacts.ListArtifacts, asked).artifacts]

    assert artifacts() == ["other"]
    assert artifacts(type="model_media") == [f"media/{model.id}/a"]


def test_deleted_media_are_not_listed_and_come_back(client: Client, raw: Raw, model: Model) -> None:
    version = put_medium(raw, model.id, "a", 1)
    stub = client.stubs.artifacts
    client.call(stub.DeleteArtifactVersion, pb.DeleteArtifactVersionRequest(version_id=version.id))
    assert (listed(client, model), listed(client, model, names=["a"]), names(client, model)) == ([], [], [])
    client.call(stub.UndeleteArtifactVersion, pb.UndeleteArtifactVersionRequest(version_id=version.id))
    assert listed(client, model) == [("a", 1)]


@pytest.mark.client
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "elsewhere/a"}, "draft.name"),
        ({"name": "media/6f1c2b9e-4d1f-4c55-9a57-3d8f0d3c2a11/a"}, "draft.name"),
        ({"name": "media/{id}/"}, "draft.name"),
        ({"force": False}, "draft.force"),
        ({"links": []}, "draft.links"),
        ({"links": "no step"}, "draft.links"),
        ({"links": "twice"}, "draft.links"),
        ({"metadata_json": ""}, "draft.metadata_json"),
        ({"metadata_json": '{"media": []}'}, "draft.metadata_json"),
        ({"metadata_json": metadata("picture")}, "draft.metadata_json"),
        ({"metadata_json": metadata(path="../image.png")}, "draft.metadata_json"),
        ({"metadata_json": metadata(path="other.png")}, "draft.metadata_json"),
        ({"metadata_json": metadata(caption=7)}, "draft.metadata_json"),
        ({"metadata_json": metadata(caption="x" * 16_385)}, "draft.metadata_json"),
        ({"metadata_json": metadata(more="x" * (128 << 10))}, "draft.metadata_json"),
    ],
)
def test_draft_that_is_no_medium_is_refused(raw: Raw, model: Model, changes: dict[str, Any], field: str) -> None:
    link = pb.ArtifactLink(model_id=str(model.id), step=1)
    links = {"no step": [pb.ArtifactLink(model_id=str(model.id))], "twice": [link, link]}
    changes = {**changes}
    if isinstance(told := changes.get("links"), str):
        changes["links"] = links[told]
    name = changes.pop("name", "a").format(id=model.id)
    with pytest.raises(errors.InvalidArgument) as caught:
        put_medium(raw, model.id, name, 1, **changes)
    assert caught.value.metadata["field"] == field
    assert raw.versions() == []


@pytest.mark.client
def test_upload_of_a_file_that_is_no_medium_is_refused(raw: Raw, model: Model) -> None:
    draft = pb.ArtifactDraft(name=f"media/{model.id}/a", type="model_media", force=True, metadata_json=metadata())
    draft.links.add(model_id=str(model.id), step=1)
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.upload_file(raw.header(draft=draft, path="other.png"), [b"x"])
    assert caught.value.metadata["field"] == "header.draft.metadata_json"
    draft.name = "a"
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.upload_file(raw.header(draft=draft, path="image.png"), [b"x"])
    assert caught.value.metadata["field"] == "header.draft.name"
    draft.name = f"media/{model.id}/a"
    assert raw.upload_file(raw.header(draft=draft, path="image.png"), [b"x"]).version.type == "model_media"


@pytest.mark.client
def test_medium_stays_what_it_is(client: Client, project: Project, raw: Raw, model: Model) -> None:
    version, stub = put_medium(raw, model.id, "a", 1), client.stubs.artifacts
    other = project.experiment("e").model("other")
    link = pb.LinkArtifactVersionRequest(version_id=version.id, link=pb.ArtifactLink(model_id=str(other.id)))
    unlink = pb.UnlinkArtifactVersionRequest(version_id=version.id, model_id=str(model.id))
    rename = pb.UpdateArtifactRequest(artifact_id=version.artifact_id, name="b", update_mask={"paths": ["name"]})
    for call, request in (
        (stub.LinkArtifactVersion, link),
        (stub.UnlinkArtifactVersion, unlink),
        (stub.UpdateArtifact, rename),
    ):
        with pytest.raises(errors.Conflict, match="cannot be"):
            client.call(call, request)
    mask = {"paths": ["metadata_json"]}
    for bad in ("{}", metadata(path="other.png")):
        change = pb.UpdateArtifactVersionRequest(version_id=version.id, metadata_json=bad, update_mask=mask)
        with pytest.raises(errors.InvalidArgument, match="media"):
            client.call(stub.UpdateArtifactVersion, change)
    change.metadata_json = metadata(caption="better")
    client.call(stub.UpdateArtifactVersion, change)
    assert listed(client, model) == [("a", 1)]


@pytest.fixture
def stores(backend: Backend) -> Iterator[Stores]:
    """The server's stores, to purge. What other tests deleted is."""
    stores = Stores(load(database_url=backend.database_url, blob_url=backend.blob_url))
    stores.collector.collect(NO_GRACE)
    yield stores
    stores.close()


def names_left(stores: Stores, model: Model) -> int:
    table = tables.artifact
    mine = table.select().where(table.c.name.startswith(f"media/{model.id}/"))
    return len(stores.database.read(lambda tx: tx.execute(mine).all()))


def test_media_come_back_with_their_model_and_their_bytes_go_with_it(
    client: Client, project: Project, raw: Raw, stores: Stores
) -> None:
    experiment, gone = project.experiment("e"), project.experiment("gone")
    by_itself, below, kept = experiment.model("itself"), gone.model("below"), experiment.model("kept")
    data = [os.urandom(3_000) for _ in range(3)]
    for model, one in zip((by_itself, below, kept), data, strict=True):
        for step in range(3):
            put_medium(raw, model.id, "a", step, one)
    ordinary = raw.publish({"file": b"stays"}, "ordinary")
    client.call(
        client.stubs.artifacts.LinkArtifactVersion,
        pb.LinkArtifactVersionRequest(version_id=ordinary.id, link=pb.ArtifactLink(model_id=str(by_itself.id))),
    )
    experiment.models.delete(by_itself.id)
    with pytest.raises(errors.NotFound):
        listed(client, by_itself)
    assert stores.collector.collect(Grace()).purged_versions == 0
    experiment.models.undelete(by_itself.id)
    assert listed(client, by_itself) == [("a", 0), ("a", 1), ("a", 2)]
    experiment.models.delete(by_itself.id)
    project.experiments.delete(gone.id)
    due = stores.collector.preview(NO_GRACE)
    swept = stores.collector.collect(NO_GRACE)
    stores.collector.collect(NO_GRACE)  # removes what the first condemned
    assert due.purged_versions == swept.purged_versions == 6
    assert due.freed_bytes > 6_000
    assert len(raw.missing(*map(digest_of, data))) == 2
    assert (names_left(stores, by_itself), names_left(stores, below), names_left(stores, kept)) == (0, 0, 1)
    assert listed(client, kept) == [("a", 0), ("a", 1), ("a", 2)]
    assert [one.id for one in raw.versions() if one.type != "model_media"] == [ordinary.id]
