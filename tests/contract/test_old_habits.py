"""What changed for clients of 0.1: each line of docs/contract-changes.md that one meets."""

import os

import pytest

from support.contract.plain_client import PlainClient, PlainError, digest, new_id

pytestmark = pytest.mark.client  # nothing of it is of a backend
MIB = 1 << 20


@pytest.mark.parametrize("header", [{}, {"size_bytes": 3 * MIB}], ids=["no size", "with its size"])
def test_upload_without_finish_publishes_nothing(header: dict[str, int], old: PlainClient, uid: str) -> None:
    data, id_ = os.urandom(3 * MIB), new_id()
    with pytest.raises(PlainError) as caught:
        old.upload(uid, "file", "a.bin", data, finish=False, upload_id=id_, **header)
    assert (caught.value.status, caught.value.metadata["field"]) == ("INVALID_ARGUMENT", "finish")
    assert caught.value.metadata["expected"] == str(len(data))
    assert list(old("ListArtifactVersions", project_uid=uid).versions) == []
    assert old("GetUpload", upload_id=id_).offset == len(data)


def test_what_an_old_client_uploaded_is_finished_by_a_new_one(old: PlainClient, plain: PlainClient, uid: str) -> None:
    data, id_ = os.urandom(3 * MIB), new_id()
    with pytest.raises(PlainError):
        old.upload(uid, "file", "a.bin", data, finish=False, upload_id=id_)
    made = plain.upload(uid, "file", "a.bin", b"", finish=True, upload_id=id_, offset=len(data))
    assert made.created and old.read(made.version.id) == data


def test_used_version_id_with_other_content_is_refused(old: PlainClient, uid: str) -> None:
    one, two = old.publish(uid, "a", {"f": b"1"}), old.publish(uid, "a", {"f": b"2"})
    page = old.message("ManifestPage", entries=old("ReadManifest", version_id=two.id)[0].entries).SerializeToString()
    manifest = {"pages": [{"digest": digest(page), "size_bytes": len(page), "first_path": "f"}]}
    draft = {"name": "a", "type": "directory"}
    with pytest.raises(PlainError) as caught:
        old("CommitArtifact", project_uid=uid, version_id=one.id, draft=draft, manifest=manifest)
    assert caught.value.reason == "ALREADY_EXISTS"
    assert old("CommitArtifact", project_uid=uid, version_id=two.id, draft=draft, manifest=manifest).version == two


def test_writer_may_use_both_ways_to_log(old: PlainClient, uid: str, model: str) -> None:
    writer, event = new_id(), {"record": 0, "step": 7}
    points = [{"name": "loss", "int_value": number} for number in range(3)]
    assert old("LogMetrics", model_id=model, writer_id=writer, points=points).next_point == 3
    records = [{"model_id": model, "events": [event]}]
    assert old("Ingest", project_uid=uid, writer_id=writer, record_count=1, models=records).next_record == 1
    assert old("GetModel", model_id=model).model.step == 7


def test_latest_is_readable_as_an_alias(old: PlainClient, uid: str) -> None:
    versions = [old.publish(uid, "a", {"f": data}) for data in (b"1", b"2")]
    project_id = old("GetProject", project_uid=uid).project.id
    found = old("GetArtifactVersion", artifact_name={"project_id": project_id, "name": "a", "alias": "latest"})
    assert found.version.id == versions[1].id
    with pytest.raises(PlainError) as caught:
        old("SetArtifactAlias", version_id=versions[0].id, alias="latest")
    assert caught.value.metadata["field"] == "alias"
