"""A client of a Trackio server; runs in Trackio's own environment."""

import uuid

import trackio

from bench.peers.measured import main


def write(address: str, points: int) -> str:
    name = uuid.uuid4().hex
    trackio.init("bench", name=name, server_url=address, embed=False, auto_log_gpu=False, auto_log_cpu=False)
    for step in range(points):
        trackio.log({"loss": 0.5}, step=step)
    trackio.finish()
    return name


def read(address: str, name: str) -> int:
    client = trackio.RemoteClient(address.partition("?")[0])
    return len(client.predict("bench", name, "loss", api_name="/get_metric_values"))


if __name__ == "__main__":
    main(write, read)
