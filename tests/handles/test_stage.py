"""Staging: many processes bring files, and one of them publishes all as one version."""

import multiprocessing
import os
import pickle
from pathlib import Path

import pytest

import xpstore
from support.raw import tree_digest
from support.services import Server
from xpstore import errors
from xpstore.artifact import Artifact, DirectoryArtifact, Staged, stage

RANKS = 8


def stage_rank(api_key: str, address: str, project_id: str, folder: str, rank: int) -> Staged:
    """What one rank of a training job does."""
    xpstore.init(api_key, address)
    with xpstore.Project(project_id):
        return stage(os.path.join(folder, str(rank)))


@pytest.mark.store
def test_eight_processes_stage_one_version(project: xpstore.Project, server: Server, tmp_path: Path) -> None:
    files: dict[str, bytes | None] = {f"shard-{rank}.bin": os.urandom(400_000) for rank in range(RANKS)}
    files["config.json"] = b"{}"
    for rank in range(RANKS):
        for name in (f"shard-{rank}.bin", "config.json"):
            path = tmp_path / str(rank) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(files[name] or b"")
    with multiprocessing.get_context("spawn").Pool(RANKS) as pool:
        arguments = (server.api_key, server.address, project.id, str(tmp_path))
        staged = pool.starmap(stage_rank, [(*arguments, rank) for rank in range(RANKS)])
    assert Artifact.load_all() == []
    committed = DirectoryArtifact.commit(staged, "checkpoint", aliases=["newest"], metadata={"ranks": RANKS})
    assert committed.digest == tree_digest(files).hex()
    assert (committed.version, committed.aliases, committed.metadata) == (1, ["newest"], {"ranks": RANKS})
    for name, data in files.items():
        assert committed.open(name).read() == data
    assert DirectoryArtifact.commit(staged[::-1], "checkpoint") == committed


@pytest.mark.client
def test_staged_files_are_small_and_travel(project: xpstore.Project, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(os.urandom(1_000_000))
    staged = stage(tmp_path / "a")
    assert (staged.project_id, staged.size_bytes) == (project.id, 1_000_000)
    travelled = pickle.loads(pickle.dumps(staged))
    assert travelled == staged and len(pickle.dumps(staged)) < 1000
    assert [file.path for file in DirectoryArtifact.commit([travelled], "x").files()] == ["a"]


@pytest.mark.client
def test_directory_that_is_empty_in_one_part_is_filled_by_another(project: xpstore.Project, tmp_path: Path) -> None:
    for part, path in (("0", "logs"), ("1", "logs/deep"), ("2", "logs/deep/er/x")):
        (tmp_path / part / path).mkdir(parents=True)
    (tmp_path / "2" / "logs" / "deep" / "file").write_bytes(b"1")
    committed = DirectoryArtifact.commit([stage(tmp_path / part) for part in "012"], "logs")
    assert [file.path for file in committed.files()] == ["logs/deep/er/x", "logs/deep/file"]


@pytest.mark.client
def test_parts_that_contradict_each_other_are_refused(project: xpstore.Project, tmp_path: Path) -> None:
    parts = []
    for part in "01":
        (tmp_path / part).mkdir()
        (tmp_path / part / "same").write_text(part)
        parts.append(stage(tmp_path / part))
    with pytest.raises(errors.InvalidArgument, match="same"):
        DirectoryArtifact.commit(parts, "x")
    (tmp_path / "2").write_bytes(b"")
    (tmp_path / "3" / "2").mkdir(parents=True)
    (tmp_path / "3" / "2" / "below").write_bytes(b"")
    with pytest.raises(errors.InvalidArgument, match="below"):
        DirectoryArtifact.commit([stage(tmp_path / "2"), stage(tmp_path / "3")], "x")
    with xpstore.Project(f"{project.id} other"), pytest.raises(errors.InvalidArgument, match="belongs to the project"):
        DirectoryArtifact.commit(parts[:1], "x")
    assert Artifact.load_all(project=project) == []


@pytest.mark.client
def test_nothing_staged_is_an_empty_version(project: xpstore.Project) -> None:
    assert DirectoryArtifact.commit([], "nothing").files() == []
