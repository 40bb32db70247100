"""Every import that is documented, and every name in it: they stay, whatever the house looks like inside."""

import importlib
import pickle
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import xpstore
from xpstore import artifact
from xpstore.v1 import artifact_pb2 as pb

ROOT = Path(__file__).parent.parent.parent
PUBLIC = {
    "xpstore": "Artifact Client DatasetArtifact DirectoryArtifact Error ExplanationArtifact Model Project "
    "TrainedModelArtifact cached get_all_projects get_project init set_project",
    "xpstore.alert": "Alert Alerts",
    "xpstore.artifact": "Artifact ArtifactFile CachedArtifact DatasetArtifact DirectoryArtifact ExplanationArtifact "
    "SaveOptions Staged TrainedModelArtifact stage",
    "xpstore.cache": "Cache CacheEntry CacheStatistics Difference Explanation",
    "xpstore.cli": "main",
    "xpstore.client": "Client init",
    "xpstore.errors": "AlreadyExists ComputationFailed Conflict DataLoss DeadlineExceeded Error InvalidArgument "
    "NoProject NotFound NotInitialized PermissionDenied ResourceExhausted ServerFault Stale Unauthenticated "
    "Unavailable Unimplemented",
    "xpstore.experiment": "Experiment Experiments",
    "xpstore.filesystem": "XpstoreFileSystem",
    "xpstore.integrations.keras": "KerasCallback",
    "xpstore.integrations.lightgbm": "LightGBMCallback",
    "xpstore.integrations.optuna": "OptunaCallback",
    "xpstore.integrations.sklearn": "create_model log_estimator log_search",
    "xpstore.integrations.tensorboard": "SummaryWriter",
    "xpstore.integrations.xgboost": "XGBoostCallback",
    "xpstore.iteration": "Iteration Iterations",
    "xpstore.media": "Medium ModelMedia",
    "xpstore.metric": "Metric Metrics",
    "xpstore.model": "FoundModels Model Models Tags config_hash fingerprint",
    "xpstore.module": "Module Modules",
    "xpstore.process": "Part PartKind Process identify",
    "xpstore.project": "Project get_all_projects get_project set_project",
    "xpstore.run": "Run",
    "xpstore.series": "Buckets Series read_many",
}
# These are classes of a framework, and load with it alone.
OF_FRAMEWORKS = {"xpstore.integrations.keras": "keras", "xpstore.integrations.xgboost": "xgboost"}
# `from xpstore... import a, b` in a page or an example.
IMPORT = re.compile(r"^\s*from (xpstore(?:\.\w+)*) import (\w+(?:, \w+)*)", re.M)
# Pickled by version 0.1.0 as it was before the client had packages.
STAGED = bytes.fromhex(
    "800495b2000000000000008c0e787073746f72652e736176696e67948c065374616765649493942981945d94288c0a63616d706169676e2037948c"
    "2430623262643561642d366134632d346631652d386135322d306130613061306130613061944b0343540a520a05612e62696e100120032a200001"
    "02030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f3a20000102030405060708090a0b0c0d0e0f101112131415161718191a"
    "1b1c1d1e1f4201039465622e"
)


@pytest.mark.parametrize("module", PUBLIC)
def test_public_module_has_its_names(module: str) -> None:
    if module in OF_FRAMEWORKS:
        pytest.importorskip(OF_FRAMEWORKS[module], exc_type=ImportError)
    found = importlib.import_module(module)
    names = PUBLIC[module].split()
    assert [name for name in names if not hasattr(found, name)] == []
    if hasattr(found, "__all__"):
        assert sorted(found.__all__) == sorted(names)


def test_whatever_pages_and_examples_import_is_public() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.py")]
    found = {
        (module, name)
        for page in pages
        for module, names in IMPORT.findall(page.read_text())
        for name in names.split(", ")
    }
    assert len(found) >= 8
    generated = {pair for pair in found if pair[0].startswith("xpstore.v1")}
    assert found - generated <= {(module, name) for module, names in PUBLIC.items() for name in names.split()}


def test_modules_at_the_root_are_public_or_said_to_be_behind_one() -> None:
    behind = {"artifact_links", "cached_function", "format", "saving", "search", "tags", "v1"}
    root = {module.name for module in pkgutil.iter_modules(xpstore.__path__) if not module.name.startswith("_")}
    assert root - behind == {module.split(".")[1] for module in PUBLIC if "." in module}


def test_cached_is_the_function_however_it_is_reached() -> None:
    code = (
        "import xpstore.cached_function; from xpstore import cached; print(cached is xpstore.cached, callable(cached))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "True True\n"
    with pytest.raises(AttributeError, match="nonsense"):
        getattr(xpstore, "nonsense")  # noqa: B009


def test_staged_parts_pickled_by_an_earlier_version_are_read() -> None:
    staged = pickle.loads(STAGED)
    assert isinstance(staged, artifact.Staged)
    assert (staged.project_id, staged.size_bytes) == ("campaign 7", 3)
    (entry,) = staged.entries()
    assert (entry.path, entry.type, entry.digest) == ("a.bin", pb.FILE_TYPE_FILE, bytes(range(32)))
    again = pickle.dumps(staged)
    assert b"xpstore.artifact" in again and pickle.loads(again) == staged
