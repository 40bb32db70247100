"""Runs the contest on every store that is there."""

import shutil
from pathlib import Path

from bench.figure import Figure
from bench.transfer import mlflow, wire
from bench.transfer.contest import Contestant, S3Store, Step, Store
from bench.transfer.contestants import Copy, Direct, DirectThreads, GrpcAlone, Ours
from bench.transfer.plan import Plan
from bench.transfer.progress import say
from bench.transfer.report import figures
from bench.transfer.run import Contest, Results
from bench.transfer.steps import planned_steps
from bench.transfer.stub import S3Stub
from bench.transfer.workload import make_sources
from s3_server import MinIO, S3Server, SeaweedFS


def measure(folder: Path, plan: Plan, notes: dict[str, str]) -> list[Figure]:
    """Runs the contest on the local disk and on each S3 server, then counts bytes and calls.

    Args:
        folder: where everything is kept meanwhile.
        plan: how large and how often.
        notes: gets what peers are and why some are missing.
    """
    results = Results(notes)
    say("making the files")
    sources = make_sources(folder / "sources", plan)
    python = _mlflow_python(plan, results)
    every_step = planned_steps(sources, plan)
    if "disk" in plan.stores:
        _on_disk(every_step, folder / "disk", results, python)
    if "SeaweedFS" in plan.stores:
        _on_s3(SeaweedFS(folder / "seaweedfs-data"), every_step, folder / "seaweedfs", results, python)
    if "MinIO" in plan.stores and _has_minio(plan, results):
        _on_s3(MinIO(folder / "minio-data"), every_step, folder / "minio", results, None)
    if "stub" in plan.stores:
        _on_stubs(every_step, folder, results)
    if "wire" not in plan.stores:
        return figures(results, {}, plan)
    say("counting bytes and calls")
    return figures(results, wire.count(sources, folder / "wire"), plan)


def _on_disk(every_step: list[Step], folder: Path, results: Results, python: Path | None) -> None:
    folder.mkdir()
    store = Store("disk", folder / "blobs")
    contestants: list[Contestant] = [Ours(folder, store), Copy(folder), GrpcAlone(folder)]
    if python is not None:
        contestants.append(mlflow.MLflow(python, folder, store))
    Contest(store, every_step, folder, results).run(contestants)
    shutil.rmtree(folder)


def _on_s3(s3: S3Server, every_step: list[Step], folder: Path, results: Results, python: Path | None) -> None:
    folder.mkdir()
    with s3:
        store = S3Store(s3)
        contestants: list[Contestant] = [Ours(folder, store), Direct(store), DirectThreads(store)]
        if python is not None:
            contestants.append(mlflow.MLflow(python, folder, store))
        Contest(store, every_step, folder, results).run(contestants)
    shutil.rmtree(s3.data, ignore_errors=True)
    shutil.rmtree(folder)


def _on_stubs(every_step: list[Step], folder: Path, results: Results) -> None:
    """Up to one that discards: keeping costs it more than the network does. Down from one that keeps."""
    reason = S3Stub.build()
    if reason is not None:
        results.skip("stub", reason)
        return
    up_and_down = [step for step in every_step if step.name in ("large up", "large down")]
    _on_s3(S3Stub(discards=True), up_and_down[:1], folder / "discarding", results, None)
    _on_s3(S3Stub(discards=False), up_and_down, folder / "keeping", results, None)


def _has_minio(plan: Plan, results: Results) -> bool:
    if plan.is_full and MinIO.available():
        return True
    results.skip("MinIO", "not built: run `make minio`" if plan.is_full else "this run is quick")
    return False


def _mlflow_python(plan: Plan, results: Results) -> Path | None:
    if not (plan.is_full and plan.has_mlflow):
        results.skip("MLflow", "not wanted" if plan.is_full else "this run is quick")
        return None
    try:
        python = mlflow.install()
        results.notes["MLflow"] = (
            f"{mlflow.version(python)}, through its server, with one worker and its other defaults"
        )
        return python
    except mlflow.Missing as error:
        results.skip("MLflow", error)
        return None
