"""The clients of all contestants, each a process of its own for each measurement, so that CPU and memory are theirs.

A client gets its task as JSON, makes everything ready, says so, waits for a line on its standard input, makes the one
call that is measured, and prints what that cost. So several start at once, and no interpreter's start is measured.

Each imports what it needs in its function: what it loads is in the memory that is measured, and MLflow's environment
has none of the others' packages.
"""

import json
import resource
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

Call = Callable[[], object]

BLOCK_BYTES = 1 << 20
MESSAGE_BYTES = 1 << 20
SERVICE = "bench.Alone"


def ours(task: dict[str, Any]) -> Call:
    """xpstore: saves a file or folder, or downloads the newest version of one."""
    from xpstore import Client, init
    from xpstore.artifact import DirectoryArtifact

    client = Client(task["api_key"], task["address"]) if task["address"] else init()
    project = client.project("bench")
    project.open()
    path, name = task["path"], task["name"]
    if task["action"] == "down":
        return lambda: DirectoryArtifact.get_by_name(name, project=project).download(path)
    return lambda: DirectoryArtifact.save(path, name, project=project, reread=task["reread"])


def direct(task: dict[str, Any]) -> Call:
    """An S3 server without anything between: `minio` `fput_object` and `fget_object`, a call for each file."""
    from concurrent.futures import ThreadPoolExecutor

    from minio import Minio

    path, name, bucket = Path(task["path"]), task["name"], task["bucket"]
    client = Minio(
        endpoint=task["endpoint"],
        access_key=task["access_key"],
        secret_key=task["secret_key"],
        region="us-east-1",  # else it asks for it, which is not what is measured
        secure=False,
    )

    def put(file: tuple[Path, str]) -> None:
        client.fput_object(bucket_name=bucket, object_name=f"{name}/{file[1]}", file_path=str(file[0]))

    def get(key: str) -> None:
        target = str(path / key.removeprefix(f"{name}/"))
        client.fget_object(bucket_name=bucket, object_name=key, file_path=target)

    def for_each(do: Callable[[Any], None], items: list[Any]) -> None:
        if task["threads"] == 1:
            for item in items:
                do(item)
            return
        with ThreadPoolExecutor(task["threads"]) as pool:
            list(pool.map(do, items))

    def up() -> None:
        for_each(put, files_below(path))

    def down() -> None:
        if task["file"]:
            get(f"{name}/{task['file']}")
            return
        listed = client.list_objects(bucket_name=bucket, prefix=f"{name}/", recursive=True)
        for_each(get, [str(item.object_name) for item in listed])

    return up if task["action"] == "up" else down


def copy(task: dict[str, Any]) -> Call:
    """Nothing: copies on the same disk, and makes durable what it copied there."""
    import os
    import shutil

    path, kept = Path(task["path"]), Path(task["folder"], task["name"])
    if task["action"] == "down":
        return lambda: shutil.copytree(kept, path, dirs_exist_ok=True)

    def up() -> None:
        for source, name in files_below(path):
            target = kept / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with source.open("rb") as reader, target.open("wb") as writer:
                shutil.copyfileobj(reader, writer, BLOCK_BYTES)
                if source.stat().st_size >= BLOCK_BYTES:
                    writer.flush()
                    os.fdatasync(writer.fileno())
        if path.is_dir():
            os.sync()  # faster than one call for each of many files

    return up


def grpc_alone(task: dict[str, Any]) -> Call:
    """A gRPC server that does nothing: messages of 1 MiB as generated stubs send them, one stream."""
    import grpc
    from google.protobuf.wrappers_pb2 import BytesValue, UInt64Value

    channel = grpc.insecure_channel(task["address"], [("grpc.enable_http_proxy", 0)])
    grpc.channel_ready_future(channel).result(30)
    number = task["size_bytes"] // MESSAGE_BYTES
    send: Any = channel.stream_unary(
        f"/{SERVICE}/Up",
        request_serializer=BytesValue.SerializeToString,
        response_deserializer=UInt64Value.FromString,
    )
    receive: Any = channel.unary_stream(
        f"/{SERVICE}/Down",
        request_serializer=UInt64Value.SerializeToString,
        response_deserializer=BytesValue.FromString,
    )
    data = bytes(MESSAGE_BYTES)

    def up() -> None:
        # A new message each time, as a sender of a file makes them.
        taken = send(BytesValue(value=data) for _ in range(number)).value
        assert taken == number * MESSAGE_BYTES

    def down() -> None:
        taken = sum(len(message.value) for message in receive(UInt64Value(value=number)))
        assert taken == number * MESSAGE_BYTES

    return up if task["action"] == "up" else down


async def serve(address: str) -> None:
    """The server of `grpc_alone`: discards what comes, and sends the same bytes again."""
    import grpc
    from google.protobuf.wrappers_pb2 import BytesValue, UInt64Value

    data = bytes(MESSAGE_BYTES)

    async def take(messages: AsyncIterator[BytesValue], _context: Any) -> UInt64Value:
        taken = 0
        async for message in messages:
            taken += len(message.value)
        return UInt64Value(value=taken)

    async def give(number: UInt64Value, _context: Any) -> AsyncIterator[BytesValue]:
        for _ in range(number.value):
            yield BytesValue(value=data)

    server = grpc.aio.server()
    up: Any = grpc.stream_unary_rpc_method_handler(
        take,
        request_deserializer=BytesValue.FromString,
        response_serializer=UInt64Value.SerializeToString,
    )
    down: Any = grpc.unary_stream_rpc_method_handler(
        give,
        request_deserializer=UInt64Value.FromString,
        response_serializer=BytesValue.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Up": up, "Down": down}),))
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


def mlflow(task: dict[str, Any]) -> Call:
    """An MLflow server; runs in MLflow's own environment."""
    import mlflow.artifacts as artifacts
    from mlflow import MlflowClient

    path, uri, run_id = task["path"], task["uri"], task["run_id"]
    client = MlflowClient(uri)
    client.get_run(run_id)
    if task["action"] == "down":
        Path(path).mkdir(parents=True, exist_ok=True)
        return lambda: artifacts.download_artifacts(
            run_id=run_id, artifact_path=task["file"], dst_path=path, tracking_uri=uri
        )
    log = client.log_artifacts if Path(path).is_dir() else client.log_artifact
    return lambda: log(run_id, path)


def files_below(folder: Path) -> list[tuple[Path, str]]:
    """Each file of a folder and its path in there; of a file, itself and its name."""
    if folder.is_file():
        return [(folder, folder.name)]
    return [(path, path.relative_to(folder).as_posix()) for path in sorted(folder.rglob("*")) if path.is_file()]


def _run(prepare: Callable[[dict[str, Any]], Call], task: str) -> None:
    call = prepare(json.loads(task))
    print("ready", flush=True)
    if not sys.stdin.readline():
        sys.exit("who started this client has left")
    cpu_seconds, began = _cpu_seconds(), time.monotonic()
    call()
    ended = time.monotonic()
    report = {
        "began": began,
        "ended": ended,
        "cpu_seconds": _cpu_seconds() - cpu_seconds,
        "peak_bytes": _peak_bytes(),
    }
    print(json.dumps(report), flush=True)


def _cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _peak_bytes() -> int:
    """Highest resident memory. Not `ru_maxrss` on Linux: a child that was forked there begins with its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    _, who, given = sys.argv
    if who == "serve":
        import asyncio  # here, as `copy` does without

        asyncio.run(serve(given))
    else:
        _run({"ours": ours, "direct": direct, "copy": copy, "grpc_alone": grpc_alone, "mlflow": mlflow}[who], given)
