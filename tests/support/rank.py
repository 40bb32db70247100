"""One of many training programs that log at once, for tests: into a model of its own and into one that all share.

    python -m support.rank KEY ADDRESS PROJECT NUMBER SECONDS

At the end it prints how many points it logged into each, and how many records were dropped.
"""

import sys
import time

import xpstore
from xpstore.model import Model

PAUSE_SECONDS = 0.005
EVENTS_EVERY = 200
FLUSH_SECONDS = 120


def main() -> None:
    key, address, project_id, number, seconds = sys.argv[1:]
    client = xpstore.Client(key, address, timeout_seconds=FLUSH_SECONDS)
    experiment = client.project(project_id).experiment("e")
    own, shared = experiment.model(f"rank {number}"), experiment.model("shared")
    with own.run():
        count = train(int(number), own, shared, float(seconds))
    client.flush(FLUSH_SECONDS)
    print(count, client.dropped_count)
    client.close()


def train(number: int, own: Model, shared: Model, seconds: float) -> int:
    """Logs for some time; returns how many points each model got."""
    # Odd ranks name the models of a batch in the other order.
    models = (own, shared) if number % 2 else (shared, own)
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for model in models:
            model.metrics.log(f"loss {number}", count, count)
        if count % EVENTS_EVERY == 0:
            for model in models:
                model.iterations.create(count).modules.log(f"optimizer {number}", {"lr": 0.1})
            shared.tags.add(f"rank {number}")
            own.step = count
        count += 1
        time.sleep(PAUSE_SECONDS)
    return count


if __name__ == "__main__":
    main()
