"""What `import xpstore` loads: what a script uses, by number and by name, whatever time it takes on this machine."""

import json
import subprocess
import sys

import pytest

import xpstore

# With grpcio 1.85 and protobuf 6 there are 99 beside grpc's own, 35 of them ours. Those of protobuf differ by version.
MOST = 130
MOST_OF_OURS = 37
# Of ours what the first use loads; of others what would cost more than all of ours.
LATER = (
    "xpstore._caching",
    "xpstore._files",
    "xpstore._identity",
    "xpstore._offline",
    "xpstore._results",
    "xpstore._spool",
    "xpstore.artifact",
    "xpstore.cache",
    "xpstore.experiment",
    "xpstore.model",
    "xpstore.v1.artifact_pb2",
    "xpstore.v1.artifact_pb2_grpc",
    "xpstore.v1.project_pb2_grpc",
    "asyncio",
    "blake3",
    "importlib.metadata",
    "inspect",
    "multiprocessing",
    "sqlite3",
    "subprocess",
    "zstandard",
)


def loaded(*statements: str) -> list[set[str]]:
    """The modules that are there after each statement of a program."""
    code = "import json, sys\nfound = []\n"
    code += "".join(f"{statement}\nfound.append(list(sys.modules))\n" for statement in statements)
    code += "print(json.dumps(found))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [set(names) for names in json.loads(answer.stdout)]


def test_import_loads_what_a_script_uses() -> None:
    grpc, ours = loaded("import grpc", "import xpstore")
    new = ours - grpc
    assert len(new) <= MOST and len([name for name in new if name.startswith("xpstore")]) <= MOST_OF_OURS, sorted(new)
    assert not {name for name in LATER if name in new}


def test_stubs_of_a_service_are_loaded_when_it_is_used() -> None:
    before, after = loaded(
        "from xpstore._service.address import parse_address; from xpstore._service.channel import Stubs, open_channel; "
        "stubs = Stubs(open_channel(parse_address('localhost:1')))",
        "stubs.projects.CreateProject",
    )
    services = {name for name in after - before if name.endswith("_pb2_grpc")}
    assert services == {"xpstore.v1.project_pb2_grpc"}


def test_names_at_hand_are_loaded_when_they_are_used() -> None:
    before, artifact, model = loaded("import xpstore", "xpstore.DirectoryArtifact", "xpstore.Model")
    assert "xpstore.artifact" not in before and "xpstore.artifact" in artifact
    assert "xpstore.model" in model
    for name in xpstore.__all__:
        assert getattr(xpstore, name).__name__ == name and name in dir(xpstore)
    with pytest.raises(AttributeError, match="'missing'"):
        xpstore.missing  # noqa: B018
