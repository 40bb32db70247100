"""The demo: starts the service on stores in .demo/, runs the quickstart against it, and stops everything.

python demo.py --store disk    SQLite and local disk, the embedded default
python demo.py --store s3      SQLite and a real S3 server on this machine
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from s3_server import S3Server, any_s3_server, free_port, spawn

ROOT = Path(__file__).parent.parent
DEMO = ROOT / ".demo"
BUCKET = "xpstore-demo"
START_SECONDS = 30


def start_server(folder: Path, settings: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Starts the service and waits until it says where it listens."""
    log = folder / "server.log"
    log.unlink(missing_ok=True)
    environment = {**os.environ, "XPSTORE_DATA_DIR": str(folder), **settings}
    command = [sys.executable, "-m", "xpstore_server", "serve"]
    process = spawn(command, log=log, environment=environment, death_signal=signal.SIGTERM)
    deadline = time.monotonic() + START_SECONDS
    while "listening on" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"The service does not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)
    return process


def quickstart(action: str, address: str, key_file: Path) -> None:
    environment = {**os.environ, "XPSTORE_API_URL": address, "XPSTORE_API_KEY": key_file.read_text().strip()}
    command = [sys.executable, str(ROOT / "examples" / "quickstart.py"), action]
    if subprocess.run(command, env=environment).returncode:
        raise SystemExit(f"The quickstart failed: {action}")


def objects_on_disk(folder: Path) -> list[tuple[str, int]]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path.relative_to(folder)), path.stat().st_size) for path in files]


def objects_in_bucket(s3: S3Server) -> list[tuple[str, int]]:
    listed = s3.client.list_objects(bucket_name=BUCKET, recursive=True)
    return [(str(entry.object_name), entry.size or 0) for entry in listed]


def show(title: str, objects: list[tuple[str, int]]) -> None:
    print(f"\n{title}: {len(objects)} objects, {sum(size for _, size in objects):,} bytes")
    for key, size in objects[-5:]:
        print(f"  {size:>9,}  {key}")


def run(store: str, demo: Path) -> None:
    folder = demo / store
    folder.mkdir(parents=True, exist_ok=True)
    key_file = folder / "admin.key"
    address = f"127.0.0.1:{free_port()}"
    settings = {"XPSTORE_LISTEN": address, "XPSTORE_ADMIN_KEY_FILE": str(key_file)}
    with contextlib.ExitStack() as stack:
        if store == "s3":
            s3 = stack.enter_context(any_s3_server(folder / "bucket"))
            settings["XPSTORE_BLOB_URL"] = s3.create_bucket(BUCKET)
            print(f"{s3.name} is running; packs go to the bucket {BUCKET}")
        server = start_server(folder, settings)
        stack.callback(server.wait, 30)
        stack.callback(server.terminate)
        print(f"The service listens on {address}; its data is in {os.path.relpath(folder)}/\n\nTraining")
        quickstart("train", address, key_file)
        print("\nA second process downloads everything and checks it")
        quickstart("verify", address, key_file)
        if store == "s3":
            show(f"The bucket {BUCKET}", objects_in_bucket(s3))
        else:
            show("The blob folder", objects_on_disk(folder / "blobs"))
        print("\nThe same computation in two processes: the second has nothing to compute")
        for _ in range(2):
            quickstart("compute", address, key_file)
    print("\nThe service is stopped. Run it again: the data set is not sent twice, and the model gets a new version.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=["disk", "s3"], default="disk")
    parser.add_argument("--folder", type=Path, default=DEMO, help="where the data stays (.demo)")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # in order with what the children print
    run(arguments.store, arguments.folder.resolve())


if __name__ == "__main__":
    main()
