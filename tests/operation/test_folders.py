"""Any folder that the system takes has what is put there, and nothing beside it."""

import json
import os
import signal
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import xpstore
from support.operation.operating import run
from support.services import Server
from xpstore._service import embedded
from xpstore.artifact import ExplanationArtifact
from xpstore_server.locations import FILE, SQLITE, path_in, shown, url_of
from xpstore_server.settings import InvalidSettings, load
from xpstore_server.store.blobs.opened import open_blobs
from xpstore_server.store.engines import parse_url, sqlite_file
from xpstore_server.store.errors import InvalidStoreURL

NAMES = ["run #1", "what?", "p%41", "pe%20r", "a+b&c=d", "ä;:[1]@'\\", "new\nline", "tab\there", " ends ", "~", "%zz"]
NOT_UTF8 = [b"\xff\xfe", b"caf\xe9 #?%"]


@pytest.mark.parametrize("name", [*NAMES, *map(os.fsdecode, NOT_UTF8)])
def test_url_of_a_folder_is_read_back_byte_for_byte(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    settings = load(data_dir=folder)
    assert path_in(FILE, settings.blob_url) == str(folder / "blobs")
    assert sqlite_file(settings.database_url) == folder / "xpstore.db"
    open_blobs(settings.blob_url, 1).put("packs/1", [b"bytes"])
    with sqlite3.connect(str(parse_url(settings.database_url).database)):
        pass
    assert (folder / "blobs" / "packs" / "1").read_bytes() == b"bytes"
    assert [path.name for path in tmp_path.iterdir()] == [name]


class Described(Server):
    """A server in a folder by its two defaults, that listens at a socket in it."""

    def __init__(self, folder: Path, keys: Path, setting: str) -> None:
        super().__init__("", "", keys, environment={setting: str(folder)})
        self.environment["XPSTORE_LISTEN"] = self.address = f"unix:{folder}/s"

    def _serves(self) -> bool:
        return f"listening on {shown(self.address)}" in self.log.read_text()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder for sockets: a test's own may be too deep for them."""
    with tempfile.TemporaryDirectory(prefix="xpt-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.mark.parametrize("name", ["run #1?%41 +", os.fsdecode(b"new\nline \xff#")])
def test_server_serves_what_is_in_such_a_folder(name: str, short_path: Path) -> None:
    folder, keys = short_path / name, short_path / "keys"
    keys.mkdir()
    with Described(folder, keys, "XPSTORE_DATA_DIR") as server:
        client = xpstore.Client(server.api_key, server.address)
        with client.project("p"):
            ExplanationArtifact.save({"a": 1}, "a")
            assert ExplanationArtifact.get_by_name("a").results == {"a": 1}
        client.close()
        assert {"xpstore.db", "blobs", "s"} <= {path.name for path in folder.iterdir()}
    assert {path.name for path in short_path.iterdir()} == {name, "keys"}


def test_embedded_service_serves_a_home_with_such_a_name(tmp_path: Path) -> None:
    home = tmp_path / "h#o?%6De"
    key, address = embedded.ensure(home)
    client = xpstore.Client(key, address)
    try:
        assert client.project("p").id == "p"
    finally:
        client.close()
        os.kill(int(json.loads((home / "server.json").read_text())["pid"]), signal.SIGTERM)
    assert [path.name for path in tmp_path.iterdir()] == [home.name]


@pytest.mark.parametrize(
    ("name", "url", "cure"),
    [
        ("XPSTORE_BLOB_URL", "file:///tmp/what?x", "%3F for a ?"),
        ("XPSTORE_BLOB_URL", "file:///tmp/run #1", "%23 for a #"),
        ("XPSTORE_BLOB_URL", "file:///tmp/100%", "%25 for a %"),
        ("XPSTORE_BLOB_URL", "file:///tmp/a%00b", "%00"),
        ("XPSTORE_BLOB_URL", "file://tmp/blobs", "file:///FOLDER"),
        ("XPSTORE_BLOB_URL", "file:blobs", "file:///FOLDER"),
        ("XPSTORE_DATABASE_URL", "sqlite:////tmp/what?mode=ro", "%3F for a ?"),
        ("XPSTORE_DATABASE_URL", "sqlite:////tmp/run #1", "%23 for a #"),
        ("XPSTORE_DATABASE_URL", "sqlite:////tmp/100%/x.db", "%25 for a %"),
        ("XPSTORE_DATABASE_URL", "sqlite://tmp/x.db", "sqlite:/// and then the file"),
        ("XPSTORE_LISTEN", "unix:/tmp/folder/", "the path of a socket"),
        ("XPSTORE_DATA_DIR", "~nobody-of-that-name/data", "data_dir = ~nobody-of-that-name/data"),
    ],
)
def test_malformed_place_is_refused_with_its_cure(name: str, url: str, cure: str, tmp_path: Path) -> None:
    """In one line, before anything is made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        patch.setenv(name, url)
        with pytest.raises((InvalidSettings, InvalidStoreURL)) as caught:
            settings = load()
            parse_url(settings.database_url)
            open_blobs(settings.blob_url, 1)
    assert cure in str(caught.value) and "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_relative_sqlite_file_is_where_the_server_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sqlite_file(f"{SQLITE}here/x.db") == tmp_path / "here" / "x.db"
    assert url_of(FILE, Path("/a b")) == "file:///a%20b"


def test_file_that_is_no_socket_is_left_where_it_is(short_path: Path) -> None:
    (short_path / "precious").write_text("precious")
    result = run(
        "serve", folder=short_path, XPSTORE_DATA_DIR=str(short_path / "d"), XPSTORE_LISTEN=f"unix:{short_path}/precious"
    )
    assert result.returncode == 1
    assert "a file is there that is no socket" in result.stderr.splitlines()[-1]
    assert (short_path / "precious").read_text() == "precious"
