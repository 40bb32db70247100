"""A bad value of a setting stops the server at its start, with one line that names it and shows no secret."""

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.operation.operating import run
from xpstore_server.core import access
from xpstore_server.settings import InvalidSettings, Settings, load, socket_path
from xpstore_server.store.blobs.opened import open_blobs
from xpstore_server.store.engines import parse_url

SECRET = "hunter2-swordfish"

BAD_VALUES = [
    ("XPSTORE_DATABASE_URL", f"mysql://u:{SECRET}@h/d", "'mysql' is not supported"),
    ("XPSTORE_DATABASE_URL", SECRET, "write sqlite:///FILE"),
    ("XPSTORE_DATABASE_URL", "sqlite://", "in-memory"),
    ("XPSTORE_DATABASE_URL", f"postgresql://u:{SECRET}@127.0.0.1:port/d", "postgresql://USER"),
    ("XPSTORE_DATABASE_URL", f"postgresql://u:{SECRET}@127.0.0.1:1/d", "does not answer"),
    ("XPSTORE_DATABASE_URL", "sqlite:////proc/nope/x.db", "/proc/nope"),
    ("XPSTORE_BLOB_URL", f"ftp://u:{SECRET}@h", "write file:///FOLDER"),
    ("XPSTORE_BLOB_URL", f"s3://key:{SECRET}@127.0.0.1:1", "/BUCKET"),
    ("XPSTORE_BLOB_URL", f"s3://key:{SECRET}@127.0.0.1:1/bucket?secure=perhaps", "secure=true"),
    ("XPSTORE_BLOB_URL", "file:///tmp/what?x", "%3F for a ?"),
    ("XPSTORE_BLOB_URL", "file:///tmp/run #1", "%23 for a #"),
    ("XPSTORE_DATABASE_URL", "sqlite:////tmp/what?x", "%3F for a ?"),
    ("XPSTORE_DATABASE_CONNECTIONS", "1", "greater than or equal to 2"),
    ("XPSTORE_LISTEN", ",", "listen is empty"),
    ("XPSTORE_LISTEN", "localhost", "HOST:PORT"),
    ("XPSTORE_LISTEN", "127.0.0.1:99999", "HOST:PORT"),
    ("XPSTORE_LISTEN", "0.0.0.0:0", "without TLS: set XPSTORE_TLS_CERT"),
    ("XPSTORE_LISTEN", "unix:", "path of a socket"),
    ("XPSTORE_HTTP_LISTEN", "0.0.0.0:0", "http_listen has '0.0.0.0:0', reachable from elsewhere without TLS"),
    ("XPSTORE_HTTP_LISTEN", "8080", "HOST:PORT"),
    ("XPSTORE_HTTP_LISTEN", "192.0.2.1:0", "without TLS"),
    ("XPSTORE_HTTP_ORIGINS", "*", "write whole origins"),
    ("XPSTORE_HTTP_ORIGINS", "https://a.example/", "write whole origins"),
    ("XPSTORE_BLOB_URL", f"s3://key:{SECRET}@127.0.0.1:1/b?secure=false", "no name of a bucket"),
    ("XPSTORE_LISTEN", f"unix:/tmp/{'x' * 100}", "path of a socket"),
    ("XPSTORE_ADMIN_KEY_FILE", "/proc/nope/key", "/proc/nope"),
    ("XPSTORE_TLS_CERT", "/nope", "go together"),
    ("XPSTORE_TLS_KEY", "/nope", "go together"),
    ("XPSTORE_ALLOW_PLAINTEXT", "perhaps", "valid boolean"),
    ("XPSTORE_IDLE_EXIT_SECONDS", "-1", "greater than or equal to 0"),
    ("XPSTORE_DRAIN_SECONDS", "soon", "valid number"),
    ("XPSTORE_UPLOAD_MEMORY_MIB", "1", "greater than or equal to 32"),
    ("XPSTORE_UNDO_SECONDS", "-1", "greater than or equal to 0"),
    ("XPSTORE_SWEEP_SECONDS", "-1", "greater than or equal to 0"),
    ("XPSTORE_DISK_RESERVE_MIB", "-1", "greater than or equal to 0"),
    ("XPSTORE_CACHE_LEASE_SECONDS", "0", "greater than or equal to 0.5"),
    ("XPSTORE_LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING or ERROR"),
    ("XPSTORE_DATA_DIR", "/proc/nope", "/proc/nope"),
    ("XPSTORE_MAX_CALLS", "1", "greater than or equal to 16"),
    ("XPSTORE_MAX_UPLOADS", "0", "greater than or equal to 1"),
    ("XPSTORE_DIRECT", "writes", "'off', 'reads' or 'all'"),
    ("XPSTORE_DIRECT_VERIFY", "soon", "'now' or 'later'"),
    ("XPSTORE_BLOB_PUBLIC_URL", "s3.example.org", "https://s3.example.org:9000"),
    ("XPSTORE_TRUSTED_PROXIES", "proxy", "addresses or networks"),
]


def serve(folder: Path, *flags: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Runs a server that is expected to stop at once."""
    defaults = {"XPSTORE_DATA_DIR": str(folder), "XPSTORE_LISTEN": "127.0.0.1:0"}
    return run("serve", *flags, folder=folder, **{**defaults, **settings})


def assert_one_line(result: "subprocess.CompletedProcess[str]", expected: str) -> None:
    assert result.returncode == 1, result.stderr
    assert result.stderr.startswith("xpstore-server: ")
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert expected in result.stderr
    assert SECRET not in result.stderr + result.stdout


@pytest.mark.parametrize(("name", "value", "expected"), BAD_VALUES)
def test_bad_value_stops_the_server_with_one_line(name: str, value: str, expected: str, tmp_path: Path) -> None:
    assert_one_line(serve(tmp_path, **{name: value}), expected)


def test_every_setting_has_a_bad_value_above() -> None:
    known = {f"XPSTORE_{name.upper()}" for name in Settings.model_fields}
    # The first is the client's; the others count for a bucket alone (test_s3_places.py).
    elsewhere = {"XPSTORE_HOME", "XPSTORE_BLOB_CA_FILE", "XPSTORE_BLOB_CREDENTIALS_FILE"}
    assert known - elsewhere == {name for name, *_ in BAD_VALUES}


def test_home_of_the_client_does_not_make_a_server_the_embedded_one(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert_one_line(serve(tmp_path, XPSTORE_HOME=str(home), XPSTORE_LISTEN="0.0.0.0:1"), "reachable from elsewhere")
    assert not home.exists()
    assert_one_line(serve(tmp_path, "--home", "/proc/nope"), "/proc/nope")


@pytest.mark.parametrize("name", ["run #1", "what?", "p%41", "pe%20r", "a+b&c=d", "ä;:[1]@'\\", "new\nline"])
def test_data_is_in_the_folder_of_that_name(name: str, tmp_path: Path) -> None:
    settings = load(data_dir=tmp_path / name)
    assert parse_url(settings.database_url).database == str(tmp_path / name / "xpstore.db")
    open_blobs(settings.blob_url, 1).put("packs/1", [b"bytes"])
    assert (tmp_path / name / "blobs" / "packs" / "1").read_bytes() == b"bytes"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_admin_key_that_is_too_short_is_refused_and_not_shown(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("short-key")
    result = serve(tmp_path, XPSTORE_ADMIN_KEY_FILE=str(key_file))
    assert_one_line(result, "XPSTORE_ADMIN_KEY_FILE")
    assert "short-key" not in result.stderr


@pytest.mark.parametrize(
    "key",
    [
        "sixteen-letters!",
        "a" * 64,
        "correct-horse-battery-staple",
        "xpstore-key-1" * 4,
        "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
        "0123456789" * 4,
        f"xps_{'a' * 43}",
    ],
)
def test_admin_key_that_can_be_guessed_is_weak(key: str) -> None:
    assert access.is_possible(key) and not access.is_strong(key)


def test_admin_key_by_chance_is_strong() -> None:
    made = [access.new_key(), access.new_key()[:47], secrets.token_urlsafe(32), secrets.token_hex(20)]
    assert all(access.is_possible(key) and access.is_strong(key) for key in made)
    assert not access.is_possible(access.new_key()[:-1] + "!"), "mistyped"


def test_weak_admin_key_stops_the_server_with_the_cure(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("correct-horse-battery-staple")
    assert_one_line(serve(tmp_path, XPSTORE_ADMIN_KEY_FILE=str(key_file)), "remove the file, and xpstore-server makes")


def test_tls_files_that_are_no_pem_are_named(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text(SECRET)
    paths = {"XPSTORE_TLS_CERT": str(tmp_path / "cert.pem"), "XPSTORE_TLS_KEY": str(tmp_path / "cert.pem")}
    assert_one_line(serve(tmp_path, **paths), "both must be PEM files")


def test_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = serve(tmp_path, XPSTORE_LISTEN=address)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(f"xpstore-server: Cannot listen on {address}")
    assert "Traceback" not in result.stderr


def test_unknown_flag_is_a_usage_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "xpstore_server", "serve", "--nonsense"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert result.returncode == 2
    assert "--nonsense" in result.stderr


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XPSTORE_LISTEN", "127.0.0.1:1, unix:/tmp/a")
    assert load().listen == ["127.0.0.1:1", "unix:/tmp/a"]
    assert load(listen="127.0.0.1:2").listen == ["127.0.0.1:2"]


def test_all_bad_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPSTORE_LOG_LEVEL", "LOUD")
    with pytest.raises(InvalidSettings) as caught:
        load(drain_seconds=-1)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "XPSTORE_DRAIN_SECONDS",
        "XPSTORE_LOG_LEVEL",
    ]


def test_socket_of_a_deep_home_is_in_a_short_folder(tmp_path: Path) -> None:
    assert socket_path(Path("/home/me")) == Path("/home/me/server.sock")
    deep = tmp_path / ("deep" * 30)
    assert len(os.fsencode(socket_path(deep))) < 100
    assert socket_path(deep) != socket_path(tmp_path / ("peed" * 30))


def test_socket_of_a_deep_home_under_a_deep_temporary_folder_is_short_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    assert socket_path(deep / "home").parent.parent == Path("/tmp")
