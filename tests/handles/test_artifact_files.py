"""Files of artifacts: what is saved of a folder, what is listed, downloaded and opened."""

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import xpstore
from support.folders import lay, read
from xpstore import errors
from xpstore.artifact import Artifact, DirectoryArtifact

DEEP = "/".join(["d"] * 60)
# A file system takes names of 255 bytes, and a download must not need longer ones on its way.
LONG = "文" * 85


@pytest.mark.store
def test_folder_comes_back_as_it_was(project: xpstore.Project, tmp_path: Path) -> None:
    files: dict[str, bytes | None] = {
        "a.txt": b"alpha",
        "empty": b"",
        "hollow": None,
        "deep/hollow/er": None,
        f"{DEEP}/x": b"deep",
        "ünï/文件 name.txt": b"unicode",
        LONG: b"long",
        "run.sh": b"#!/bin/sh\n",
        ".hidden": b"dot",
        "big.bin": os.urandom(3 * (1 << 20) + 17),
    }
    source = lay(tmp_path / "source", files)
    (source / "run.sh").chmod(0o750)
    saved = DirectoryArtifact.save(source, "tree")
    target = saved.download(tmp_path / "made" / "target")
    assert target == tmp_path / "made" / "target"
    assert read(target) == files
    assert [path.name for path in target.rglob("*") if path.is_file() and os.access(path, os.X_OK)] == ["run.sh"]
    assert DirectoryArtifact.save(target, "tree") == saved


# All of them names on Linux, and in one folder.
ODD_NAMES = [
    *(
        "\u00e9",
        "e\u0301",
        "case",
        "Case",
        "CASE",
        "dot.",
        "space ",
        " space",
        "a\nb",
        "\x1b[31m",
        "%20",
        "#",
        "+",
        "?",
    ),
    *(
        "'",
        '"',
        "[x]",
        "*",
        "🙂",
        "\u202ebidi",
        ".hidden",
        "...",
        "~",
        "-rf",
        "aux",
        "con.txt",
        "x" * 255,
        "ab:c",
        ";",
        "$HOME",
    ),
    *(".part", ".0123.part", "0" * 32 + ".part", ".tmp", "a@b", "a&b=c", "\u2028", "\x7f", "\x85", "<|>", "``", "{}"),
]


@pytest.mark.client
def test_every_name_that_linux_has_comes_back(project: xpstore.Project, tmp_path: Path) -> None:
    files: dict[str, bytes | None] = {name: name.encode() for name in ODD_NAMES}
    files |= {f"folders/{name}/{name}": b"\0" + name.encode() for name in ODD_NAMES}
    source = lay(tmp_path / "source", files)
    saved = DirectoryArtifact.save(source, "odd")
    assert read(saved.download(tmp_path / "target")) == files
    assert [file.path for file in saved.files()] == sorted(files, key=str.encode)
    for name in ODD_NAMES:
        assert saved.open(name).read() == files[name]
        saved.download(tmp_path / "alone", f"folders/{name}")
    assert read(tmp_path / "alone") == {path: data for path, data in files.items() if "/" in path}


@pytest.mark.client
def test_one_file_or_folder_is_downloaded_alone(project: xpstore.Project, tmp_path: Path) -> None:
    files: dict[str, bytes | None] = {"a": b"1", "a.x": b"2", "b/c": b"3", "b/d/e": b"4", "b.x": b"5", "bb": b"6"}
    saved = DirectoryArtifact.save(lay(tmp_path / "source", files), "part")
    assert read(saved.download(tmp_path / "1", "a")) == {"a": b"1"}
    assert read(saved.download(tmp_path / "2", "b")) == {"b/c": b"3", "b/d/e": b"4"}
    assert read(saved.download(tmp_path / "3", "b/")) == {"b/c": b"3", "b/d/e": b"4"}
    assert read(saved.download(tmp_path / "4", "b/d")) == {"b/d/e": b"4"}
    for missing in ("c", "b/x", "a/b"):
        with pytest.raises(errors.NotFound, match="part"):
            saved.download(tmp_path / "5", missing)
    assert not (tmp_path / "5").exists()


@pytest.mark.client
def test_download_replaces_files_and_keeps_others(project: xpstore.Project, tmp_path: Path) -> None:
    saved = DirectoryArtifact.save(lay(tmp_path / "source", {"a": b"new", "d/b": b"new"}), "x")
    target = lay(tmp_path / "target", {"a": b"old", "mine": b"mine", "d/b": b"old"})
    (target / "a").chmod(0o755)
    saved.download(target)
    assert read(target) == {"a": b"new", "mine": b"mine", "d/b": b"new"}
    assert not stat.S_IXUSR & (target / "a").stat().st_mode
    with pytest.raises(errors.InvalidArgument, match="is a file"):
        saved.download(target / "mine")


@pytest.mark.client
def test_download_does_not_follow_a_link_out_of_its_folder(project: xpstore.Project, tmp_path: Path) -> None:
    saved = DirectoryArtifact.save(lay(tmp_path / "source", {"d/b": b"new"}), "x")
    outside = lay(tmp_path / "outside", {"b": b"old"})
    target = lay(tmp_path / "target", {})
    (target / "d").symlink_to(outside)
    with pytest.raises(errors.InvalidArgument, match="link"):
        saved.download(target)
    assert read(outside) == {"b": b"old"}


@pytest.mark.client
def test_folder_without_anything_is_saved(project: xpstore.Project, tmp_path: Path) -> None:
    saved = DirectoryArtifact.save(lay(tmp_path / "source", {}), "nothing")
    assert (saved.files(), saved.size_bytes) == ([], 0)
    assert read(saved.download(tmp_path / "target")) == {}
    with pytest.raises(errors.InvalidArgument, match="0 files"):
        saved.open()


@pytest.mark.client
def test_saved_folder_has_no_drafts_of_downloads(project: xpstore.Project, tmp_path: Path) -> None:
    draft = ".0123456789abcdef0123456789abcdef.part"
    saved = DirectoryArtifact.save(lay(tmp_path / "source", {"a": b"1", draft: b"2", f"only/{draft}": b"3"}), "drafts")
    assert read(saved.download(tmp_path / "target")) == {"a": b"1", "only": None}


@pytest.mark.client
def test_links_are_followed(project: xpstore.Project, tmp_path: Path) -> None:
    outside = lay(tmp_path / "outside", {"x": b"outside"})
    source = lay(tmp_path / "source", {"a": b"1"})
    (source / "file").symlink_to("a")
    (source / "folder").symlink_to(outside)
    (source / "again").symlink_to(outside)
    saved = DirectoryArtifact.save(source, "links")
    assert read(saved.download(tmp_path / "target")) == {
        "a": b"1",
        "again/x": b"outside",
        "file": b"1",
        "folder/x": b"outside",
    }
    (tmp_path / "link").symlink_to(source)
    assert DirectoryArtifact.save(tmp_path / "link", "links") == saved


def link_to_folder_above(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "up").symlink_to(folder)


def link_to_itself(folder: Path) -> None:
    (folder / "self").symlink_to("self")


def link_to_nothing(folder: Path) -> None:
    (folder / "broken").symlink_to("nothing")


def pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


def name_that_is_no_unicode(folder: Path) -> None:
    (folder / os.fsdecode(b"\xff\xfe")).write_bytes(b"x")


def empty_folder_whose_name_is_no_unicode(folder: Path) -> None:
    (folder / os.fsdecode(b"\xff\xfe")).mkdir()


def name_with_a_backslash(folder: Path) -> None:
    (folder / "back\\slash").write_bytes(b"x")


def name_like_a_drive(folder: Path) -> None:
    (folder / "c:autoexec").write_bytes(b"x")


@pytest.mark.parametrize(
    "spoil",
    [
        link_to_folder_above,
        link_to_itself,
        link_to_nothing,
        pipe,
        name_that_is_no_unicode,
        empty_folder_whose_name_is_no_unicode,
        name_with_a_backslash,
        name_like_a_drive,
    ],
)
@pytest.mark.client
def test_what_cannot_be_saved_is_refused(
    spoil: Callable[[Path], None], project: xpstore.Project, tmp_path: Path
) -> None:
    source = lay(tmp_path / "source", {"a": b"1"})
    spoil(source)
    with pytest.raises(errors.InvalidArgument):
        DirectoryArtifact.save(source, "refused")
    assert Artifact.load_all() == []


@pytest.mark.parametrize("path", ["missing", "missing/deep", "nul\x00", ""], ids=repr)
@pytest.mark.client
def test_path_that_is_missing_is_refused(path: str, project: xpstore.Project, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidArgument, match="source"):
        DirectoryArtifact.save(f"{tmp_path}/{path}" if path else "no such file", "refused")
    with pytest.raises(errors.InvalidArgument, match="bytes"):
        DirectoryArtifact.save({"an": "object"}, "refused")
    assert Artifact.load_all() == []


@pytest.mark.client
def test_opened_file_reads_what_is_asked(project: xpstore.Project, tmp_path: Path) -> None:
    data = os.urandom(5 * (1 << 20) + 3)
    files: dict[str, bytes | None] = {"epoch-3/model.bin": data, "epoch-3/empty": b"", "other": b"x"}
    saved = DirectoryArtifact.save(lay(tmp_path / "source", files), "open")
    with saved.open("epoch-3/model.bin") as file:
        assert file.readable() and file.seekable() and not file.writable()
        assert file.read(10) == data[:10]
        assert file.seek(-7, io.SEEK_END) == len(data) - 7
        assert file.read() == data[-7:] and file.read() == b""
        assert file.seek(1 << 20) == 1 << 20
        assert file.read((1 << 20) + 1) == data[1 << 20 : (2 << 20) + 1]
        assert file.seek(5, io.SEEK_CUR) == (2 << 20) + 6 == file.tell()
        assert file.read(1) == data[(2 << 20) + 6 : (2 << 20) + 7]
        file.seek(0)
        assert file.read() == data
        file.seek(len(data) + 10)
        assert file.read(1) == b""
        with pytest.raises(ValueError):
            file.seek(-1)
    assert file.closed
    assert saved.open("epoch-3/empty").read() == b""
    for missing in ("epoch-3", "epoch-3/", "nothing", "epoch-3/model.bin/x"):
        with pytest.raises(errors.NotFound):
            saved.open(missing)
    with pytest.raises(errors.InvalidArgument, match="3 files"):
        saved.open()


@pytest.mark.client
def test_reading_a_whole_file_takes_one_call(
    project: xpstore.Project, client: xpstore.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(300_000)
    saved = DirectoryArtifact.save(data, "whole")
    read_file, calls = client.stubs.artifacts.ReadFile, []

    def counted(*arguments: object, **options: object) -> object:
        calls.append(arguments)
        return read_file(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(client.stubs.artifacts, "ReadFile", counted)
    with saved.open() as file:
        assert file.read() == data
    assert len(calls) == 1


@pytest.mark.client
def test_many_files_are_listed_in_order_over_pages(project: xpstore.Project, tmp_path: Path) -> None:
    files: dict[str, bytes | None] = {f"{i % 7}/{i:05}": b"%d" % i for i in range(2500)}
    saved = DirectoryArtifact.save(lay(tmp_path / "source", files), "many")
    assert [file.path for file in saved.files()] == sorted(files)
    assert saved.open("3/02499" if 2499 % 7 == 3 else f"{2499 % 7}/02499").read() == b"2499"
