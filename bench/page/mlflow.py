"""Fills MLflow: runs by its client, points straight into its SQLite; runs in MLflow's own environment."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from mlflow.tracking import MlflowClient

from bench.page.curves import BEGAN, Run, arguments, runs

EXPERIMENT = "0"  # its default one


def main() -> None:
    file, size = arguments()
    client = MlflowClient(f"sqlite:///{file}")
    began_ms, last = BEGAN * 1000, size.steps - 1
    made = {client.create_run(EXPERIMENT, began_ms, run_name=run.name).info.run_id: run for run in runs(size)}
    for run_id, run in made.items():
        for name, value in run.config.items():
            client.log_param(run_id, name, value)
        client.set_terminated(run_id, end_time=began_ms + size.steps * 1000)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executemany(
            "INSERT INTO metrics (run_uuid, key, step, timestamp, value, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
            ((run_id, *point) for run_id, run in made.items() for point in _points(run)),
        )
        connection.executemany(
            "INSERT INTO latest_metrics (run_uuid, key, step, timestamp, value, is_nan) VALUES (?, ?, ?, ?, ?, 0)",
            ((run_id, *point) for run_id, run in made.items() for point in _points(run) if point[1] == last),
        )


def _points(run: Run) -> Iterator[tuple[str, int, int, float]]:
    """Name, step, time and value of each."""
    for name, values in run.values.items():
        for step, value in enumerate(values):
            yield name, step, (BEGAN + step) * 1000, value


if __name__ == "__main__":
    main()
