"""Metadata calls, one client, one after the other, against an empty call of the same gRPC library; and whole models."""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import psutil

from bench.figure import Figure, Goal, Spread
from support.backends import sqlite_url
from support.services import Postgres, Server
from xpstore import Client
from xpstore.experiment import Experiment
from xpstore.v1 import metric_pb2, model_pb2

CALLS = 400
MODELS = 600
MODULES = 5
METRICS = 3
TOGETHER = 100
ROUNDS = 5


def measure(folder: Path) -> list[Figure]:
    """Median latency of a read and of writes on both databases, and how many whole models a client makes."""
    empty = _empty_call()
    figures = _measure_on("SQLite", sqlite_url(folder / "meta.db"), folder / "meta-sqlite", empty)
    with Postgres() as postgres:
        return figures + _measure_on("PostgreSQL", postgres.create_database(), folder / "meta-postgres", empty)


def _measure_on(name: str, database_url: str, folder: Path, empty: Spread) -> list[Figure]:
    folder.mkdir()
    with Server(database_url, (folder / "blobs").as_uri(), folder) as server:
        client = Client(server.api_key, server.address)
        experiment = client.project("bench").experiment("bench")
        model = experiment.model("bench")
        request = model_pb2.GetModelRequest(model_id=str(model.id))
        calls: dict[str, Callable[[int], object]] = {
            "GetModel": lambda number: client.call(client.stubs.models.GetModel, request),
            "CreateModel": lambda number: experiment.models.create(f"hash {number}"),
            "LogMetrics, 1 point": _log_many(client, str(model.id), "7a1c2b9e-4d1f-4c55-9a57-3d8f0d3c2a11", 1),
            "LogMetrics, 100 points": _log_many(client, str(model.id), "6f1c2b9e-4d1f-4c55-9a57-3d8f0d3c2a11", 100),
        }
        figures = [
            Figure(f"{name}: {call}, p50", "ms", _p50_ms(run), {"empty gRPC call": empty}, (Goal("<", 2),))
            for call, run in calls.items()
        ]
        figures += _whole_models(name, server, experiment)
        client.close()
    return figures


def _whole_models(name: str, server: Server, experiment: Experiment) -> list[Figure]:
    """Models a second from the first to the moment at which the server has everything of all, and its CPU for each."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    figures = []
    for way, (make, goals) in WAYS.items():
        speeds, costs = [], []
        for number in range(ROUNDS):
            began, before = time.perf_counter(), process.cpu_times()
            make(experiment, f"{way} {number}")
            experiment._client.flush()
            speeds.append(MODELS / (time.perf_counter() - began))
            after = process.cpu_times()
            costs.append(1000 * (after.user + after.system - before.user - before.system) / MODELS)
        what = f"{name}: models with {MODULES} modules and {METRICS} metrics, {way}"
        figures.append(Figure(what, "models/s", Spread.of(speeds), {}, (Goal(">=", goals[name]),)))
        figures.append(Figure(f"{what}: CPU of the server for each", "ms", Spread.of(costs)))
    return figures


def _one_by_one(experiment: Experiment, hash: str) -> None:
    for each in range(MODELS):
        model = experiment.models.create(f"{hash} {each}", config={"lr": 0.1})
        for module in range(MODULES):
            model.modules.log(f"module {module}", {"units": 64, "activation": "relu"})
        for metric in range(METRICS):
            model.metrics.log(f"metric {metric}", 0.5, 1, "train")


def _together(experiment: Experiment, hash: str) -> None:
    modules = {f"module {module}": {"units": 64, "activation": "relu"} for module in range(MODULES)}
    metrics = [(f"metric {metric}", [1], [0.5], "train") for metric in range(METRICS)]
    for start in range(0, MODELS, TOGETHER):
        experiment.models.create_many(
            {"hash": f"{hash} {each}", "config": {"lr": 0.1}, "modules": modules, "metrics": metrics}
            for each in range(start, start + TOGETHER)
        )


WAYS: dict[str, tuple[Callable[[Experiment, str], None], dict[str, float]]] = {
    "one by one": (_one_by_one, {"SQLite": 300, "PostgreSQL": 200}),
    f"{TOGETHER} at a time": (_together, {"SQLite": 800, "PostgreSQL": 500}),
}


def _log_many(client: Client, model_id: str, writer: str, count: int) -> Callable[[int], object]:
    def run(number: int) -> object:
        points = [metric_pb2.MetricPoint(name="many", float_value=0.1, step=step) for step in range(count)]
        request = metric_pb2.LogMetricsRequest(
            model_id=model_id, points=points, writer_id=writer, first_point=number * count
        )
        return client.call(client.stubs.metrics.LogMetrics, request)

    return run


def _p50_ms(run: Callable[[int], object]) -> Spread:
    durations = []
    for number in range(CALLS):
        began = time.perf_counter()
        run(number)
        durations.append(time.perf_counter() - began)
    return Spread.of([statistics.median(durations) * 1000])


def _empty_call() -> Spread:
    """p50 in ms of a call that does nothing, to a server in this process."""
    server = grpc.server(ThreadPoolExecutor(2))
    handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Empty", {"Call": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
            call: Any = channel.unary_unary("/bench.Empty/Call")
            return _p50_ms(lambda number: call(b""))
    finally:
        server.stop(None)
