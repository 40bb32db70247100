"""Trees that are deeper than Python recurses, and folders that many links lead to."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

import xpstore
from xpstore._files.folder import remove_tree
from xpstore._files.scan import scan
from xpstore._results.copies import LocalCopies
from xpstore.artifact import DirectoryArtifact
from xpstore.errors import InvalidArgument

pytestmark = pytest.mark.client

DEPTH = 1_200  # with names of one letter a path of 2.4 kB: the longest that is promised has 4 KiB


@pytest.fixture
def shallow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which deep trees may be left: what removes folders after tests recurses too."""
    monkeypatch.setenv("XPSTORE_CACHE", str(tmp_path / "cache"))
    yield tmp_path
    subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)


def dig(folder: Path, depth: int) -> Path:
    for _ in range(depth):
        folder /= "d"
        folder.mkdir()
    return folder


def test_deep_tree_is_saved_and_comes_back(project: xpstore.Project, shallow: Path) -> None:
    source = shallow / "source"
    source.mkdir()
    bottom = dig(source, DEPTH)
    (bottom / "file").write_bytes(b"deep down")
    (bottom / "empty").mkdir()
    for folder in [*bottom.parents][:DEPTH:100]:  # with files on the way down too
        (folder / "file").write_bytes(str(folder).encode())
    saved = DirectoryArtifact.save(source, "deep")
    target = saved.download(shallow / "target")
    restored = target / bottom.relative_to(source)
    assert (restored / "file").read_bytes() == b"deep down"
    assert (restored.parents[100] / "file").read_bytes() == str(bottom.parents[100]).encode()
    assert list((restored / "empty").iterdir()) == []
    assert DirectoryArtifact.save(target, "deep") == saved


def test_path_that_no_system_call_takes_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"cannot be read \(File name too long"):
        scan(tmp_path / ("x" * 300))


def test_link_that_leads_back_is_found_however_deep(shallow: Path) -> None:
    source = shallow / "source"
    source.mkdir()
    bottom = dig(source, DEPTH)
    (bottom / "back").symlink_to(source / "d")
    with pytest.raises(InvalidArgument, match="this link leads back"):
        scan(source)


def test_every_way_through_links_is_a_path_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "0"
    folder.mkdir()
    (folder / "file").write_bytes(b"x")
    for level in range(1, 11):
        above = tmp_path / str(level)
        above.mkdir()
        for name in ("a", "b"):
            (above / name).symlink_to(folder)
        folder = above
    paths = [source.path for source in scan(folder)]
    assert len(set(paths)) == 1 << 10
    assert paths == sorted(paths)
    assert paths[0] == "a/" * 10 + "file"


@pytest.fixture
def few_frames() -> Iterator[int]:
    """Python recurses less than usual, so that a tree of so many levels is deep: each level costs six calls here."""
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    yield 300
    sys.setrecursionlimit(usual)


def test_deep_tree_is_found_and_got_through_fsspec(project: xpstore.Project, shallow: Path, few_frames: int) -> None:
    source = shallow / "source"
    source.mkdir()
    (dig(source, few_frames) / "file").write_bytes(b"deep down")
    DirectoryArtifact.save(source, "deep")
    fs, root = fsspec.filesystem("xpstore", skip_instance_cache=True), f"{project.id}/deep@1"
    path = f"{root}/{'d/' * few_frames}file"
    assert fs.find(root) == [path]
    steps = list(fs.walk(root, topdown=False))
    assert len(steps) == few_frames + 1 and steps[0] == (path.removesuffix("/file"), [], ["file"])
    assert fs.cat(root, recursive=True, on_error="omit") == {path: b"deep down"}
    fs.get(root, str(shallow / "target"), recursive=True)
    assert (shallow / "target" / ("d/" * few_frames) / "file").read_bytes() == b"deep down"


def test_deep_file_is_loaded_and_its_copy_removed(project: xpstore.Project, shallow: Path) -> None:
    source = shallow / "source"
    source.mkdir()
    bottom = dig(source, DEPTH)
    (bottom / "small.json").write_text("[1]")
    (bottom / "large.json").write_text(f"[{'1, ' * 200_000}2]")
    saved = DirectoryArtifact.save(source, "deep")
    copies = LocalCopies(shallow / "copies", 1 << 30)
    for name, found in (("small", 1), ("large", 200_001)):
        assert len(saved.load(f"{'d/' * DEPTH}{name}.json")) == found
    copies.using(saved._client, saved._wire, lambda copy: copy.path("d"))
    copies.drop(bytes.fromhex(saved.digest), saved.size_bytes)
    assert os.listdir(shallow / "copies") == []


@xpstore.cached(name="deep folder", version=1)
def a_deep_folder(folder: str) -> Path:
    return Path(folder)


def test_deep_folder_is_a_result(project: xpstore.Project, shallow: Path) -> None:
    source = shallow / "source"
    source.mkdir()
    (dig(source, DEPTH // 2) / "file").write_bytes(b"deep down")
    a_deep_folder(str(source))
    hit = a_deep_folder(str(source))
    assert (hit / ("d/" * (DEPTH // 2)) / "file").read_bytes() == b"deep down"


def test_removing_a_tree_follows_no_link_and_leaves_nothing(shallow: Path) -> None:
    kept = shallow / "kept"
    kept.mkdir()
    (kept / "file").write_bytes(b"theirs")
    tree = shallow / "tree"
    tree.mkdir()
    (dig(tree, DEPTH) / "file").touch()
    (tree / "link").symlink_to(kept)
    (tree / "broken").symlink_to("nothing")
    os.mkfifo(tree / "pipe")
    (shallow / "link").symlink_to(kept)
    (shallow / "file").touch()
    for path in (tree, shallow / "link", shallow / "file", shallow / "not there"):
        remove_tree(path)
    assert os.listdir(shallow) == ["kept"] and os.listdir(kept) == ["file"]
