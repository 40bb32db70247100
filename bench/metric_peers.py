"""What others need for metric points: each in an environment of its own, with its own server and its own client.

MLflow gets 1,000 points a call, the most its batch call takes. Trackio and Aim have no call for many: they get one at a
time, and their clients batch by themselves. TensorBoard only writes a file here: nothing is on a server when its clock
stops.
"""

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.figure import Spread, say, seconds_of
from bench.transfer import mlflow
from bench.transfer.contestants import Store
from s3_server import free_port, spawn

ROUNDS = 3
MLFLOW_POINTS = 20_000
MLFLOW_BATCH = 1_000
WRITER_POINTS = 100_000
TRACKIO_POINTS = 20_000
AIM_POINTS = 2_000
START_SECONDS = 60
PROGRAM_SECONDS = 300
# No use of theirs that anybody should count, and nothing asked of the net.
SILENT = {
    "DO_NOT_TRACK": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_OFFLINE": "1",
}
WRITER = f"""
import tempfile, time
from tensorboardX import SummaryWriter
with tempfile.TemporaryDirectory() as folder:
    writer = SummaryWriter(folder)
    start = time.perf_counter()
    for step in range({WRITER_POINTS}):
        writer.add_scalar("loss", 0.5, step)
    writer.close()
    print({WRITER_POINTS} / (time.perf_counter() - start) / 1e6)
"""


@dataclass(frozen=True, slots=True)
class Peers:
    """Millions of points a second, and milliseconds for as many points as ours reads, by name."""

    writes: dict[str, Spread] = field(default_factory=dict)
    reads: dict[str, Spread] = field(default_factory=dict)

    def take(self, who: str, points: int, writes: list[float], reads: list[float], scale: float) -> None:
        """Keeps seconds for some points; those of reads stand for `scale` times as many."""
        self.writes[who] = Spread.of([points / seconds / 1e6 for seconds in writes])
        self.reads[who] = Spread.of([1e3 * scale * seconds for seconds in reads])


def peers_of(folder: Path, notes: dict[str, str], read_points: int) -> Peers:
    """Measures all that install and run here; the notes say of the others why not."""
    peers = Peers()
    runs: dict[str, Callable[[Path, Peers, int], None]] = {
        "MLflow": _mlflow,
        "Trackio": _trackio,
        "Aim": _aim,
        "TensorBoard's writer": _tensorboard,
    }
    for who, run in runs.items():
        say(f"metrics of {who}")
        try:
            run(folder, peers, read_points)
        except (mlflow.Missing, RuntimeError, OSError, ValueError, subprocess.SubprocessError) as error:
            say(f"skipped: {who}: {error}")
            notes[who] = f"skipped: {str(error).strip().splitlines()[-1]}"
    return peers


def _mlflow(folder: Path, peers: Peers, read_points: int) -> None:
    peer = mlflow.MLflow(mlflow.install(), folder, Store("disk", folder / "mlflow-blobs"))
    with contextlib.ExitStack() as stack:
        stack.callback(peer.stop)
        peer.open(0)
        writes, run_id = list[float](), ""
        for _ in range(ROUNDS):
            run_id, start = peer.create_run(), time.perf_counter()
            for batch in _batches():
                peer.request("POST", "mlflow/runs/log-batch", json.dumps({"run_id": run_id, "metrics": batch}).encode())
            writes.append(time.perf_counter() - start)
        query = f"mlflow/metrics/get-history?run_id={run_id}&metric_key=loss&max_results={MLFLOW_POINTS}"
        seconds = seconds_of(lambda: json.loads(peer.request("GET", query)), ROUNDS)
        reads = [seconds.lowest, seconds.median, seconds.highest]
        peers.take("MLflow", MLFLOW_POINTS, writes, reads, read_points / MLFLOW_POINTS)


def _batches() -> Iterator[list[dict[str, object]]]:
    for first in range(0, MLFLOW_POINTS, MLFLOW_BATCH):
        steps = range(first, first + MLFLOW_BATCH)
        yield [{"key": "loss", "value": 0.5, "timestamp": 1_700_000_000_000 + step, "step": step} for step in steps]


def _trackio(folder: Path, peers: Peers, read_points: int) -> None:
    python, port = mlflow.environment("bench-trackio", "trackio"), free_port()
    environment = {"TRACKIO_DIR": str(folder / "trackio"), "TRACKIO_WRITE_TOKEN": "bench"}
    show = f"open_browser=False, block_thread=True, host='127.0.0.1', server_port={port}"
    command = [str(python), "-c", f"import trackio; trackio.show({show})"]
    with serving("trackio", command, folder, environment, port):
        writes, reads = _program(python, "trackio", f"http://127.0.0.1:{port}/?write_token=bench", TRACKIO_POINTS)
    peers.take("Trackio", TRACKIO_POINTS, writes, reads, read_points / TRACKIO_POINTS)


def _aim(folder: Path, peers: Peers, read_points: int) -> None:
    python, port = mlflow.environment("bench-aim", "aim"), free_port()
    repository = folder / "aim"
    repository.mkdir()
    aim = str(python.with_name("aim"))
    subprocess.run(
        [aim, "init", "--repo", str(repository), "-y"], capture_output=True, check=True, timeout=START_SECONDS
    )
    command = [aim, "server", "--repo", str(repository), "--host", "127.0.0.1", "--port", str(port)]
    with serving("aim", command, folder, {}, port):
        writes, reads = _program(python, "aim", f"aim://127.0.0.1:{port}", AIM_POINTS)
    peers.take("Aim", AIM_POINTS, writes, reads, read_points / AIM_POINTS)


@contextlib.contextmanager
def serving(who: str, command: list[str], folder: Path, environment: dict[str, str], port: int) -> Iterator[None]:
    """A server that listens."""
    log = folder / f"{who}.log"
    process = spawn(command, log=log, folder=folder, environment={**os.environ, **SILENT, **environment})
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{who} does not start:\n{log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.2)
        yield
    finally:
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        process.terminate()
        psutil.wait_procs(family, 10)
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()  # what Aim starts would stay
        process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def _program(python: Path, who: str, address: str, points: int) -> tuple[list[float], list[float]]:
    """Seconds of each write and read by a client in its own environment (`bench/peers`)."""
    environment = {**os.environ, **SILENT, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [str(python), "-m", f"bench.peers.{who}", address, str(points), str(ROUNDS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PROGRAM_SECONDS)
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    seconds: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return seconds["writes"], seconds["reads"]


def _tensorboard(_folder: Path, peers: Peers, _read_points: int) -> None:
    python = mlflow.environment("bench-tensorboard", "tensorboardX")
    speeds = []
    for _ in range(ROUNDS):
        done = subprocess.run([str(python), "-c", WRITER], capture_output=True, text=True, check=True, timeout=300)
        speeds.append(float(done.stdout))
    peers.writes["TensorBoard's writer"] = Spread.of(speeds)
