"""A name that is no setting: told, and refused where it is a typing error."""

import re
from pathlib import Path

import pytest

from support.operation.operating import assert_one_line, run
from xpstore_server.setting_names import OF_CLIENTS, RETIRED, misspelt
from xpstore_server.settings import Settings, load

ROOT = Path(__file__).parent.parent.parent
OF_SERVER = [name.upper() for name in Settings.model_fields]


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("XPSTORE_DATBASE_URL", "XPSTORE_DATABASE_URL"),
        ("XPSTORE_BLOBS_URL", "XPSTORE_BLOB_URL"),
        ("XPSTORE_DATADIR", "XPSTORE_DATA_DIR"),
        ("XPSTORE_ADMIN_KEY", "XPSTORE_ADMIN_KEY_FILE"),
        ("XPSTORE_LISTEN_", "XPSTORE_LISTEN"),
        ("XPSTORE_APIKEY", "XPSTORE_API_KEY"),
        ("xpstore_undo_second", "XPSTORE_UNDO_SECONDS"),
    ],
)
def test_misspelt_name_is_refused_with_the_nearest(wrong: str, right: str) -> None:
    bad, strange = misspelt({wrong: "x"}, OF_SERVER)
    assert bad == [f"{wrong}: is no setting; write {right}, or unset it"] and not strange


@pytest.mark.parametrize("name", [f"XPSTORE_{name}" for name in (*OF_CLIENTS, *OF_SERVER)])
def test_known_names_are_taken_in_any_case(name: str) -> None:
    assert misspelt({name: "x", name.lower(): "x"}, OF_SERVER) == ([], [])


@pytest.mark.parametrize(
    "name",
    ["XPSTORE_SERVICE_HOST", "XPSTORE_SERVICE_PORT_GRPC", "XPSTORE_PORT", "XPSTORE_PORT_50051_TCP_ADDR", "XP", "PATH"],
)
def test_names_of_an_orchestrator_and_of_others_are_no_matter(name: str) -> None:
    assert misspelt({name: "x"}, OF_SERVER) == ([], [])


def test_clients_names_are_those_that_clients_read() -> None:
    text = "\n".join(path.read_text() for path in (ROOT / "client" / "xpstore").rglob("*.py"))
    assert set(re.findall(r"\bXPSTORE_([A-Z_]+[A-Z])\b", text)) == set(OF_CLIENTS)


@pytest.mark.parametrize("name", RETIRED)
def test_setting_that_clients_rely_on_is_none_any_more(name: str) -> None:
    (told,), strange = misspelt({f"XPSTORE_{name}": "0"}, OF_SERVER)
    assert told.startswith(f"XPSTORE_{name}: is no setting any more") and not strange


def test_every_command_says_it_in_one_line_and_does_nothing(tmp_path: Path) -> None:
    result = run("keys", "list", folder=tmp_path, XPSTORE_DATA_DIR=str(tmp_path / "a"), XPSTORE_DATA_DIRS="b")
    assert_one_line(result, "write XPSTORE_DATA_DIR")
    assert not any(tmp_path.iterdir())


def test_strange_name_is_told_and_the_command_goes_on(tmp_path: Path) -> None:
    result = run("migrate", folder=tmp_path, XPSTORE_DATA_DIR=str(tmp_path / "a"), XPSTORE_WEATHER="secret")
    assert result.returncode == 0
    assert result.stderr == "xpstore-server: XPSTORE_WEATHER: is no setting, and does not count\n"


def test_longer_name_is_told_with_the_one_that_it_may_mean() -> None:
    bad, (told,) = misspelt({"XPSTORE_TLS_CERTIFICATE": "x"}, OF_SERVER)
    assert not bad and told.endswith("does not count (write XPSTORE_TLS_CERT, if you mean that)")


def test_empty_variable_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TLS_CERT", "TLS_KEY", "LISTEN", "UNDO_SECONDS", "ADMIN_KEY_FILE"):
        monkeypatch.setenv(f"XPSTORE_{name}", "")
    settings = load()
    assert settings.tls_cert is None and settings.listen == ["127.0.0.1:50051"] and settings.undo_seconds == 604_800
