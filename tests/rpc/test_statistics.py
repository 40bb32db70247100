"""What a project holds and has saved, and lists of what was deleted."""

import os
from pathlib import Path

import pytest

import xpstore
from support.search.searching import page_of
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.artifact import DirectoryArtifact
from xpstore.client import Client
from xpstore.project import Project
from xpstore.v1 import artifact_pb2, project_pb2, run_pb2

MIB = 1 << 20


def statistics_of(project: Project) -> project_pb2.GetProjectStatisticsResponse:
    request = project_pb2.GetProjectStatisticsRequest(project_uid=project.uid)
    return project._client.call(project._client.stubs.projects.GetProjectStatistics, request)


def test_empty_project_has_nothing(project: Project) -> None:
    assert statistics_of(project) == project_pb2.GetProjectStatisticsResponse()


def test_what_is_there_is_counted(project: Project, client: Client, tmp_path: Path) -> None:
    models = [project.experiment(name).model(hash_) for name in ("e", "f") for hash_ in ("a", "b")]
    for model in models[:2]:
        run = run_pb2.CreateRunRequest(model_id=str(model.id), run_id=new_id())
        client.call(client.stubs.runs.CreateRun, run)
    ended = run_pb2.FinishRunRequest(run_id=run.run_id, status=run_pb2.RUN_STATUS_FINISHED)
    client.call(client.stubs.runs.FinishRun, ended)
    data = os.urandom(4 * MIB)
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(data)
        DirectoryArtifact.save(tmp_path / name, name, project=project)
    gone = DirectoryArtifact.save(tmp_path / "one", "one", metadata={"a": 1}, project=project)
    gone.delete()

    @xpstore.cached(project=project)
    def twice(number: int) -> int:
        return 2 * number

    assert [twice(1), twice(1), twice(2)] == [2, 2, 4]
    found = statistics_of(project)
    assert (found.experiment_count, found.model_count, found.running_model_count) == (2, 4, 1)
    assert (found.artifact_count, found.version_count) == (2 + len({"twice"}), 2 + 2)
    assert found.version_bytes >= 8 * MIB and 4 * MIB <= found.stored_bytes < 5 * MIB, "the same bytes once"
    assert found.cache_entry_count == 2 and found.cache_hits <= 1
    newest = max(model.updated_at for model in models)
    assert found.active_at_us >= newest.timestamp() * 1e6


def test_project_that_is_not_there_has_no_statistics(project: Project) -> None:
    project.delete()
    with pytest.raises(errors.NotFound):
        statistics_of(project)


def deleted_projects(client: Client) -> list[project_pb2.Project]:
    request, found = project_pb2.ListProjectsRequest(deleted=True, page_size=1_000), list[project_pb2.Project]()
    while True:
        answer = client.call(client.stubs.projects.ListProjects, request)
        found += answer.projects
        if not answer.next_page_token:
            return found
        request.page_token = answer.next_page_token


def test_deleted_projects_are_listed_until_they_come_back(client: Client) -> None:
    project = client.project(f"gone {new_id()}").open()
    assert project.uid not in {one.uid for one in deleted_projects(client)}
    project.delete()
    (found,) = [one for one in deleted_projects(client) if one.uid == project.uid]
    assert found.id == project.id and found.deleted_at_us >= found.created_at_us
    assert all(one.HasField("deleted_at_us") and one.id for one in deleted_projects(client)), (
        "nothing of the server's own"
    )
    back = client.call(
        client.stubs.projects.UndeleteProject, project_pb2.UndeleteProjectRequest(project_uid=project.uid)
    )
    assert not back.project.HasField("deleted_at_us")
    assert project.uid not in {one.uid for one in deleted_projects(client)}


def test_deleted_versions_are_listed_until_they_come_back(project: Project, client: Client, tmp_path: Path) -> None:
    versions = []
    for number in range(5):
        (tmp_path / "f").write_text(str(number))
        versions.append(DirectoryArtifact.save(tmp_path / "f", ["a", "b"][number % 2], project=project))
    for version in versions[1:4]:
        version.delete()

    def listed(**filters: object) -> list[str]:
        asked = {"project_uid": project.uid, "page_size": 2, **filters}
        request, found = artifact_pb2.ListArtifactVersionsRequest(**asked), list[str]()  # type: ignore[arg-type]
        while True:
            answer = client.call(client.stubs.artifacts.ListArtifactVersions, request)
            assert all(one.HasField("deleted_at_us") is request.deleted for one in answer.versions)
            found += [one.id for one in answer.versions]
            if not answer.next_page_token:
                return found
            request.page_token = answer.next_page_token

    ids = [str(version.id) for version in versions]
    assert listed(deleted=True) == ids[1:4] and listed() == [ids[0], ids[4]]
    assert listed(deleted=True, name="b") == [ids[1], ids[3]] == [*listed(deleted=True, name="b", version=1), ids[3]]
    assert listed(deleted=True, descending=True) == ids[1:4][::-1]
    back = artifact_pb2.UndeleteArtifactVersionRequest(version_id=ids[2])
    client.call(client.stubs.artifacts.UndeleteArtifactVersion, back)
    assert listed(deleted=True) == [ids[1], ids[3]] and page_of(client, project).models == []
