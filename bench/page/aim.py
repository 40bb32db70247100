"""Fills an Aim repository through its API, all metrics of a step in one call; runs in Aim's own environment."""

import aim

from bench.page.curves import PROJECT, arguments, runs


def main() -> None:
    place, size = arguments()
    quiet = {"system_tracking_interval": None, "log_system_params": False, "capture_terminal_logs": False}
    for run in runs(size):
        one = aim.Run(repo=place, experiment=PROJECT, **quiet)
        one.name = run.name
        one["config"] = run.config
        for step, row in enumerate(zip(*run.values.values(), strict=True)):
            one.track(dict(zip(run.values, row, strict=True)), step=step)
        one.close()


if __name__ == "__main__":
    main()
