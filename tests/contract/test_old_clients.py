"""Clients generated from the contract of 0.1 do what they did, and get what docs/contract-changes.md says."""

import os
import struct

import pytest

from support.contract.plain_client import PlainClient, PlainError, digest, new_id
from support.raw_cache import fingerprint_of, process_of

pytestmark = pytest.mark.client  # nothing of it is of a backend
MIB = 1 << 20


def test_limits_and_all_old_methods_are_there(old: PlainClient) -> None:
    limits = old("GetLimits").limits
    assert (limits.max_chunk_bytes, limits.max_page_size) == (MIB, 1_000)
    for method in old.methods:
        try:
            old(method)
        except PlainError as error:
            assert error.status != "UNIMPLEMENTED", method


def test_projects(old: PlainClient) -> None:
    id_, creation = f"old {new_id()}", new_id()
    first = old("CreateProject", project_id=id_, name="n", description="d", creation_id=creation)
    again = old("CreateProject", project_id=id_, name="n", description="d", creation_id=creation)
    assert first.created and again.project == first.project
    uid = first.project.uid
    changed = old("UpdateProject", project_uid=uid, name="new", update_mask={"paths": ["name"]}).project
    assert (changed.name, changed.description) == ("new", "d")
    assert uid in [project.uid for project in old("ListProjects", page_size=1_000).projects]
    assert old("DeleteProject", project_uid=uid).deleted and not old("DeleteProject", project_uid=uid).deleted
    with pytest.raises(PlainError) as caught:
        old("GetProject", project_uid=uid)
    assert (caught.value.status, caught.value.reason, caught.value.metadata["resource"]) == (
        "NOT_FOUND",
        "NOT_FOUND",
        "project",
    )
    assert old("UndeleteProject", project_uid=uid).project.id == id_


def test_experiments_and_models(old: PlainClient, uid: str, model: str) -> None:
    listed = old("ListExperiments", project_uid=uid).experiments
    assert [one.name for one in listed] == ["e"]
    same = old("CreateModel", experiment_id=listed[0].id, model_id=new_id(), hash="h", allow_existing=True)
    assert same.model.id == model and not same.created
    step = old("AdvanceModel", model_id=model, advance_id=new_id(), delta=3).step
    old("UpdateModelTags", model_id=model, add=["b"], remove=["a"])
    found = old("GetModel", model_hash={"experiment_id": listed[0].id, "hash": "h"}).model
    assert (found.step, step, list(found.tags)) == (3, 3, ["b"])
    module = old("CreateModule", model_id=model, module_id=new_id(), name="optimizer", attributes_json='{"lr": 1}')
    assert old("ListModules", model_id=model).modules == [module.module]
    iteration = old("CreateIteration", model_id=model, iteration_id=new_id(), step=3).iteration
    assert old("ListIterations", model_id=model).iterations == [iteration]


def test_runs(old: PlainClient, model: str) -> None:
    environment = {"host": "h", "rank": 0}
    run = old("CreateRun", model_id=model, run_id=new_id(), environment=environment).run
    old("HeartbeatRun", run_id=run.id)
    ended = old("FinishRun", run_id=run.id, status=2).run
    assert old("ListRuns", model_id=model).runs == [ended]


def test_metrics(old: PlainClient, model: str) -> None:
    points = [{"name": "loss", "float_value": 1 / step, "step": step, "phase": "train"} for step in (1, 2, 4)]
    batch = {"model_id": model, "writer_id": new_id(), "points": points}
    assert [old("LogMetrics", **batch).next_point for _ in range(2)] == [3, 3]
    assert [one.point.float_value for one in old("ListMetrics", model_id=model).metrics] == [1, 0.5, 0.25]
    last = old("GetLastMetric", model_id=model, name="loss", phase="train").metric
    assert (last.point.float_value, last.point.step) == (0.25, 4)
    series = old("ListSeries", model_ids=[model]).series
    assert [(one.name, one.phase, one.count) for one in series] == [("loss", "train", 3)]
    read = old("ReadSeries", keys=[{"model_id": model, "name": "loss", "phase": "train"}])
    assert b"".join(one.points.float_values for one in read) == struct.pack("<3d", 1, 0.5, 0.25)


def test_ingest(old: PlainClient, uid: str, model: str) -> None:
    packed = {"name": "x", "int_values": struct.pack("<4q", *range(4)), "records": struct.pack("<4I", *range(4))}
    event = {"record": 4, "tags": {"add": ["done"]}}
    request = {"project_uid": uid, "writer_id": new_id(), "record_count": 5}
    request["models"] = [{"model_id": model, "series": [packed], "events": [event]}]
    assert old("Ingest", **request).next_record == 5
    stream = [old.message("IngestStreamRequest", batch=request)]
    assert old("IngestStream", stream).next_record == 5
    assert old("ListSeries", model_ids=[model]).series[0].count == 4
    assert list(old("GetModel", model_id=model).model.tags) == ["a", "done"]
    with pytest.raises(PlainError) as caught:
        old("Ingest", **{**request, "first_record": 9})
    assert (caught.value.reason, caught.value.metadata["expected"]) == ("STALE", "5")


def test_chunks_and_commit_and_download(old: PlainClient, uid: str) -> None:
    files = {"a/b.bin": os.urandom(2 * MIB + 5), "c.txt": b"text", "empty": b""}
    version = old.publish(uid, "tree", files)
    assert {path: old.read(version.id, path) for path in files} == files
    listed = old("ListArtifactFiles", version_id=version.id).files
    assert [(one.path, one.digest) for one in listed] == [(path, digest(files[path])) for path in files]
    manifest = [entry for part in old("ReadManifest", version_id=version.id) for entry in part.entries]
    wanted = [key[i : i + 32] for entry in manifest for key in [entry.chunk_digests] for i in range(0, len(key), 32)]
    chunks = [chunk for part in old("ReadChunks", version_id=version.id, digests=wanted) for chunk in part.chunks]
    assert {chunk.digest for chunk in chunks} == {*wanted}
    old("SetArtifactAlias", version_id=version.id, alias="best")
    project_id = old("GetProject", project_uid=uid).project.id
    named = {"project_id": project_id, "name": "tree", "alias": "best"}
    assert old("GetArtifactVersion", artifact_name=named).version.aliases == ["best"]
    assert old("ListArtifactVersions", project_uid=uid).versions[0].id == version.id


def test_cache(old: PlainClient, uid: str) -> None:
    token, process = os.urandom(16), process_of("old.f", lr="0.1")
    fingerprint = fingerprint_of(process)  # a client of 0.1 says no format: it is the first
    key = {"project_uid": uid, "fingerprint": fingerprint}
    assert not old("LookupCacheEntry", **key).HasField("entry")
    assert old("ReserveCacheEntry", **key, token=token, holder="old").HasField("granted")
    plain = old.publish(uid, "input", {"value": b"42"})
    manifest = old("ReadManifest", version_id=plain.id)[0]
    page = old.message("ManifestPage", entries=manifest.entries).SerializeToString()
    made = old(
        "CommitArtifact",
        project_uid=uid,
        version_id=new_id(),
        draft={"name": "result", "type": "cached"},
        manifest={"pages": [{"digest": digest(page), "size_bytes": len(page), "first_path": "value"}]},
        cache_completion={
            "token": token,
            "fingerprint": fingerprint,
            "process": {"name": process.name, "parts": [{**_fields(part)} for part in process.parts]},
        },
    )
    entry = old("LookupCacheEntry", **key).entry
    assert entry.version.id == made.version.id and old.read(entry.version.id) == b"42"
    assert [hit.position for hit in old("LookupCacheEntries", project_uid=uid, fingerprints=[fingerprint]).hits] == [0]


def _fields(part: object) -> dict[str, object]:
    return {name: getattr(part, name) for name in ("kind", "name", "fingerprint", "text")}


def test_search(old: PlainClient, uid: str, model: str) -> None:
    old("LogMetrics", model_id=model, writer_id=new_id(), points=[{"name": "loss", "float_value": 0.5}])
    old("UpdateModel", model_id=model, name="best one", update_mask={"paths": ["name"]})
    for text in ("metrics.loss.last < 1 and name = 'best one'", "tags = 'a'"):
        found = old("SearchModels", project_uid=uid, filter=text, order_by="metrics.loss.last desc")
        assert [one.id for one in found.models] == [model]
    with pytest.raises(PlainError) as caught:
        old("SearchModels", project_uid=uid, filter="loss <")
    assert (caught.value.reason, caught.value.metadata["field"]) == ("INVALID_ARGUMENT", "filter")
