"""A client of an Aim server; runs in Aim's own environment."""

import aim
from aim.storage.context import Context

from bench.peers.measured import main


def write(address: str, points: int) -> str:
    run = aim.Run(repo=address, system_tracking_interval=None, log_system_params=False, capture_terminal_logs=False)
    for step in range(points):
        run.track(0.5, name="loss", step=step)
    name = str(run.hash)
    run.close()
    return name


def read(address: str, name: str) -> int:
    metric = aim.Run(name, repo=address, read_only=True).get_metric("loss", Context({}))
    return 0 if metric is None else len(metric.values.values_list())


if __name__ == "__main__":
    main(write, read)
