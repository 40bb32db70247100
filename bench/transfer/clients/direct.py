"""A client of an S3 server without anything between: `minio` `fput_object` and `fget_object`, a call for each file."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from minio import Minio

from bench.transfer.clients.measured import files_below, main


def prepare(task: dict[str, Any]) -> Callable[[], object]:
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

    def up() -> None:
        for_each(put, files_below(path), task["threads"])

    def down() -> None:
        if task["file"]:
            get(f"{name}/{task['file']}")
            return
        listed = client.list_objects(bucket_name=bucket, prefix=f"{name}/", recursive=True)
        for_each(get, [str(item.object_name) for item in listed], task["threads"])

    return up if task["action"] == "up" else down


def for_each(do: Callable[[Any], None], items: list[Any], threads: int) -> None:
    if threads == 1:
        for item in items:
            do(item)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(do, items))


if __name__ == "__main__":
    main(prepare)
