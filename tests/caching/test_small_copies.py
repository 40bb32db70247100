"""Copies of one small file: verified at each use, bounded, and replaced when they are not what they shall be."""

import os
import time
from pathlib import Path

import pytest

import xpstore
from xpstore._results import small_copies
from xpstore._results.copies import LocalCopies
from xpstore.artifact import CachedArtifact

pytestmark = pytest.mark.client


@pytest.fixture
def copy(project: xpstore.Project, cache: Path) -> tuple[CachedArtifact, Path]:
    """A result whose copy is one file, and where that is."""
    artifact = project.cache.get_or_compute("p", {}, lambda: {"a": [1, 2], "b": (None, "x")})
    assert artifact.load() == {"a": [1, 2], "b": (None, "x")}
    return artifact, path_of(artifact, cache)


def path_of(artifact: CachedArtifact, cache: Path) -> Path:
    return cache / "copies" / f"{artifact.digest}-{artifact.size_bytes}{small_copies.SUFFIX}"


def test_a_small_result_is_one_file(copy: tuple[CachedArtifact, Path]) -> None:
    artifact, path = copy
    assert path.is_file() and [*path.parent.glob(f"{artifact.digest}*")] == [path]
    assert path.stat().st_size < artifact.size_bytes + 100


@pytest.mark.parametrize("place", [0, 3, 4, 20, -10, -1])
def test_a_damaged_byte_is_noticed(copy: tuple[CachedArtifact, Path], place: int) -> None:
    artifact, path = copy
    sound = path.read_bytes()
    damaged = bytearray(sound)
    damaged[place] ^= 1
    path.write_bytes(damaged)
    assert artifact.load() == {"a": [1, 2], "b": (None, "x")}
    assert path.read_bytes() == sound, "it was fetched again"


@pytest.mark.parametrize("kept", [0, 3, 10])
def test_a_shortened_copy_is_noticed(copy: tuple[CachedArtifact, Path], kept: int) -> None:
    artifact, path = copy
    path.write_bytes(path.read_bytes()[:kept])
    assert artifact.load() == {"a": [1, 2], "b": (None, "x")}


def test_a_sound_copy_of_another_result_is_not_taken(
    project: xpstore.Project, copy: tuple[CachedArtifact, Path], cache: Path
) -> None:
    artifact, path = copy
    other = project.cache.get_or_compute("q", {}, lambda: {"a": [1, 2], "b": (None, "y")})
    path.write_bytes(path_of(other, cache).read_bytes())
    assert artifact.load()["b"] == (None, "x")


def test_a_copy_counts_as_used_when_it_is_read(copy: tuple[CachedArtifact, Path]) -> None:
    artifact, path = copy
    os.utime(path, (1, 1))
    artifact.load()
    assert time.time() - path.stat().st_mtime < small_copies._USED_SECONDS


def test_the_least_recently_used_go(project: xpstore.Project, tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path / "bounded", 10 * (16 << 10))
    for number in range(40):
        artifact = project.cache.get_or_compute("p", {"n": number}, lambda number=number: number)  # type: ignore[misc]
        copies.using(project._client, artifact._wire, lambda copy: copy.read("value.json"))
        for age, path in enumerate(sorted((tmp_path / "bounded").iterdir(), key=lambda one: -one.stat().st_mtime)):
            os.utime(path, (time.time() - age - 100, time.time() - age - 100))
    assert 1 <= len([*(tmp_path / "bounded").iterdir()]) <= 10
