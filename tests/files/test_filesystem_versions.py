"""One operation of fsspec sees one version, whatever its name stands for meanwhile."""

import io
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest

import xpstore
from support.folders import lay
from xpstore.artifact import DirectoryArtifact
from xpstore.filesystem import XpstoreFileSystem

pytestmark = pytest.mark.client

NUMBER = 12


@pytest.fixture
def fs(project: xpstore.Project) -> XpstoreFileSystem:
    found: XpstoreFileSystem = fsspec.filesystem("xpstore", skip_instance_cache=True)
    return found


@pytest.fixture
def versions(project: xpstore.Project, tmp_path: Path) -> list[DirectoryArtifact]:
    """Two versions of the same names: in each file stands which one it is of."""
    return [
        DirectoryArtifact.save(
            lay(tmp_path / text, {f"{n % 3}/{n}": text.encode() * (n + 1) for n in range(NUMBER)}),
            "al",
            aliases=["good"],
        )
        for text in "12"
    ]


@contextmanager
def moving(fs: XpstoreFileSystem, versions: list[DirectoryArtifact], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Has the alias stand for the other version after each call to the service."""
    client, turn = fs._client, [0]
    call = client.call

    def moved(method: Any, request: Any, **options: Any) -> Any:
        answer = call(method, request, **options)
        if not type(request).__name__.startswith("SetArtifactAlias"):
            turn[0] += 1
            versions[turn[0] % 2].alias("good")
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(client, "call", moved)
        yield


def got(get: Callable[..., object], path: str, folder: str) -> dict[str, bytes]:
    get(path, folder, recursive=True)
    return {path.name: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


OPERATIONS: dict[str, Callable[[XpstoreFileSystem, str, Path], Any]] = {
    "get": lambda fs, root, folder: got(fs.get, root, str(folder)),
    "download": lambda fs, root, folder: got(fs.download, f"{root}/*/*", f"{folder}/"),
    "cat": lambda fs, root, _: {
        Path(name).name: data for name, data in fs.cat(root, recursive=True, on_error="omit").items()
    },
    "cat by pattern": lambda fs, root, _: {Path(name).name: data for name, data in fs.cat(f"{root}/*/*").items()},
    "find": lambda fs, root, _: {Path(name).name: each for name, each in fs.find(root, detail=True).items()},
    "glob": lambda fs, root, _: {Path(name).name: each for name, each in fs.glob(f"{root}/**", detail=True).items()},
    "walk": lambda fs, root, _: {
        name: each for _, _, files in fs.walk(root, detail=True) for name, each in files.items()
    },
    "cat_ranges": lambda fs, root, _: {
        str(n): data
        for n, data in enumerate(fs.cat_ranges([f"{root}/{n % 3}/{n}" for n in range(NUMBER)], 0, [99] * NUMBER))
    },
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_sees_one_version(
    name: str,
    fs: XpstoreFileSystem,
    project: xpstore.Project,
    versions: list[DirectoryArtifact],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with moving(fs, versions, monkeypatch):
        for turn in range(2):
            found = OPERATIONS[name](fs, f"{project.id}/al@good", tmp_path / f"out {turn}")
            found = {name: each for name, each in found.items() if name.isdigit() and not _is_directory(name, each)}
            seen = {each["version"] if isinstance(each, dict) else each[:1] for each in found.values()}
            assert len(found) == NUMBER - 3 * (name == "glob") or name == "glob", sorted(found)
            assert len(seen) == 1, found


def _is_directory(name: str, each: Any) -> bool:
    return isinstance(each, dict) and each["type"] == "directory"


def test_the_next_operation_sees_the_newest(
    fs: XpstoreFileSystem, project: xpstore.Project, versions: list[DirectoryArtifact]
) -> None:
    root = f"{project.id}/al@good"
    for version in (*versions, *versions):
        version.alias("good")
        assert fs.cat(f"{root}/0/0") == b"%d" % version.version
        assert {info["version"] for info in fs.find(root, detail=True).values()} == {version.version}
        steps = fs.walk(root, detail=True)
        next(steps)
        assert fs.info(root)["version"] == version.version, "a walk that is under way is not this call's"


def test_two_operations_at_once_see_a_version_each(
    fs: XpstoreFileSystem, project: xpstore.Project, versions: list[DirectoryArtifact], tmp_path: Path
) -> None:
    is_done = threading.Event()

    def move() -> None:
        while not is_done.is_set():
            for version in versions:
                version.alias("good")

    threads = [threading.Thread(target=move)]
    seen: list[set[bytes]] = []

    def get(number: int) -> None:
        for turn in range(4):
            folder = tmp_path / f"{number} {turn}"
            fs.get(f"{project.id}/al@good", str(folder), recursive=True)
            seen.append({path.read_bytes()[:1] for path in folder.rglob("*") if path.is_file()})

    threads[0].start()
    getters = [threading.Thread(target=get, args=(number,)) for number in range(2)]
    for thread in getters:
        thread.start()
    for thread in getters:
        thread.join()
    is_done.set()
    threads[0].join()
    assert [len(each) for each in seen] == [1] * 8


def test_targets_are_of_the_folder_of_the_call(
    fs: XpstoreFileSystem,
    project: xpstore.Project,
    versions: list[DirectoryArtifact],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    call = fs._client.call

    def moved(*arguments: Any, **options: Any) -> Any:
        os.chdir(there)
        return call(*arguments, **options)

    monkeypatch.setattr(fs._client, "call", moved)
    gets: tuple[Callable[[], object], ...] = (
        lambda: fs.get_file(f"{project.id}/al@2/0/0", "one"),
        lambda: fs.get(f"{project.id}/al@2/0/0", "two"),
        lambda: fs.get(f"{project.id}/al@2", "three", recursive=True),
        lambda: fs.get([f"{project.id}/al@2/0/0", f"{project.id}/al@2/1/1"], ["four", "five"]),
        lambda: fs.get_file(f"{project.id}/al@2/0", "six"),
    )
    for get in gets:
        monkeypatch.chdir(here)
        get()
    assert sorted(path.name for path in here.iterdir()) == ["five", "four", "one", "six", "three", "two"]
    assert list(there.iterdir()) == []


def test_open_files_are_pickled_with_version_and_position(
    fs: XpstoreFileSystem, project: xpstore.Project, versions: list[DirectoryArtifact]
) -> None:
    with fs.open(f"{project.id}/al@good/2/11") as file:
        assert file.read(3) == b"222"
        versions[0].alias("good")
        again = pickle.loads(pickle.dumps(file))
        assert (again.tell(), again.read(), again.size) == (3, b"2" * 9, 12)
        assert file.read() == b"2" * 9


def test_blocks_are_kept_by_blockcache(fs: XpstoreFileSystem, project: xpstore.Project, tmp_path: Path) -> None:
    """Of the version that was opened, also after its name stands for another."""
    data = os.urandom(1_000_000)
    saved = DirectoryArtifact.save(data, "blocks", aliases=["good"])
    path = f"{project.id}/blocks@good/data"
    blocks = fsspec.filesystem("blockcache", fs=fs, cache_storage=str(tmp_path / "kept"))
    with blocks.open(path, block_size=1 << 16) as file:
        assert file.read(10) == data[:10]
        DirectoryArtifact.save(os.urandom(1_000_000), "blocks", aliases=["good"])
        file.seek(500_000)
        assert file.read(100_000) == data[500_000:600_000]
        file.seek(-5, io.SEEK_END)
        assert file.read() == data[-5:]
    saved.alias("good")
    with blocks.open(path, block_size=1 << 16) as file:
        file.cache.fetcher = lambda *_: pytest.fail("it was kept")
        assert file.read(10) == data[:10]
    url = f"blockcache::xpstore://{project.id}/blocks@1/data"
    for _ in range(2):
        with fsspec.open(url, blockcache={"cache_storage": str(tmp_path / "whole")}) as file:
            assert file.read() == data


def test_frames_are_read_in_parts_of_one_version(project: xpstore.Project, tmp_path: Path) -> None:
    (tmp_path / "table").mkdir()
    for number in range(3):
        pd.DataFrame({"x": [number]}).to_parquet(tmp_path / "table" / f"{number}.parquet")
    DirectoryArtifact.save(tmp_path / "table", "table")
    assert sorted(pd.read_parquet(f"xpstore://{project.id}/table@1")["x"]) == [0, 1, 2]
