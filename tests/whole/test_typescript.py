"""The client in TypeScript: its own tests, and its example against the real thing, beside Python."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

import xpstore
from support.between.counting_proxy import CountingProxy
from support.homes import without_settings
from support.needs import needs
from support.services import Server
from xpstore.artifact import DirectoryArtifact

pytestmark = pytest.mark.client

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "client" / "typescript"
EXAMPLE = ROOT / "examples" / "typescript"
OLDEST_NODE = 20
SIZE = 60_000_000


def ran(*words: str, folder: Path) -> str:
    result = subprocess.run(
        words,
        cwd=folder,
        env=without_settings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.fixture(scope="module")
def client_built() -> None:
    needs("npm")
    version = subprocess.run([needs("node"), "--version"], capture_output=True, text=True, check=True).stdout
    if int(re.findall(r"\d+", version)[0]) < OLDEST_NODE:  # as Debian 12 has it
        pytest.skip(f"Node is {version.strip()}, and the client needs {OLDEST_NODE} or newer")
    if not os.access(CLIENT, os.W_OK):
        pytest.skip("this user may not put packages beside the client")
    ran("./build", "--lazy", folder=CLIENT)


@pytest.fixture(scope="module")
def program(client_built: None) -> Path:
    """The compiled example. Packages are installed when the lock file is not the one they were installed from."""
    stamp, lock = EXAMPLE / "node_modules" / ".installed", (EXAMPLE / "package-lock.json").read_text()
    if not stamp.exists() or stamp.read_text() != lock:
        ran("npm", "ci", "--no-audit", "--no-fund", folder=EXAMPLE)
        stamp.write_text(lock)
    ran("npm", "run", "build", folder=EXAMPLE)
    return EXAMPLE / "dist" / "main.js"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


def start(program: Path, file: Path, address: str, api_key: str) -> "subprocess.Popen[str]":
    settings = {**without_settings(), "XPSTORE_API_KEY": api_key, "XPSTORE_API_URL": address}
    command = ["node", str(program), str(file)]
    return subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def summary_of(process: "subprocess.Popen[str]") -> dict[str, str]:
    """What the example says, by first word."""
    said, wrong = process.communicate(timeout=120)
    assert process.returncode == 0, said + wrong
    return {line[:10].strip(): line[10:] for line in said.splitlines()}


def test_example_logs_uploads_reads_back_and_computes_once(
    program: Path, server: Server, client: xpstore.Client, file: Path, tmp_path: Path
) -> None:
    summary = summary_of(start(program, file, server.address, server.api_key))
    assert summary["read back"] == "every byte is equal"
    project = xpstore.Project.get_by_id("typescript example")
    (model,) = project.experiment("from node").models.list()
    assert [(point.value, point.step, point.phase) for point in model.metrics.list("loss")] == [
        (0.9, 0, "train"),
        (0.5, 1, "train"),
        (0.25, 2, "train"),
    ]
    assert model.status == "finished"
    # What one client saved the other one has, with the same identity.
    artifact = DirectoryArtifact.get_by_name(file.name, alias="from-node", project=project)
    assert artifact.digest == DirectoryArtifact.save(file, "from python", project=project).digest
    assert artifact.digest in summary["artifact"]
    downloaded = artifact.download(tmp_path / "downloaded") / file.name
    assert downloaded.read_bytes() == file.read_bytes()
    # What one computed is a hit for the other.
    assert summary["lengths"] == "[1,2], computed"
    found = project.cache.get_or_compute("lengths", {"words": ["a", "bc"]}, lambda: pytest.fail("computed"), version=1)
    assert found.load() == [1, 2]
    project.cache.invalidate("lengths")
    made = project.cache.get_or_compute("lengths", {"words": ["a", "bc"]}, lambda: [1, 2, 3.5], version=1)
    assert made.id != found.id
    file.write_bytes(b"less")
    assert summary_of(start(program, file, server.address, server.api_key))["lengths"] == "[1,2,3.5], a hit"
    project.delete()


def test_example_goes_on_where_its_broken_stream_stopped(
    program: Path, server: Server, client: xpstore.Client, file: Path
) -> None:
    with CountingProxy(server.address) as proxy:
        process = start(program, file, proxy.address, server.api_key)
        while proxy.sent_bytes < SIZE // 2:
            assert process.poll() is None
            time.sleep(0.001)
        proxy.turn_to(server.address)  # what there is is cut
        summary = summary_of(process)
    assert summary["read back"] == "every byte is equal"
    # What gRPC, the system and the proxy had in their buffers is lost with the stream, and no more.
    assert SIZE < proxy.sent_bytes < SIZE + SIZE // 3
    xpstore.Project.get_by_id("typescript example").delete()


def test_example_shows_typed_errors_in_one_line(program: Path, server: Server, file: Path) -> None:
    process = start(program, file, server.address, "xps_wrong-wrong")
    assert process.communicate(timeout=60)[1].startswith("This is no API key of this server")
    assert process.returncode == 1


def test_client_agrees_on_every_vector_and_calls_as_the_contract_says(client_built: None) -> None:
    said = ran("npm", "test", folder=CLIENT)
    assert re.search(r"^# fail 0$", said, re.M) and re.search(r"^# pass [1-9]", said, re.M)


@pytest.mark.parametrize("folder", [CLIENT, EXAMPLE], ids=["client", "example"])
def test_lock_file_names_no_host(folder: Path) -> None:
    assert '"resolved": "http' not in (folder / "package-lock.json").read_text()
