"""Fills Trackio by its own call for many rows; runs in Trackio's own environment, with TRACKIO_DIR set."""

from datetime import UTC, datetime

from trackio.sqlite_storage import SQLiteStorage

from bench.page.curves import BEGAN, PROJECT, arguments, runs


def main() -> None:
    _, size = arguments()
    times = [datetime.fromtimestamp(BEGAN + step, UTC).isoformat() for step in range(size.steps)]
    for run in runs(size):
        rows = [dict(zip(run.values, row, strict=True)) for row in zip(*run.values.values(), strict=True)]
        SQLiteStorage.bulk_log(PROJECT, run.name, rows, list(range(size.steps)), times, dict(run.config))


if __name__ == "__main__":
    main()
