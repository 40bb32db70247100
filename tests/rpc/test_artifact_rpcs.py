"""Bad input to the unary RPCs of ArtifactService: the right typed error, the field, and nothing changed."""

from typing import Any

import pytest

import xpstore
from support.raw import Raw
from xpstore import errors
from xpstore._service.paging import iterate
from xpstore._values.ids import new_id
from xpstore.artifact import DirectoryArtifact
from xpstore.v1 import artifact_pb2 as pb

FILES: dict[str, bytes | None] = {"a": b"1", "b/c": b"2", "b/d": b"3", "b.x": b"4"}
ANY = new_id()


@pytest.fixture
def version(raw: Raw) -> pb.ArtifactVersion:
    """The second of three versions of "x"."""
    raw.publish({"first": b""}, "x")
    version = raw.publish(FILES, "x")
    raw.publish({"third": b""}, "x")
    return version


def call(raw: Raw, rpc: str, request: Any) -> Any:
    return raw.client.call(getattr(raw.stub, rpc), request)


# Each row: the RPC, the field it must name, and a request; "@version", "@artifact" and "@project" stand for real ids.
BAD: list[tuple[str, str, dict[str, Any]]] = [
    ("ListArtifactFiles", "version_id", {"version_id": "x"}),
    ("ListArtifactFiles", "page_size", {"version_id": "@version", "page_size": -1}),
    ("ListArtifactFiles", "page_token", {"version_id": "@version", "page_token": "nonsense"}),
    ("ListArtifactFiles", "page_token", {"version_id": "@version", "page_token": "é"}),
    ("ListArtifactFiles", "path_prefix", {"version_id": "@version", "path_prefix": "../a"}),
    ("ListArtifactFiles", "path_prefix", {"version_id": "@version", "path_prefix": "/a"}),
    ("ListArtifactFiles", "path_prefix", {"version_id": "@version", "path_prefix": "a\x00"}),
    ("GetArtifactVersion", "source", {}),
    ("GetArtifactVersion", "version_id", {"version_id": ""}),
    ("GetArtifactVersion", "version_id", {"version_id": ANY.upper().replace("-", "")}),
    ("GetArtifactVersion", "artifact_name.name", {"artifact_name": {"project_id": "p"}}),
    ("GetArtifactVersion", "artifact_name.name", {"artifact_name": {"project_id": "p", "name": "n" * 257}}),
    ("GetArtifactVersion", "artifact_name.project_id", {"artifact_name": {"name": "x"}}),
    ("GetArtifactVersion", "artifact_name.project_id", {"artifact_name": {"project_id": "\x00", "name": "x"}}),
    ("GetArtifactVersion", "artifact_name.alias", {"artifact_name": {"project_id": "p", "name": "x", "alias": "\x00"}}),
    ("ListArtifactVersions", "project_uid", {"project_uid": "x"}),
    ("ListArtifactVersions", "page_size", {"project_uid": "@project", "page_size": -1}),
    ("ListArtifactVersions", "page_token", {"project_uid": "@project", "page_token": "bm9uc2Vuc2U"}),
    ("ListArtifactVersions", "name", {"project_uid": "@project", "name": "\x00"}),
    ("ListArtifactVersions", "type", {"project_uid": "@project", "type": "\x00"}),
    ("ListArtifactVersions", "model_id", {"project_uid": "@project", "model_id": ""}),
    ("ListArtifactVersions", "iteration_id", {"project_uid": "@project", "iteration_id": "x"}),
    ("UpdateArtifactVersion", "version_id", {"version_id": "x", "update_mask": {"paths": ["description"]}}),
    ("UpdateArtifactVersion", "update_mask", {"version_id": "@version"}),
    ("UpdateArtifactVersion", "update_mask", {"version_id": "@version", "update_mask": {"paths": ["name"]}}),
    (
        "UpdateArtifactVersion",
        "description",
        {"version_id": "@version", "description": "\x00", "update_mask": {"paths": ["description"]}},
    ),
    (
        "UpdateArtifactVersion",
        "metadata_json",
        {"version_id": "@version", "metadata_json": "1", "update_mask": {"paths": ["metadata_json"]}},
    ),
    ("DeleteArtifactVersion", "version_id", {"version_id": "x"}),
    ("UndeleteArtifactVersion", "version_id", {"version_id": "x"}),
    ("GetArtifact", "key", {}),
    ("GetArtifact", "artifact_id", {"artifact_id": "x"}),
    ("GetArtifact", "artifact_name.name", {"artifact_name": {"project_id": "p"}}),
    ("GetArtifact", "artifact_name.project_id", {"artifact_name": {"project_id": "\x00", "name": "x"}}),
    ("ListArtifacts", "project_uid", {"project_uid": ""}),
    ("ListArtifacts", "page_size", {"project_uid": "@project", "page_size": -5}),
    ("ListArtifacts", "page_token", {"project_uid": "@project", "page_token": "AAAA"}),
    ("ListArtifacts", "type", {"project_uid": "@project", "type": "\x00"}),
    ("UpdateArtifact", "artifact_id", {"artifact_id": "x", "name": "y", "update_mask": {"paths": ["name"]}}),
    ("UpdateArtifact", "update_mask", {"artifact_id": "@artifact", "name": "y"}),
    ("UpdateArtifact", "update_mask", {"artifact_id": "@artifact", "update_mask": {"paths": ["type"]}}),
    ("UpdateArtifact", "name", {"artifact_id": "@artifact", "update_mask": {"paths": ["name"]}}),
    ("DeleteArtifact", "artifact_id", {"artifact_id": "x"}),
    ("SetArtifactAlias", "version_id", {"version_id": "x", "alias": "prod"}),
    ("SetArtifactAlias", "alias", {"version_id": "@version", "alias": "latest"}),
    ("DeleteArtifactAlias", "project_uid", {"project_uid": "x", "name": "x", "alias": "prod"}),
    ("DeleteArtifactAlias", "alias", {"project_uid": "@project", "name": "x"}),
    ("LinkArtifactVersion", "version_id", {"version_id": "x", "link": {"model_id": ANY}}),
    ("LinkArtifactVersion", "link.model_id", {"version_id": "@version"}),
    (
        "LinkArtifactVersion",
        "link.iteration_id",
        {"version_id": "@version", "link": {"model_id": ANY, "iteration_id": ""}},
    ),
    ("LinkArtifactVersion", "link.step", {"version_id": "@version", "link": {"model_id": ANY, "step": -1}}),
    ("UnlinkArtifactVersion", "version_id", {"version_id": "x", "model_id": ANY}),
    ("UnlinkArtifactVersion", "model_id", {"version_id": "@version", "model_id": "x"}),
    ("GetUpload", "upload_id", {"upload_id": "x"}),
]
UNKNOWN: list[tuple[str, dict[str, Any]]] = [
    ("FindMissingChunks", {"project_uid": ANY}),
    ("ListArtifactFiles", {"version_id": ANY}),
    ("GetArtifactVersion", {"version_id": ANY}),
    ("GetArtifactVersion", {"artifact_name": {"project_id": ANY, "name": "x"}}),
    ("ListArtifactVersions", {"project_uid": ANY}),
    ("UpdateArtifactVersion", {"version_id": ANY, "update_mask": {"paths": ["description"]}}),
    ("UndeleteArtifactVersion", {"version_id": ANY}),
    ("GetArtifact", {"artifact_id": ANY}),
    ("GetArtifact", {"artifact_name": {"project_id": ANY, "name": "x"}}),
    ("ListArtifacts", {"project_uid": ANY}),
    ("UpdateArtifact", {"artifact_id": ANY, "name": "y", "update_mask": {"paths": ["name"]}}),
    ("SetArtifactAlias", {"version_id": ANY, "alias": "prod"}),
    ("LinkArtifactVersion", {"version_id": ANY, "link": {"model_id": ANY}}),
    ("LinkArtifactVersion", {"version_id": "@version", "link": {"model_id": ANY}}),
    ("GetUpload", {"upload_id": ANY}),
]
NO_EFFECT: list[tuple[str, dict[str, Any]]] = [
    ("DeleteArtifactVersion", {"version_id": ANY}),
    ("DeleteArtifact", {"artifact_id": ANY}),
    ("DeleteArtifactAlias", {"project_uid": ANY, "name": "x", "alias": "prod"}),
    ("DeleteArtifactAlias", {"project_uid": "@project", "name": "nothing", "alias": "prod"}),
    ("UnlinkArtifactVersion", {"version_id": ANY, "model_id": ANY}),
]


def request_of(raw: Raw, rpc: str, fields: dict[str, Any], version: pb.ArtifactVersion) -> Any:
    real = {"@version": version.id, "@artifact": version.artifact_id, "@project": raw.project_uid}
    filled = {name: real.get(value, value) if isinstance(value, str) else value for name, value in fields.items()}
    return getattr(pb, f"{rpc}Request")(**filled)


@pytest.mark.parametrize(("rpc", "field", "fields"), BAD, ids=[f"{rpc}-{field}" for rpc, field, _ in BAD])
@pytest.mark.client
def test_malformed_field_is_named_and_changes_nothing(
    rpc: str, field: str, fields: dict[str, Any], raw: Raw, version: pb.ArtifactVersion
) -> None:
    before = raw.versions()
    with pytest.raises(errors.InvalidArgument) as caught:
        call(raw, rpc, request_of(raw, rpc, fields, version))
    assert caught.value.metadata["field"] == field
    assert caught.value.request_id
    assert raw.versions() == before


@pytest.mark.parametrize(("rpc", "fields"), UNKNOWN, ids=lambda value: value if isinstance(value, str) else "")
def test_what_is_unknown_is_not_found(rpc: str, fields: dict[str, Any], raw: Raw, version: pb.ArtifactVersion) -> None:
    before = raw.versions()
    with pytest.raises(errors.NotFound) as caught:
        call(raw, rpc, request_of(raw, rpc, fields, version))
    assert caught.value.metadata["resource"]
    assert raw.versions() == before


@pytest.mark.parametrize(("rpc", "fields"), NO_EFFECT, ids=lambda value: value if isinstance(value, str) else "")
def test_removing_what_is_not_there_succeeds(
    rpc: str, fields: dict[str, Any], raw: Raw, version: pb.ArtifactVersion
) -> None:
    before = raw.versions()
    answer = call(raw, rpc, request_of(raw, rpc, fields, version))
    assert not answer.ListFields()
    assert raw.versions() == before


LISTS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("ListArtifactFiles", "files", {"version_id": "@version"}, {"version_id": "@version", "path_prefix": "b"}),
    ("ListArtifactVersions", "versions", {"project_uid": "@project"}, {"project_uid": "@project", "name": "x"}),
    ("ListArtifactVersions", "versions", {"project_uid": "@project"}, {"project_uid": "@project", "descending": True}),
    ("ListArtifacts", "artifacts", {"project_uid": "@project"}, {"project_uid": "@project", "type": "directory"}),
]


@pytest.mark.parametrize(("rpc", "field", "fields", "others"), LISTS, ids=[f"{row[0]}-{row[3]}" for row in LISTS])
def test_list_comes_in_pages_and_tokens_are_bound_to_it(
    rpc: str, field: str, fields: dict[str, Any], others: dict[str, Any], raw: Raw, version: pb.ArtifactVersion
) -> None:
    raw.publish({"y": b""}, "y")
    raw.publish({"z": b""}, "z")
    whole = list(getattr(call(raw, rpc, request_of(raw, rpc, fields, version)), field))
    assert len(whole) >= 3
    request = request_of(raw, rpc, {**fields, "page_size": 1}, version)
    paged: list[Any] = []
    while not paged or request.page_token:
        answer = call(raw, rpc, request)
        assert len(getattr(answer, field)) == 1
        paged.extend(getattr(answer, field))
        request.page_token = answer.next_page_token
        if request.page_token:
            other = request_of(raw, rpc, {**others, "page_token": request.page_token}, version)
            with pytest.raises(errors.InvalidArgument) as caught:
                call(raw, rpc, other)
            assert caught.value.metadata["field"] == "page_token"
    assert paged == whole
    huge = call(raw, rpc, request_of(raw, rpc, {**fields, "page_size": 2_000_000_000}, version))
    assert list(getattr(huge, field)) == whole and not huge.next_page_token


def test_pages_of_heavy_versions_stay_within_a_message(client: xpstore.Client, project: xpstore.Project) -> None:
    names = [f"heavy {number}" for number in range(6)]
    for name in names:
        DirectoryArtifact.save(b"x", name, metadata={"text": "ü" * 450_000})
    stubs = client.stubs.artifacts
    artifacts = iterate(client, stubs.ListArtifacts, pb.ListArtifactsRequest(project_uid=project.uid), "artifacts")
    assert [one.name for one in artifacts] == names
    versions = pb.ListArtifactVersionsRequest(project_uid=project.uid)
    assert [one.name for one in iterate(client, stubs.ListArtifactVersions, versions, "versions")] == names


def test_files_are_listed_by_folder(raw: Raw, version: pb.ArtifactVersion) -> None:
    for prefix, paths in {"": sorted(FILES), "b": ["b/c", "b/d"], "b/": ["b/c", "b/d"], "a": ["a"], "c": []}.items():
        request = pb.ListArtifactFilesRequest(version_id=version.id, path_prefix=prefix)
        assert [file.path for file in call(raw, "ListArtifactFiles", request).files] == paths


def test_change_with_a_stale_etag_is_a_conflict(raw: Raw, version: pb.ArtifactVersion) -> None:
    update = pb.UpdateArtifactVersionRequest(version_id=version.id, description="1", etag=version.etag)
    update.update_mask.paths.append("description")
    changed = call(raw, "UpdateArtifactVersion", update).version
    assert (changed.description, changed.etag != version.etag) == ("1", True)
    with pytest.raises(errors.Conflict):
        call(raw, "UpdateArtifactVersion", update)
    found = call(raw, "GetArtifact", pb.GetArtifactRequest(artifact_id=version.artifact_id)).artifact
    assert (found.name, found.type, found.latest.version) == ("x", "directory", 3)
    rename = pb.UpdateArtifactRequest(artifact_id=found.id, name="y", etag=found.etag)
    rename.update_mask.paths.append("name")
    assert call(raw, "UpdateArtifact", rename).artifact.name == "y"
    rename.name = "z"
    with pytest.raises(errors.Conflict):
        call(raw, "UpdateArtifact", rename)


@pytest.mark.client
def test_range_outside_a_file_is_refused(raw: Raw, version: pb.ArtifactVersion) -> None:
    assert raw.read(version.id, "a", offset=1) == b""
    assert raw.read(version.id, "a", length=1000) == b"1"
    for field, range_ in (("offset", {"offset": -1}), ("offset", {"offset": 2}), ("length", {"length": -1})):
        with pytest.raises(errors.InvalidArgument) as caught:
            raw.read(version.id, "a", **range_)
        assert caught.value.metadata["field"] == field
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.read(version.id)
    assert caught.value.metadata["field"] == "path"
    for path in ("b", "c", "../a", "a\x00", "a/b"):
        with pytest.raises(errors.NotFound):
            raw.read(version.id, path)


def test_what_is_in_a_deleted_project_is_not_found(
    raw: Raw, project: xpstore.Project, version: pb.ArtifactVersion
) -> None:
    artifact = DirectoryArtifact.get_by_id(version.id)
    project.delete()
    for use in (artifact.files, artifact.refresh, artifact.versions, lambda: raw.read(version.id, "a")):
        with pytest.raises(errors.NotFound):
            use()
    xpstore.Project.undelete(raw.project_uid)
    assert raw.read(version.id, "a") == b"1"
