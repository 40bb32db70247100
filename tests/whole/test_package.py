"""The wheel: what is in it, what it imports, and that it works beside nothing but the oldest of what it needs."""

import hashlib
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import xpstore
from support.homes import without_settings
from support.services import Server

pytestmark = pytest.mark.client

ROOT = Path(__file__).parents[2]
# Kept between the runs of this checkout, and no other one's.
ENVIRONMENTS = ROOT / ".venv" / "environments"
REQUIREMENTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
# For mypy alone: they have no code.
STUBS = ["types-grpcio", "types-protobuf"]


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with the wheel and given packages, no extra of it."""

    folder: Path

    def run(self, *words: str, expect: int = 0, program: str = "python", settings: dict[str, str] | None = None) -> str:
        command = [str(self.folder / "bin" / program), *words]
        environment = {**without_settings(), **(settings or {})}
        environment.pop("PYTHONPATH", None)
        result = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=200)
        assert result.returncode == expect, result.stdout + result.stderr
        return result.stderr if expect else result.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=200)
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment(name: str, packages: Sequence[str], wheel: Path) -> Environment:
    """Packages are kept between test runs, by their requirements; the wheel is always this one."""
    key = hashlib.sha256("\n".join([sys.version, *REQUIREMENTS, *packages]).encode()).hexdigest()[:16]
    folder = ENVIRONMENTS / f"{name}-{key}"
    found = Environment(folder)
    if not (folder / ".complete").exists():
        for stale in ENVIRONMENTS.glob(f"{name}-*"):
            shutil.rmtree(stale)
        venv.create(folder, with_pip=True)
        found.run("-m", "pip", "install", "--quiet", *packages, str(wheel))
        (folder / ".complete").touch()
    found.run("-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall", str(wheel))
    return found


@pytest.fixture(scope="session")
def base(wheel: Path) -> Environment:
    """Without extras, on the newest versions."""
    return environment("base", STUBS, wheel)


@pytest.fixture(scope="session")
def lowest(wheel: Path) -> Environment:
    """Without extras, on the oldest versions that the requirements admit."""
    if sys.version_info >= (3, 14):
        pytest.skip("the oldest grpcio has no wheel for this Python")
    return environment("lowest", [floor(Requirement(text)) for text in REQUIREMENTS], wheel)


def floor(requirement: Requirement) -> str:
    (lower,) = [part.version for part in requirement.specifier if part.operator == ">="]
    return f"{requirement.name}=={lower}"


def test_wheel_has_both_packages_and_their_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0] for name in names} == {
        "xpstore",
        "xpstore_server",
        f"xpstore-{xpstore.__version__}.dist-info",
    }
    assert {"xpstore/py.typed", "xpstore_server/py.typed", "xpstore/v1/artifact_pb2_grpc.pyi"} <= names
    assert {"xpstore_server/store/migrations/script.py.mako", "xpstore/v1/error_pb2.py"} <= names
    (entry_points,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
    text = zipfile.ZipFile(wheel).read(entry_points).decode()
    assert "[fsspec.specs]\nxpstore = xpstore.filesystem:XpstoreFileSystem" in text
    assert not [name for name in names if "__pycache__" in name or name.endswith(".proto")]


def test_generated_stubs_are_importable(base: Environment) -> None:
    code = "from xpstore.v1 import artifact_pb2_grpc as s; print(s.ArtifactServiceStub.__name__)"
    assert base.run("-c", code) == "ArtifactServiceStub\n"


def test_every_module_of_the_client_loads_without_extras(base: Environment) -> None:
    code = """
import importlib, pkgutil, xpstore
for module in pkgutil.walk_packages(xpstore.__path__, "xpstore."):
    of_others = "xpstore.integrations.keras", "xpstore.integrations.xgboost"
    if not module.name.startswith(("xpstore.cli", "xpstore._cli.", "xpstore.filesystem", *of_others)):
        importlib.import_module(module.name)
"""
    base.run("-c", code)


def test_documented_imports_work(base: Environment) -> None:
    base.run(
        "-c",
        """
from xpstore import init, set_project, get_project, Client
from xpstore.project import Project, get_all_projects
from xpstore.artifact import Artifact, DirectoryArtifact, TrainedModelArtifact, ExplanationArtifact, DatasetArtifact
from xpstore.model import Model
""",
    )


SNIPPET = """
import grpc
from xpstore import Client, Project, init
from xpstore.artifact import DirectoryArtifact
from xpstore.v1.artifact_pb2 import GetArtifactVersionRequest
from xpstore.v1.artifact_pb2_grpc import ArtifactServiceStub


def by_stub(channel: grpc.Channel) -> int:
    return ArtifactServiceStub(channel).GetArtifactVersion(GetArtifactVersionRequest(version_id="x")).version.version


def by_client(project: Project) -> str:
    model = project.experiment("mnist").model(config={"lr": 1})
    model.metrics.log("loss", 0.5, step=model.step)
    artifact = DirectoryArtifact.save("folder", "name", model=model)
    files: list[str] = [file.path for file in artifact.files()]
    return artifact.digest + files[0]


client: Client = init()
"""


@pytest.mark.parametrize(
    ("snippet", "errors"),
    [
        (SNIPPET, 0),
        (SNIPPET.replace("-> int", "-> str"), 1),
        (SNIPPET.replace('version_id="x"', "nonsense=1"), 1),
        (SNIPPET.replace("step=model.step", "step='first'"), 1),
    ],
)
def test_types_reach_the_caller(base: Environment, tmp_path: Path, snippet: str, errors: int) -> None:
    (tmp_path / "snippet.py").write_text(snippet)
    options = ["--strict", "--config-file=", f"--python-executable={base.folder / 'bin' / 'python'}"]
    command = [sys.executable, "-m", "mypy", *options, "snippet.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout.count("error:") == errors, result.stdout + result.stderr


def test_what_an_extra_is_missing_for_says_so_in_one_line(base: Environment, tmp_path: Path) -> None:
    assert base.run("ls", program="xpstore", expect=1).endswith("pip install 'xpstore[cli]'\n")
    server = base.run("serve", program="xpstore-server", expect=1)
    assert server.endswith("pip install 'xpstore[server]'\n") and len(server.splitlines()) == 1
    error = base.run("-c", "import xpstore.filesystem", expect=1)
    assert error.endswith("pip install 'xpstore[fsspec]'\n")
    home = {"XPSTORE_HOME": str(tmp_path / "home")}
    error = base.run("-c", "import xpstore; xpstore.init()", expect=1, settings=home)
    assert "pip install 'xpstore[server]'" in error.splitlines()[-1]


SESSION = """
import os, sys, xpstore
from xpstore.artifact import DirectoryArtifact
from xpstore.errors import AlreadyExists, NotFound

xpstore.init()
with xpstore.Project("on the lowest versions") as project:
    model = project.experiment("mnist").model(config={"lr": 1})
    model.metrics.log("loss", 0.5, 1, "train")
    model.step += 1
    assert (model.step, [point.value for point in model.metrics.list()]) == (1, [0.5])
    with model.run():
        pass
    data = os.urandom(3_000_000)
    artifact = DirectoryArtifact.save(data, "data", model=model)
    (file,) = artifact.download(sys.argv[1]).iterdir()
    assert file.read_bytes() == data
    try:
        project.experiments.create("mnist")
    except AlreadyExists as error:
        assert error.reason == "ALREADY_EXISTS" and error.request_id
    project.delete()
"""


def test_session_works_on_the_lowest_versions(lowest: Environment, server: Server, tmp_path: Path) -> None:
    installed = lowest.run("-m", "pip", "freeze")
    assert all(floor(Requirement(text)) in installed.lower() for text in REQUIREMENTS), installed
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    lowest.run("-W", "error", "-c", SESSION, str(tmp_path / "out"), settings=access)
