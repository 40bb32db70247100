"""Saving artifacts: versions, identity, names, and what an artifact says about itself."""

import os
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

import xpstore
from support.raw import tree_digest
from xpstore import errors
from xpstore.artifact import (
    Artifact,
    DatasetArtifact,
    DirectoryArtifact,
    ExplanationArtifact,
    TrainedModelArtifact,
)

CLASSES = [DirectoryArtifact, TrainedModelArtifact, ExplanationArtifact, DatasetArtifact]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small tree."""
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"alpha")
    (folder / "deep" / "b.bin").write_bytes(os.urandom(3000))
    return folder


@pytest.mark.store
def test_saved_folder_is_there_for_everyone_under_its_name(
    client: xpstore.Client, project: xpstore.Project, folder: Path
) -> None:
    before = datetime.now(UTC)
    saved = DirectoryArtifact.save(folder, "run-7", description="the first", metadata={"epoch": 3, "ratio": 0.5})
    found = DirectoryArtifact.get_by_name("run-7")
    assert found == saved and hash(found) == hash(saved)
    assert (found.name, found.version, found.type_) == ("run-7", 1, "directory")
    assert (found.description, found.metadata) == ("the first", {"epoch": 3, "ratio": 0.5})
    assert found.size_bytes == 3005
    assert (found.aliases, found.used, found.model, found.step) == ([], [], None, None)
    assert (found.created_by, found.updated_by) == ("admin", "admin")
    assert abs((found.created_at - before).total_seconds()) < 60 and found.created_at.tzinfo is UTC
    assert found.updated_at >= found.created_at
    assert (found.project_id, found.project) == (project.id, project)
    assert Artifact.get_by_id(found.id).project_id == project.id


def test_single_file_is_saved_under_its_own_name(project: xpstore.Project, folder: Path) -> None:
    for source in (folder / "a.txt", str(folder / "a.txt")):
        files = DirectoryArtifact.save(source, "one").files()
        assert [(file.path, file.size_bytes, file.is_directory) for file in files] == [("a.txt", 5, False)]


def test_bytes_are_saved_as_one_file(project: xpstore.Project) -> None:
    saved = DirectoryArtifact.save(b"some bytes", "bytes")
    assert [file.path for file in saved.files()] == ["data"]
    assert saved.open().read() == b"some bytes"


@pytest.mark.parametrize("kind", CLASSES)
def test_each_kind_is_found_as_itself(kind: type[Artifact], project: xpstore.Project, folder: Path) -> None:
    name = kind.__name__
    saved = kind.save(folder, name)
    assert type(saved) is kind
    for found in (kind.get_by_id(saved.id), kind.get_by_name(name), Artifact.get_by_name(name)):
        assert type(found) is kind and found == saved
    assert kind.load_all() == [saved]
    other = next(one for one in CLASSES if one is not kind)
    with pytest.raises(errors.NotFound, match=kind.__name__):
        other.get_by_name(name)
    with pytest.raises(errors.NotFound):
        other.get_by_id(saved.id)


def test_load_all_returns_versions_of_its_kind_in_the_current_project(project: xpstore.Project, folder: Path) -> None:
    first = DirectoryArtifact.save(b"1", "x")
    second = DirectoryArtifact.save(b"2", "x")
    third = DatasetArtifact.save(b"3", "y")
    assert DirectoryArtifact.load_all() == [first, second]
    assert Artifact.load_all() == [first, second, third]
    with xpstore.Project(id=f"{project.id} other"):
        assert Artifact.load_all() == []
        assert Artifact.load_all(project=project) == [first, second, third]
        with pytest.raises(errors.NotFound):
            DirectoryArtifact.get_by_name("x")
        assert DirectoryArtifact.get_by_name("x", project=project) == second


@pytest.mark.client
def test_digests_are_the_documented_ones(project: xpstore.Project, tmp_path: Path) -> None:
    files: dict[str, bytes | None] = {
        "z/last.bin": os.urandom(2_500_000),
        "run.sh": b"#!/bin/sh\n",
        "empty": b"",
        "hollow": None,
        "ü/naïve 文.txt": "ü".encode(),
        "a.b/c": b"1",
        "a/b": b"2",
        "a-b": b"3",
    }
    for path, data in files.items():
        target = tmp_path / "source" / path
        if data is None:
            target.mkdir(parents=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    (tmp_path / "source" / "run.sh").chmod(0o755)
    saved = DirectoryArtifact.save(tmp_path / "source", "digests")
    assert saved.digest == tree_digest(files, executable=["run.sh"]).hex()
    listed = saved.files()
    assert [file.path for file in listed] == sorted(files, key=str.encode)
    for file in listed:
        data = files[file.path]
        assert file.digest == ("" if data is None else blake3(data).hexdigest())
        assert (file.is_directory, file.executable) == (data is None, file.path == "run.sh")
        assert file.size_bytes == len(data or b"")


def test_content_of_the_newest_version_makes_no_new_one(project: xpstore.Project, folder: Path) -> None:
    first = DirectoryArtifact.save(folder, "same", description="said", metadata={"a": 1})
    again = DirectoryArtifact.save(folder, "same")
    told_again = DirectoryArtifact.save(folder, "same", description="said", metadata={"a": 1.0})
    assert first.id == again.id == told_again.id
    assert (again.version, again.description, again.metadata) == (1, "said", {"a": 1})
    assert len(first.versions()) == 1


def test_a_b_a_makes_three_versions(project: xpstore.Project) -> None:
    versions = [DirectoryArtifact.save(data, "aba") for data in (b"A", b"B", b"A")]
    assert [one.version for one in versions] == [1, 2, 3]
    assert len({one.id for one in versions}) == 3
    assert versions[0].digest == versions[2].digest != versions[1].digest
    assert versions[0].versions() == versions
    assert DirectoryArtifact.get_by_name("aba", version=1) == versions[0]


@pytest.mark.parametrize(
    "options",
    [{"description": "other"}, {"description": ""}, {"metadata": {"a": 2}}, {"metadata": {}}, {"force": True}],
    ids=str,
)
def test_same_content_with_something_new_to_say_makes_a_version(
    options: dict[str, Any], project: xpstore.Project
) -> None:
    first = DirectoryArtifact.save(b"A", "told", description="said", metadata={"a": 1})
    second = DirectoryArtifact.save(b"A", "told", **options)
    assert (second.version, second.digest) == (2, first.digest)
    assert first.refresh().description == "said"


def test_hash_depends_on_the_content_alone(project: xpstore.Project) -> None:
    first = DirectoryArtifact.save(b"A", "one")
    second = DatasetArtifact.save(b"A", "two", metadata={"a": 1})
    assert first.hash_ == second.hash_ and len(first.hash_) == 64
    assert DirectoryArtifact.save(b"B", "one").hash_ != first.hash_


def test_name_has_one_kind(project: xpstore.Project) -> None:
    DirectoryArtifact.save(b"A", "kind")
    with pytest.raises(errors.InvalidArgument, match="directory") as caught:
        DatasetArtifact.save(b"A", "kind")
    assert caught.value.metadata["field"] == "draft.type"
    assert len(Artifact.load_all()) == 1


def test_numbers_are_never_used_again(project: xpstore.Project) -> None:
    DirectoryArtifact.save(b"1", "numbers")
    second = DirectoryArtifact.save(b"2", "numbers")
    second.delete()
    third = DirectoryArtifact.save(b"2", "numbers")
    assert third.version == 3
    third.delete(all_versions=True)
    with pytest.raises(errors.NotFound):
        DirectoryArtifact.get_by_name("numbers")
    assert DirectoryArtifact.save(b"1", "numbers").version == 4


def test_version_or_alias_that_is_not_there_is_not_found(project: xpstore.Project) -> None:
    DirectoryArtifact.save(b"1", "x")
    for selector in ({"version": 2}, {"version": 0}, {"version": -1}, {"alias": "prod"}):
        with pytest.raises(errors.NotFound) as caught:
            DirectoryArtifact.get_by_name("x", **selector)
        assert caught.value.metadata["value"] == f"x@{next(iter(selector.values()))}"
    with pytest.raises(errors.InvalidArgument):
        DirectoryArtifact.get_by_name("x", version=1, alias="prod")
    with pytest.raises(errors.NotFound):
        DirectoryArtifact.get_by_id("6f1c2b9e-4d1f-4c55-9a57-3d8f0d3c2a11")
    with pytest.raises(errors.InvalidArgument):
        DirectoryArtifact.get_by_id("nonsense")


def test_deleted_version_is_hidden_and_comes_back(project: xpstore.Project) -> None:
    first, second = (DirectoryArtifact.save(data, "x") for data in (b"1", b"2"))
    second.delete()
    second.delete()
    assert first.versions() == [first]
    assert DirectoryArtifact.get_by_name("x") == first
    for use in (second.files, second.open, second.refresh, lambda: second.alias("prod")):
        with pytest.raises(errors.NotFound):
            use()
    second.undelete()
    assert DirectoryArtifact.get_by_name("x") == second
    assert second.open().read() == b"2"


def test_all_versions_are_deleted_at_once(project: xpstore.Project) -> None:
    first, second = (DirectoryArtifact.save(data, "x") for data in (b"1", b"2"))
    other = DirectoryArtifact.save(b"1", "y")
    first.delete(all_versions=True)
    first.delete(all_versions=True)
    assert Artifact.load_all() == [other]
    second.undelete()
    assert DirectoryArtifact.get_by_name("x") == second


def test_renaming_renames_all_versions(project: xpstore.Project) -> None:
    first, second = (DirectoryArtifact.save(data, "before") for data in (b"1", b"2"))
    taken = DirectoryArtifact.save(b"3", "taken")
    first.name = "after"
    assert first.name == "after"
    assert second.refresh().name == "after"
    assert DirectoryArtifact.get_by_name("after", version=2) == second
    with pytest.raises(errors.NotFound):
        DirectoryArtifact.get_by_name("before")
    with pytest.raises(errors.AlreadyExists) as caught:
        first.name = "taken"
    assert (caught.value.metadata["field"], caught.value.metadata["value"]) == ("name", "taken")
    assert (first.name, DirectoryArtifact.get_by_name("taken")) == ("after", taken)
    with pytest.raises(errors.InvalidArgument):
        first.name = ""
    assert first.refresh().name == "after"


def test_name_that_was_given_away_is_refused_for_the_right_reason(project: xpstore.Project) -> None:
    moved = DirectoryArtifact.save(b"1", "o1")
    moved.name = "o2"
    other = DirectoryArtifact.save(b"2", "o1")
    with pytest.raises(errors.AlreadyExists) as caught:
        moved.name = "o1"
    assert "There is already an artifact with name 'o1'. Choose another name. It may be" in str(caught.value)
    assert (DirectoryArtifact.get_by_name("o1"), DirectoryArtifact.get_by_name("o2")) == (other, moved)
    other.delete(all_versions=True)
    with pytest.raises(errors.AlreadyExists, match="may be that of a deleted artifact: that keeps it"):
        moved.name = "o1"


def test_description_is_of_one_version(project: xpstore.Project) -> None:
    first, second = (DirectoryArtifact.save(data, "x") for data in (b"1", b"2"))
    first.description = "mine"
    assert DirectoryArtifact.get_by_id(first.id).description == "mine"
    assert first.updated_at > first.created_at
    assert second.refresh().description is None
    first.description = None
    assert DirectoryArtifact.get_by_id(first.id).description is None


@pytest.mark.client
def test_nothing_but_name_and_description_can_be_assigned(project: xpstore.Project) -> None:
    artifact = DirectoryArtifact.save(b"1", "x", metadata={"a": 1})
    names = [
        "id",
        "version",
        "digest",
        "hash_",
        "size_bytes",
        "aliases",
        "metadata",
        "model",
        "step",
        "used",
        "project",
    ]
    for name in [*names, "project_id", "type_", "created_at", "created_by", "updated_at", "updated_by", "invented"]:
        with pytest.raises(AttributeError, match=name):
            setattr(artifact, name, "something")
    artifact.metadata["a"] = 2
    assert artifact.refresh().metadata == {"a": 1}
    with pytest.raises(TypeError, match="save"):
        DirectoryArtifact()


@pytest.mark.client
def test_repr_is_short(project: xpstore.Project) -> None:
    artifact = DirectoryArtifact.save(b"1" * 10_000, "x", description="d" * 1000, metadata={"a": "b" * 1000})
    assert repr(artifact) == "DirectoryArtifact(name='x', version=1, size_bytes=10000)"


def test_save_without_waiting_returns_a_future(project: xpstore.Project, folder: Path) -> None:
    futures = [DirectoryArtifact.save(folder / "a.txt", f"future {i}", wait=False) for i in range(3)]
    assert all(isinstance(one, Future) for one in futures)
    saved = [future.result(30) for future in futures]
    assert [one.name for one in saved] == [f"future {i}" for i in range(3)]
    assert all(type(one) is DirectoryArtifact for one in saved)
    with pytest.raises(errors.InvalidArgument):
        DirectoryArtifact.save(b"", "", wait=False).result(30)


@pytest.mark.parametrize(
    "options",
    [
        {"name": ""},
        {"name": "n" * 257},
        {"name": "nul\x00"},
        {"description": "nul\x00"},
        {"description": "d" * 16_385},
        {"metadata": {"a": float("nan")}},
        {"metadata": {"a": object()}},
        {"metadata": ["a"]},
        {"aliases": ["7"]},
        {"aliases": ["has space"]},
        {"step": 3},
        {"used": ["nonsense"]},
    ],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.client
def test_malformed_option_is_refused_and_nothing_is_saved(options: dict[str, Any], project: xpstore.Project) -> None:
    with pytest.raises(errors.InvalidArgument):
        DirectoryArtifact.save(b"x", **{"name": "refused", **options})
    assert Artifact.load_all() == []


@pytest.mark.client
def test_save_needs_a_session_and_a_project(client: xpstore.Client) -> None:
    with pytest.raises(errors.NoProject):
        DirectoryArtifact.save(b"x", "x")
    with pytest.raises(errors.NoProject):
        DirectoryArtifact.load_all()
