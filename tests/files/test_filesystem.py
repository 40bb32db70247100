"""The fsspec file system: pandas, pyarrow and plain code read artifacts by URL, and only what they need."""

import gzip
import io
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest
from blake3 import blake3

import xpstore
from support.folders import lay
from support.homes import without_settings
from support.services import Server
from xpstore import errors, filesystem
from xpstore._files.leftovers import Leftovers, is_partial
from xpstore.artifact import DirectoryArtifact
from xpstore.filesystem import XpstoreFileSystem

pytestmark = pytest.mark.client

FILES: dict[str, bytes | None] = {
    "a.txt": b"alpha\nbeta\n",
    "data/1.csv": b"x,y\n1,2\n",
    "data/2.csv": b"x,y\n3,4\n",
    "data/deep/er/3.csv": b"x,y\n5,6\n",
    "data.bin": bytes(range(256)),
    "empty": b"",
    "hollow": None,
}


@pytest.fixture
def root(project: xpstore.Project, tmp_path: Path) -> str:
    """The path of an artifact with some files."""
    DirectoryArtifact.save(lay(tmp_path / "source", FILES), "tree", aliases=["good"])
    return f"{project.id}/tree"


def test_directories_are_listed_level_by_level(fs: XpstoreFileSystem, project: xpstore.Project, root: str) -> None:
    assert project.id in fs.ls("xpstore://", detail=False) == fs.ls("", detail=False)
    DirectoryArtifact.save(b"x", "other")
    assert sorted(fs.ls(f"xpstore://{project.id}/", detail=False)) == [f"{project.id}/other", root]
    for path in (f"xpstore://{root}", root, f"{root}/", f"/{root}"):
        assert fs.ls(path, detail=False) == [f"{root}/{n}" for n in ("a.txt", "data.bin", "data", "empty", "hollow")]
    assert fs.ls(f"{root}/data", detail=False) == [f"{root}/data/{name}" for name in ("1.csv", "2.csv", "deep")]
    assert fs.ls(f"{root}/data/deep", detail=False) == [f"{root}/data/deep/er"]
    assert fs.ls(f"{root}/a.txt", detail=False) == [f"{root}/a.txt"]
    assert fs.ls(f"{root}/hollow") == []
    types = {Path(info["name"]).name: (info["type"], info["size"]) for info in fs.ls(root)}
    assert types["data"] == types["hollow"] == ("directory", 0)
    assert (types["data.bin"], types["empty"]) == (("file", 256), ("file", 0))


@pytest.mark.parametrize("is_listed", [False, True])
def test_info_says_what_is_there(is_listed: bool, fs: XpstoreFileSystem, root: str) -> None:
    if is_listed:  # from then on it is answered from what was listed
        fs.find(root)
    saved = DirectoryArtifact.get_by_name("tree")
    data = FILES["data.bin"]
    assert data is not None
    assert fs.info(f"xpstore://{root}/data.bin") == {
        "name": f"{root}/data.bin",
        "type": "file",
        "size": 256,
        "digest": blake3(data).hexdigest(),
        "executable": False,
        "version": 1,
        "version_id": saved.id,
        "created": saved.created_at,
        "mtime": saved.created_at,
    }
    assert fs.info(root)["digest"] == saved.digest
    assert fs.ukey(f"{root}/data.bin") == blake3(data).hexdigest()
    assert fs.checksum(f"{root}/data.bin") == int(blake3(data).hexdigest(), 16)
    assert (fs.ukey(root), len(fs.ukey(f"{root}/data"))) == (saved.digest, 64)
    assert fs.created(f"{root}/data.bin") == fs.modified(root) == saved.created_at
    assert fs.created(root.partition("/")[0]) <= datetime.now(UTC)
    directories = ("", root.partition("/")[0], root, f"{root}/data", f"{root}/data/deep", f"{root}/hollow")
    assert all(fs.isdir(path) and fs.exists(path) and not fs.isfile(path) for path in directories)
    assert fs.isfile(f"{root}/empty") and not fs.isdir(f"{root}/empty")
    assert (fs.size(f"{root}/data.bin"), fs.du(root)) == (256, sum(len(data or b"") for data in FILES.values()))


def test_versions_are_chosen_by_number_alias_or_none(
    fs: XpstoreFileSystem, project: xpstore.Project, tmp_path: Path
) -> None:
    for number in range(1, 4):
        saved = DirectoryArtifact.save(lay(tmp_path, {"f": b"%d" % number}), "v", aliases=["good"] * (number == 2))
        # The newest is looked up by each call.
        assert fs.cat(f"{project.id}/v/f") == fs.cat(f"{project.id}/v@latest/f") == b"%d" % number
        assert fs.info(f"{project.id}/v")["version"] == saved.version
    assert [fs.cat(f"{project.id}/v@{version}/f") for version in ("1", "v1", "good", "3")] == [b"1", b"1", b"2", b"3"]
    assert fs.find(f"{project.id}/v@good") == [f"{project.id}/v@good/f"]
    for selector in ("4", "0", "bad", "9" * 30, "not an alias!", "%40"):
        assert not fs.exists(f"{project.id}/v@{selector}/f")


def test_names_are_percent_encoded(fs: XpstoreFileSystem, client: xpstore.Client, tmp_path: Path) -> None:
    id_, name = "50% of a/b @::home ä", "x/y@2::z%20"
    path = "d ir/50%25 @1/ä?#.txt"
    with client.project(id_):
        DirectoryArtifact.save(lay(tmp_path / "s", {path: b"data"}), name)
    (project,) = (one for one in fs.ls("", detail=False) if one.startswith("50"))
    assert project == "50%25 of a%2Fb @:%3Ahome ä"
    (artifact,) = fs.ls(project, detail=False)
    assert artifact == f"{project}/x%2Fy%402:%3Az%2520"
    assert fs.find("xpstore://" + project) == [f"{artifact}/{path}"] == fs.find(artifact)
    wholly_encoded = "50%25%20of%20a%2Fb%20%40%3A%3Ahome%20%C3%A4/x%2Fy%402%3A%3Az%2520@1/" + path
    with fsspec.open(f"xpstore://{wholly_encoded}") as file:
        assert file.read() == b"data"
    assert fs.glob(wholly_encoded.replace("ä?#", "*")) == [f"{artifact}@1/{path}"]
    assert fs._strip_protocol(fs.unstrip_protocol(artifact)) == artifact
    client.project(id_).delete()


def test_what_is_missing_is_file_not_found(fs: XpstoreFileSystem, project: xpstore.Project, root: str) -> None:
    missing = [
        "no such project",
        "no such project/x",
        "x" * 300,
        f"{project.id}/none",
        f"{project.id}//a.txt",
        f"{root}@9/a.txt",
        f"{root}/none",
        f"{root}/data/none",
        f"{root}/a.txt/none",
        f"{root}/../a.txt",
        f"{root}/da",
    ]
    for _ in range(2):
        for path in missing:
            for use in (fs.info, fs.ls, fs.open, fs.cat_file, fs.cat):
                with pytest.raises(FileNotFoundError):
                    use(f"xpstore://{path}")
            assert not fs.exists(path) and not fs.isdir(path) and not fs.isfile(path)
            assert fs.find(path) == fs.glob(f"{path}/*") == []
        fs.find(root)  # what follows is answered from the listings
    with pytest.raises(FileNotFoundError) as caught:
        fs.info(f"{project.id}/none")
    assert isinstance(caught.value.__cause__, errors.NotFound)
    assert caught.value.filename == f"xpstore://{project.id}/none"
    for use in (fs.open, fs.cat_file):
        for path in ("", project.id, root, f"{root}/data", f"{root}/hollow"):
            with pytest.raises(IsADirectoryError):
                use(path)


def test_files_are_opened_as_binary_text_or_compressed(
    fs: XpstoreFileSystem, project: xpstore.Project, root: str, tmp_path: Path
) -> None:
    with fs.open(f"{root}/data.bin", block_size=16) as file:
        assert file.seek(-3, io.SEEK_END) == 253 and file.read() == bytes([253, 254, 255])
        assert (file.seek(0), file.read(4), file.size) == (0, bytes([0, 1, 2, 3]), 256)
    with fsspec.open(f"xpstore://{root}@1/a.txt", "rt", encoding="ascii") as file:
        assert list(file) == ["alpha\n", "beta\n"]
    with fs.open(f"{root}/a.txt", "r") as file:
        assert file.readline() == "alpha\n"
    assert fs.read_text(f"{root}/a.txt") == "alpha\nbeta\n"
    DirectoryArtifact.save(lay(tmp_path / "z", {"a.txt.gz": gzip.compress(b"packed")}), "z")
    with fsspec.open(f"xpstore://{project.id}/z/a.txt.gz", compression="infer") as file:
        assert file.read() == b"packed"


def test_ranges_are_read(fs: XpstoreFileSystem, root: str) -> None:
    path, data = f"xpstore://{root}/data.bin", bytes(range(256))
    ranges = [(0, 10), (5, None), (None, 5), (-5, None), (None, -250), (-9, -3), (250, 999), (300, 400), (7, 7), (9, 3)]
    for start, end in ranges:
        assert fs.cat_file(path, start, end) == data[start:end]
    assert fs.cat_ranges([path] * 2, [0, 100], [3, 103]) == [data[:3], data[100:103]]
    assert (fs.head(path, 3), fs.tail(path, 3)) == (data[:3], data[-3:])
    assert fs.read_block(path, 10, 20) == data[10:30]
    assert fs.cat(f"{root}/data/*.csv") == {f"{root}/data/{n}.csv": FILES[f"data/{n}.csv"] for n in (1, 2)}
    assert fs.cat_file(f"{root}/empty") == b""


def test_trees_are_walked_and_matched(fs: XpstoreFileSystem, project: xpstore.Project, root: str) -> None:
    files = [f"{root}/{path}" for path, data in sorted(FILES.items()) if data is not None]
    assert fs.find(root) == files
    assert fs.find(project.id) == files
    assert fs.find(root, maxdepth=1, withdirs=True) == [root, *sorted(fs.ls(root, detail=False))]
    assert fs.find(f"{root}/a.txt") == [f"{root}/a.txt"]
    assert [(Path(where).name, sorted(folders), sorted(names)) for where, folders, names in fs.walk(root)] == [
        ("tree", ["data", "hollow"], ["a.txt", "data.bin", "empty"]),
        ("data", ["deep"], ["1.csv", "2.csv"]),
        ("deep", ["er"], []),
        ("er", [], ["3.csv"]),
        ("hollow", [], []),
    ]
    assert fs.glob(f"xpstore://{root}/data/*.csv") == [f"{root}/data/1.csv", f"{root}/data/2.csv"]
    assert fs.glob(f"{root}@good/**/*.csv") == [f"{root}@good/data/{n}.csv" for n in ("1", "2", "deep/er/3")]
    assert fs.glob(f"{project.id}/*/a.*") == [f"{root}/a.txt"]
    assert fs.glob(f"{root}/*.none") == []


def test_level_of_a_big_tree_costs_what_is_in_it(
    fs: XpstoreFileSystem, client: xpstore.Client, project: xpstore.Project, tmp_path: Path, monkeypatch: Any
) -> None:
    files: dict[str, bytes | None] = {f"{i % 7}/{i:05}": b"" for i in range(5_000)}
    DirectoryArtifact.save(lay(tmp_path / "s", {**files, "z": b""}), "big")
    list_files, calls = client.stubs.artifacts.ListArtifactFiles, []

    def counted(request: Any, **options: Any) -> Any:
        answer = list_files(request, **options)
        calls.append(len(answer.files))
        return answer

    monkeypatch.setattr(client.stubs.artifacts, "ListArtifactFiles", counted)
    path = f"{project.id}/big"
    assert fs.info(f"{path}/3/00003")["type"] == "file" and fs.isdir(f"{path}/3")
    assert calls == [1, 1]
    assert len(fs.ls(f"{path}/3")) == 714
    assert sum(calls[2:]) == 714
    del calls[:]
    assert fs.ls(path, detail=False) == [*(f"{path}/{i}" for i in range(7)), f"{path}/z"]
    assert sum(calls) == 5_001
    assert len(fs.find(path)) == 5_001
    assert sum(calls) < 2 * 5_001
    del calls[:]
    assert len(fs.find(path)) == 5_001 and fs.isfile(f"{path}/3/00003") and not fs.exists(f"{path}/3/00004")
    assert calls == []
    fs.invalidate_cache()
    assert fs.ls(path) and calls
    monkeypatch.setattr(filesystem, "LISTED", 1_000)
    fs.find(path)
    assert sum(map(len, fs._listings.values())) <= 1_000


def test_files_are_downloaded_and_verified(
    fs: XpstoreFileSystem, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    seen = fsspec.callbacks.Callback()
    fs.get_file(f"{root}/data.bin", out / "new" / "x.bin", callback=seen)
    assert (out / "new" / "x.bin").read_bytes() == FILES["data.bin"]
    assert (seen.size, seen.value) == (256, 256)
    fs.get(f"xpstore://{root}/", str(out / "all"), recursive=True)
    assert {
        str(path.relative_to(out / "all")): path.read_bytes() for path in (out / "all").rglob("*") if path.is_file()
    } == {path: data for path, data in FILES.items() if data is not None}
    buffer = io.BytesIO()
    fs.get_file(f"{root}/a.txt", buffer)
    assert buffer.getvalue() == FILES["a.txt"]
    seen_names = list[str]()

    def read_range(*_: Any) -> Iterator[bytes]:
        left = Leftovers(out)  # of another download to the same folder: it leaves alone what is under way
        left.discard(str(out / "kept"))
        seen_names.extend(path.name for path in out.iterdir() if is_partial(path.name))
        yield b"something else"

    monkeypatch.setattr(filesystem, "read_range", read_range)
    (out / "kept").write_bytes(b"kept")
    with pytest.raises(errors.DataLoss, match=r"a\.txt"):
        fs.get_file(f"{root}/a.txt", str(out / "kept"))
    assert (out / "kept").read_bytes() == b"kept" and len(seen_names) == 1
    assert sorted(path.name for path in out.iterdir()) == ["all", "kept", "new"]


def test_nothing_is_written(fs: XpstoreFileSystem, root: str, tmp_path: Path) -> None:
    file = lay(tmp_path, {"f": b"1"}) / "f"
    attempts: list[Any] = [
        lambda: fs.open(f"{root}/new", "wb"),
        lambda: fs.open(f"{root}/a.txt", "a"),
        lambda: fs.open(f"{root}/a.txt", "r+b"),
        lambda: fs.open(f"{root}/new", "x"),
        lambda: pd.DataFrame({"x": [1]}).to_csv(f"xpstore://{root}/new.csv"),
        lambda: fs.put(str(file), f"{root}/new"),
        lambda: fs.pipe(f"{root}/new", b"1"),
        lambda: fs.touch(f"{root}/a.txt"),
        lambda: fs.mkdir(f"{root}/new"),
        lambda: fs.makedirs(f"{root}/new", exist_ok=True),
        lambda: fs.rmdir(f"{root}/hollow"),
        lambda: fs.rm(f"{root}/a.txt"),
        lambda: fs.rm(root, recursive=True),
        lambda: fs.mv(f"{root}/a.txt", f"{root}/b.txt"),
        lambda: fs.cp(f"{root}/a.txt", f"{root}/b.txt"),
    ]
    for attempt in attempts:
        with pytest.raises(NotImplementedError, match="read-only"):
            attempt()
    assert fs.cat(f"{root}/a.txt") == FILES["a.txt"]


def test_server_that_is_away_does_not_look_like_an_empty_one(
    server: Server, project: xpstore.Project, root: str
) -> None:
    client = xpstore.init(server.api_key, server.address, timeout_seconds=0.3)
    fs = fsspec.filesystem("xpstore")
    assert fs.exists(f"{root}/a.txt")
    server.kill()
    try:
        for use in (
            fs.exists,
            fs.isdir,
            fs.isfile,
            fs.ls,
            fs.find,
            fs.info,
            fs.open,
            fs.cat_file,
            lambda path: fs.glob(f"{path}/*"),
        ):
            with pytest.raises(errors.Unavailable):
                use(root)
    finally:
        server.start()
    client.timeout_seconds = 30
    assert fs.find(root)
    XpstoreFileSystem.clear_instance_cache()


def test_wrong_key_is_a_permission_error(server: Server, project: xpstore.Project, root: str) -> None:
    with pytest.raises(PermissionError) as caught:
        fsspec.open(f"xpstore://{root}/a.txt", api_key="wrong", api_url=server.address).open()
    assert isinstance(caught.value.__cause__, errors.Unauthenticated)


def test_key_is_not_shown(options: dict[str, str], root: str) -> None:
    fs = fsspec.filesystem("xpstore", **options)
    texts = [
        repr(fs),
        str(fs),
        fs._fs_token,
        fs.to_json(),
        str(fs.to_dict()),
        str(pickle.dumps(fs)),
        str(pickle.dumps(fs.open(f"{root}/a.txt"))),
        repr(fs.open(f"{root}/a.txt")),
        repr(fsspec.open(f"xpstore://{root}", **options)),
    ]
    assert not [text for text in texts if options["api_key"] in text]


def test_instances_and_connections_are_shared(options: dict[str, str], root: str, server: Server) -> None:
    fs = fsspec.filesystem("xpstore", **options)
    assert fsspec.filesystem("xpstore", **options) is fs
    others: list[XpstoreFileSystem] = []
    thread = threading.Thread(target=lambda: others.append(fsspec.filesystem("xpstore", **options)))
    thread.start()
    thread.join()
    assert others[0]._client is fs._client
    assert fsspec.filesystem("xpstore", api_key=server.api_key, api_url=server.address)._client is not fs._client


def test_session_that_is_replaced_is_followed(server: Server, root: str) -> None:
    fs = fsspec.filesystem("xpstore")
    for _ in range(2):
        client = xpstore.init(server.api_key, server.address)
        assert fs._client is client
        assert fs.exists(root)


def read_elsewhere(pickled: bytes, path: str) -> bytes:
    """What a process reads that has no session."""
    fs = pickle.loads(pickled)
    data: bytes = fs.cat_file(path)
    return data


def test_spawned_process_reads_on(
    fs: XpstoreFileSystem, options: dict[str, str], root: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the key of its environment: that of the file system stays here."""
    given = fsspec.filesystem("xpstore", **options)
    assert pickle.loads(pickle.dumps(given)) is given
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.delenv("XPSTORE_API_KEY", raising=False)
    for is_known in (False, True):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            for one in (given, fs):
                sent = pickle.dumps(one)
                assert server.api_key.encode() not in sent
                if is_known:
                    assert pool.apply(read_elsewhere, (sent, f"{root}/a.txt")) == FILES["a.txt"]
                else:
                    with pytest.raises(errors.NotInitialized, match="set XPSTORE_API_KEY"):
                        pool.apply(read_elsewhere, (sent, f"{root}/a.txt"))
        monkeypatch.setenv("XPSTORE_API_KEY", server.api_key)


def test_environment_says_where_the_service_is(server: Server, root: str) -> None:
    code = f"import fsspec; print(fsspec.open('xpstore://{root}/a.txt', 'rt').open().read())"
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    environment = {**without_settings(), **access, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("alpha\nbeta\n\n", "")
