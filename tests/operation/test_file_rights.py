"""Files of a server are its own user's alone, however wide the umask is; nobody else puts the admin's key."""

import os
import stat
from pathlib import Path

import pytest

from support.operation.operating import assert_one_line, run
from support.services import Server
from xpstore_server import rights
from xpstore_server.admin_key import read_or_make_key
from xpstore_server.app import App, Stores
from xpstore_server.settings import StartError, load

KEY = "a-key-of-the-admin-in-a-file-4711-QmX8-zW3u"


@pytest.fixture(autouse=True)
def wide_umask() -> None:
    os.umask(0o022)


def modes(folder: Path) -> dict[str, int]:
    """What others may do with each file and folder below."""
    paths = [folder, *folder.rglob("*")]
    return {str(path): found for path in paths if (found := path.lstat().st_mode & rights.OF_OTHERS)}


def test_nothing_of_a_server_is_for_others(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Server("", "", tmp_path, environment={"XPSTORE_DATA_DIR": str(data)}):
        assert {"xpstore.db", "xpstore.db-wal", "xpstore.db-shm", "blobs"} <= {path.name for path in data.iterdir()}
        assert not modes(data)


@pytest.mark.parametrize("command", [["keys", "create", "a"], ["gc"]])
def test_nothing_of_a_command_is_for_others(command: list[str], tmp_path: Path) -> None:
    data = tmp_path / "data"
    result = run(*command, folder=tmp_path, XPSTORE_DATA_DIR=str(data))
    assert result.returncode == 0, result.stderr
    assert (data / "xpstore.db").exists() and not modes(data)


def test_wide_database_of_old_is_narrowed_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = tmp_path / "data"
    Stores(load(data_dir=data)).close()
    (data / "xpstore.db").chmod(0o644)
    result = run("gc", folder=tmp_path, XPSTORE_DATA_DIR=str(data))
    assert "others could read" in result.stderr and result.returncode == 0
    assert not (data / "xpstore.db").stat().st_mode & rights.OF_OTHERS
    rights.narrow(rights.files_of(data / "xpstore.db"))
    assert not caplog.records, "told once"


def test_key_that_takes_the_place_of_another_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, told in (("first", 0), ("first", 0), ("second", 1), ("second", 1)):
        App(load(data_dir=tmp_path / "data", admin_key_file=tmp_path / name)).close()
        assert sum("knew before is refused" in one.getMessage() for one in caplog.records) == told


def test_key_is_made_for_its_owner_whatever_lies_there(tmp_path: Path) -> None:
    key = read_or_make_key(tmp_path / "new" / "key")
    assert (tmp_path / "new" / "key").read_text().strip() == key and len(key) >= 16
    assert not modes(tmp_path / "new" / "key")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["key"]


def test_key_is_not_written_through_a_link(tmp_path: Path) -> None:
    """Neither through one that somebody laid at the draft's name, nor at the key's."""
    (tmp_path / f"key.{os.getpid()}").symlink_to(tmp_path / "theirs")
    read_or_make_key(tmp_path / "key")
    (tmp_path / "other").symlink_to(tmp_path / "theirs")
    with pytest.raises(OSError):
        read_or_make_key(tmp_path / "other")
    assert not (tmp_path / "theirs").exists()


def test_key_that_others_could_have_put_there_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o622)
    result = run("serve", folder=tmp_path, XPSTORE_DATA_DIR=str(tmp_path / "d"), XPSTORE_ADMIN_KEY_FILE=str(file))
    assert_one_line(result, "can be written by others: chmod 600")
    assert KEY not in result.stderr


def test_key_that_others_may_read_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "secret"
    file.write_text(KEY)
    file.chmod(0o644)
    (tmp_path / "key").symlink_to(file)  # as orchestrators lay secrets down
    assert read_or_make_key(tmp_path / "key") == KEY
    assert "others may read" in caplog.text and KEY not in caplog.text
    file.chmod(0o400)
    caplog.clear()
    assert read_or_make_key(file) == KEY and not caplog.text


@pytest.mark.parametrize("text", ["", "short", "x" * 5000, "two words and some more", "ümlaut-in-a-key-of-length"])
def test_what_is_no_key_is_refused_and_not_shown(text: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(text)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(StartError) as caught:
        read_or_make_key(tmp_path / "key")
    assert not text or text not in str(caught.value)


def test_pipe_in_place_of_a_key_is_refused(tmp_path: Path) -> None:
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(StartError, match="is no file"):
        read_or_make_key(Path("/dev/null"))
