"""What `import xpstore` has, and what it does not load."""

import subprocess
import sys

import xpstore

HEAVY = (
    "fsspec",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "rich",
    "sklearn",
    "sqlalchemy",
    "sqlite3",
    "torch",
    "typer",
    "xpstore_server",
)


def test_import_loads_nothing_heavy() -> None:
    """In the environment of the tests, where all of it is installed."""
    code = f"import sys, xpstore, xpstore.artifact, xpstore.model; print([n for n in {HEAVY!r} if n in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_exports_are_pinned() -> None:
    assert xpstore.__all__ == [
        "Artifact",
        "Client",
        "DatasetArtifact",
        "DirectoryArtifact",
        "Error",
        "ExplanationArtifact",
        "Model",
        "Project",
        "TrainedModelArtifact",
        "cached",
        "get_all_projects",
        "get_project",
        "init",
        "set_project",
    ]
    assert all(hasattr(xpstore, name) for name in xpstore.__all__)
