"""A client of an MLflow server; runs in MLflow's own environment."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.artifacts

from bench.transfer.clients.measured import main


def prepare(task: dict[str, Any]) -> Callable[[], object]:
    path, uri, run_id = task["path"], task["uri"], task["run_id"]
    client = mlflow.MlflowClient(uri)
    client.get_run(run_id)
    if task["action"] == "down":
        Path(path).mkdir(parents=True, exist_ok=True)
        return lambda: mlflow.artifacts.download_artifacts(
            run_id=run_id, artifact_path=task["file"], dst_path=path, tracking_uri=uri
        )
    log = client.log_artifacts if Path(path).is_dir() else client.log_artifact
    return lambda: log(run_id, path)


if __name__ == "__main__":
    main(prepare)
