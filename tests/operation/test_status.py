"""`status` says what is served, `doctor` what is wrong and what to do; neither makes, changes or shows a secret."""

import json
import os
import re
import resource
import socket
import sqlite3
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import xpstore
from support.backends import Backend
from support.operation.operating import SmallDisk, assert_one_line, run
from support.services import Server
from xpstore.artifact import DirectoryArtifact
from xpstore_server import reaching
from xpstore_server.app import Stores
from xpstore_server.doctor import Finding, examine
from xpstore_server.settings import load
from xpstore_server.status import name_of_bucket, name_of_database

SECRET = "hunter2-swordfish"


def settings_of(server: Server) -> dict[str, str]:
    return {name: value for name, value in server.environment.items() if name.startswith("XPSTORE_")}


def findings(settings: Mapping[str, str]) -> dict[str, list[Finding]]:
    """By what each is about."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        found = dict[str, list[Finding]]()
        for finding in examine(load()):
            found.setdefault(finding.about, []).append(finding)
    return found


def wrong(settings: Mapping[str, str]) -> dict[str, str]:
    return {about: one.text for about, all_ in findings(settings).items() for one in all_ if not one.is_well}


def test_status_beside_a_server(
    server: Server, client: xpstore.Client, project: xpstore.Project, backend: Backend, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(os.urandom(1000))
    DirectoryArtifact.save(tmp_path / "file", "a")
    project.experiment("e").model("m")
    result = run("status", "--json", folder=tmp_path, **settings_of(server))
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["version"] and found["health"] == {server.address: "SERVING"}
    assert found["projects"] >= 1 and found["versions"] >= 1 and found["models"] >= 1 and found["stored_bytes"] > 1000
    if backend.name == "sqlite-disk":
        assert found["database"].startswith("SQLite, ") and found["free_bytes"].keys() == {"database", "bucket"}
    else:
        assert found["database"].startswith("PostgreSQL, ") and found["bucket"].startswith("S3, ")
        assert "secret" not in result.stdout and not found["free_bytes"]
    plain = run("status", folder=tmp_path, **settings_of(server))
    assert plain.returncode == 0 and f"{server.address}" in plain.stdout and "SERVING" in plain.stdout


def test_doctor_finds_nothing_wrong_with_a_sound_server(server: Server, tmp_path: Path) -> None:
    result = run("doctor", folder=tmp_path, **settings_of(server))
    lines = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    assert {word for word, _, _ in lines} == {"ok"} and result.returncode == 0, result.stdout
    assert {"rights", "descriptors", "ports", "tls", "database", "clock", "bucket"} <= {about for _, about, _ in lines}
    assert f"{server.address}: the server says SERVING" in result.stdout
    assert "xpstore-secret" not in result.stdout + result.stderr


def test_nothing_is_made_where_nothing_is(tmp_path: Path) -> None:
    data = {"XPSTORE_DATA_DIR": str(tmp_path / "data"), "XPSTORE_LISTEN": "127.0.0.1:1"}
    assert_one_line(run("status", folder=tmp_path, **data), "There is no database")
    assert wrong(data).keys() == {"database"}
    assert "no server is running" in findings(data)["ports"][0].text
    result = run("doctor", folder=tmp_path, **data)
    assert result.returncode == 1 and "WRONG database     There is no database" in result.stdout
    assert not any(tmp_path.iterdir())


@pytest.fixture
def data(tmp_path: Path) -> dict[str, str]:
    """Settings of a sound place without a server."""
    umask = os.umask(0o077)
    Stores(load(data_dir=tmp_path / "data")).close()
    os.umask(umask)
    return {"XPSTORE_DATA_DIR": str(tmp_path / "data"), "XPSTORE_LISTEN": "127.0.0.1:1"}


def test_status_of_a_server_that_does_not_run(data: dict[str, str], tmp_path: Path) -> None:
    result = run("status", "--json", folder=tmp_path, **data)
    assert result.returncode == 1 and json.loads(result.stdout)["health"] == {"127.0.0.1:1": "no answer"}


def test_doctor_names_what_others_may_read(data: dict[str, str], tmp_path: Path) -> None:
    assert not wrong(data)
    (tmp_path / "data" / "xpstore.db").chmod(0o644)
    assert wrong(data) == {"rights": f"others may use {tmp_path}/data/xpstore.db: chmod go= it"}


@pytest.mark.parametrize(("setting", "text"), [("XPSTORE_LISTEN", ""), ("XPSTORE_HTTP_LISTEN", ", for HTTP")])
def test_doctor_names_a_port_that_another_program_has(setting: str, text: str, data: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reaching, "ANSWER_SECONDS", 0.5)
            found = wrong({**data, setting: address})
    assert found == {"ports": f"{address}{text}: another program listens there: stop it, or change {setting}"}


def test_doctor_names_rows_of_the_future(data: dict[str, str], tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "data" / "xpstore.db") as database:
        row = "('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002', 1, {0}, {0}, NULL)"
        future = "(strftime('%s', 'now') + 691200) * 1000000"
        columns = "(id, pool, size_bytes, created_at_us, touched_at_us, suspect_at_us)"
        database.execute(f"INSERT INTO pack {columns} VALUES {row.format(future)}")
    assert re.match(r"rows are dated 691\d\d\d s ahead: a clock is or was wrong", wrong(data)["clock"])


def test_doctor_names_a_clock_that_is_not_the_databases(data: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3_600)
    assert re.fullmatch(r"the database's is -36\d\d s off this one's: set both by NTP", wrong(data)["clock"])


def test_doctor_names_few_descriptors(data: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (256, 256))
    assert wrong(data) == {
        "descriptors": "256 open files, so fewer clients than that: raise the hard limit (ulimit -Hn, LimitNOFILE)"
    }


def test_doctor_names_a_used_up_reserve(data: dict[str, str], tmp_path: Path) -> None:
    reserve = tmp_path / "data" / "xpstore.db.reserve"
    reserve.touch(0o600)
    os.truncate(reserve, 0)
    assert wrong(data) == {"disk": f"the reserve {reserve} is used up: make room, `serve` refills it"}


def test_doctor_names_a_server_that_does_not_serve(data: dict[str, str], tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/data/xpstore.db"
    with Server(database, (tmp_path / "data" / "blobs").as_uri(), tmp_path) as server:
        blobs = Path(server.environment["XPSTORE_BLOB_URL"].removeprefix("file://"))
        blobs.rename(tmp_path / "away")
        deadline = time.monotonic() + 60
        while reaching.ask_health(load(), server.address) != "NOT_SERVING":
            assert time.monotonic() < deadline
            time.sleep(0.2)
        found = wrong({**data, "XPSTORE_LISTEN": server.address})
        (tmp_path / "away").rename(blobs)
    assert found["ports"] == f"{server.address}: the server says NOT_SERVING: see below, and its log"


def test_doctor_names_another_schema(data: dict[str, str], tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "data" / "xpstore.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "9999" in wrong(data)["database"]


def test_doctor_names_a_certificate_that_ends_soon(data: dict[str, str], tmp_path: Path) -> None:
    tls = {"XPSTORE_TLS_CERT": str(tmp_path / "cert.pem"), "XPSTORE_TLS_KEY": str(tmp_path / "key.pem")}
    for days, text in ((3, "renew it"), (-1, "is not valid now")):
        certificate(tmp_path, days)
        found = wrong({**data, **tls})
        assert found.keys() == {"tls"} and text in found["tls"]
    certificate(tmp_path, 100)
    assert "for localhost is valid until" in findings({**data, **tls})["tls"][0].text


def certificate(folder: Path, days: int) -> None:
    """Puts a certificate there that ends in so many days, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "cert.pem").write_bytes(signed.public_bytes(pem))
    (folder / "key.pem").touch(0o600)
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


def test_doctor_names_a_full_disk_and_one_that_cannot_be_written(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk", "size=40m") as disk:
        data = {"XPSTORE_DATA_DIR": str(disk.folder / "data"), "XPSTORE_LISTEN": "127.0.0.1:1"}
        assert run("migrate", folder=tmp_path, inside=disk.inside, **data).returncode == 0
        disk.fill(1 << 20)
        result = run("doctor", folder=tmp_path, inside=disk.inside, **data)
        assert result.returncode == 1 and "run `xpstore-server gc --now`" in result.stdout
        disk.remount("ro")
        result = run("doctor", folder=tmp_path, inside=disk.inside, **data)
        assert result.returncode == 1 and "cannot be written: mount it for writing" in result.stdout


def test_doctor_names_a_database_and_a_bucket_that_are_away(tmp_path: Path) -> None:
    away = {
        "XPSTORE_DATABASE_URL": f"postgresql://u:{SECRET}@127.0.0.1:1/d",
        "XPSTORE_BLOB_URL": f"s3://key:{SECRET}@127.0.0.1:1/bucket?secure=false",
        "XPSTORE_LISTEN": "127.0.0.1:1",
    }
    found = wrong(away)
    assert found.keys() >= {"database", "bucket"} and SECRET not in str(found)
    status = run("status", folder=tmp_path, **away)
    assert_one_line(status, "")
    assert SECRET not in status.stderr


def test_doctor_goes_on_where_a_setting_cannot_be(tmp_path: Path) -> None:
    data = {"XPSTORE_DATABASE_URL": f"mysql://u:{SECRET}@h/d", "XPSTORE_LISTEN": "127.0.0.1:1"}
    found = findings({**data, "XPSTORE_BLOB_URL": tmp_path.as_uri()})
    assert not found["database"][0].is_well and "'mysql' is not supported" in found["database"][0].text
    assert found["bucket"][0].is_well and SECRET not in str(found)


@pytest.mark.parametrize("command", ["status", "scrub"])
def test_setting_that_cannot_be_is_one_line_of_other_commands(command: str, tmp_path: Path) -> None:
    assert_one_line(run(command, folder=tmp_path, XPSTORE_DATABASE_URL=f"mysql://u:{SECRET}@h/d"), "'mysql'")


def test_names_have_no_secret() -> None:
    settings = load(
        database_url=f"postgresql://me:{SECRET}@db.example/name?sslpassword={SECRET}",
        blob_url=f"s3://key:{SECRET}@s3.example:9000/bucket?secure=true",
    )
    assert name_of_database(settings) == "PostgreSQL, name on db.example"
    assert name_of_bucket(settings) == "S3, bucket on s3.example:9000"
