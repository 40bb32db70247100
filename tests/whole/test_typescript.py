"""The contract from outside: a client in another language, its stubs generated from proto/, does the real thing."""

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

import xpstore
from support.homes import without_settings
from support.needs import needs
from support.raw import MIB
from support.services import Server
from xpstore.artifact import DirectoryArtifact

pytestmark = pytest.mark.client

FOLDER = Path(__file__).parents[2] / "examples" / "typescript"
OLDEST_NODE = 20


def npm(*words: str, **settings: str) -> str:
    command = ["npm", *words, "--no-audit", "--no-fund"]
    environment = {**without_settings(), **settings}
    result = subprocess.run(command, cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=280)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def program() -> Path:
    """The compiled program. Packages are installed when the lock file is not the one they were installed from."""
    needs("npm")
    version = subprocess.run([needs("node"), "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.findall(r"\d+", version)[0]) < OLDEST_NODE:  # as Debian 12 has it
        pytest.skip(f"Node is {version.strip()}, and the example needs {OLDEST_NODE} or newer")
    if not os.access(FOLDER, os.W_OK):
        pytest.skip("this user may not put packages beside the example")
    stamp = FOLDER / "node_modules" / ".installed"
    lock = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != lock:
        npm("ci")
        stamp.write_text(lock)
    npm("run", "gen")
    npm("run", "build")
    return FOLDER / "dist" / "src" / "main.js"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(os.urandom(60_000_000))
    return path


def run(program: Path, server: Server, *words: str) -> dict[str, str]:
    """Runs the program and returns its summary by first word."""
    environment = {**without_settings(), "XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    command = ["node", str(program), *words]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    return {line[:10].strip(): line[10:] for line in result.stdout.splitlines()}


def test_node_client_logs_uploads_and_reads_back(
    program: Path, server: Server, client: xpstore.Client, file: Path, tmp_path: Path
) -> None:
    summary = run(program, server, str(file))
    assert summary["streams"] == "1, started at 0"
    assert summary["read back"] == "every byte is equal"
    project = xpstore.Project.get_by_id("typescript example")
    (model,) = project.experiment("from node").models.list()
    assert [(point.value, point.step, point.phase) for point in model.metrics.list("loss")] == [
        (0.9, 0, "train"),
        (0.5, 1, "train"),
        (0.25, 2, "train"),
    ]
    # What one client saved the other one has, with the same identity.
    artifact = DirectoryArtifact.get_by_name(file.name, alias="from-node", project=project)
    assert artifact.digest == DirectoryArtifact.save(file, "from python", project=project).digest
    assert artifact.digest in summary["artifact"]
    downloaded = artifact.download(tmp_path / "downloaded") / file.name
    assert downloaded.read_bytes() == file.read_bytes()
    project.delete()


@pytest.mark.parametrize("break_after", [5_000_000, 12_000_000, 50_000_000])
def test_node_client_goes_on_where_its_broken_stream_stopped(
    break_after: int, program: Path, server: Server, client: xpstore.Client, file: Path
) -> None:
    summary = run(program, server, str(file), "--break-after", str(break_after))
    offsets = [int(word) for word in summary["streams"].partition("started at ")[2].split(", ")]
    # What gRPC and the system had in their buffers when the stream was cancelled is lost with it.
    assert len(offsets) == 2 and offsets[0] == 0 and break_after // 2 <= offsets[1] <= break_after + MIB
    assert summary["read back"] == "every byte is equal"
    xpstore.Project.get_by_id("typescript example").delete()


def test_node_client_shows_typed_errors_in_one_line(program: Path, server: Server, file: Path) -> None:
    environment = {**without_settings(), "XPSTORE_API_KEY": "xps_wrong-wrong", "XPSTORE_API_URL": server.address}
    result = subprocess.run(["node", str(program), str(file)], env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("This is no API key of this server")


def test_node_client_agrees_on_every_fingerprint(program: Path) -> None:
    vectors = FOLDER.parent.parent / "docs" / "fingerprint-vectors.json"
    command = ["node", str(program.with_name("fingerprint.js")), str(vectors)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    count = sum(map(len, json.loads(vectors.read_text()).values()))
    assert result.stdout == f"{count} of {count} vectors agree\n"


def test_lock_file_names_no_host() -> None:
    assert "resolved" not in (FOLDER / "package-lock.json").read_text()
