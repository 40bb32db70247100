"""The demo: starts the service on stores in .demo/, runs the quickstart against it, and leaves what a page shows.

python demo.py --store disk    SQLite and local disk, the embedded default
python demo.py --store s3      SQLite and a real S3 server on this machine
python demo.py --store s3 --open    the page on what that left, with its S3 server, until Ctrl-C
"""

import argparse
import contextlib
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from s3_server import S3Server, any_s3_server, spawn

ROOT = Path(__file__).parent.parent
DEMO = ROOT / ".demo"
BUCKET = "xpstore-demo"
PROJECT = "quickstart"
START_SECONDS = 30
# For matrices as small as these: threads that wait for each other take ten times as long on a busy machine.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
# Settings of the reader's own service are not for this one; where this machine keeps things is.
KEPT = ("XPSTORE_CACHE", "XPSTORE_SPOOL")
INHERITED = {name: value for name, value in os.environ.items() if name in KEPT or not name.startswith("XPSTORE_")}


def begin_anew(folder: Path) -> None:
    """Empties the folder; a server that shows an earlier demo, as `xpstore open` started it, is stopped before."""
    if folder.exists():
        stop_server(folder)
        shutil.rmtree(folder)
        print(f"What an earlier demo left in {os.path.relpath(folder)}/ is deleted: this one begins anew")
    folder.mkdir(mode=0o700, parents=True)


def stop_server(folder: Path) -> None:
    """Asks the server of a home to leave, and waits until it has let its lock go."""
    with (folder / "server.lock").open("a") as lock:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            with contextlib.suppress(OSError):  # it comes or goes, and announces nothing
                os.kill(json.loads((folder / "server.json").read_text())["pid"], signal.SIGTERM)
            time.sleep(0.2)
    raise SystemExit(f"A server still works on {folder}: stop it, then begin again")


@contextlib.contextmanager
def serving(folder: Path, store: str) -> Iterator[tuple["subprocess.Popen[bytes]", S3Server | None]]:
    """The service of a home, and the S3 server that it keeps files in, if it does."""
    settings = dict[str, str]()
    with contextlib.ExitStack() as stack:
        s3 = stack.enter_context(any_s3_server(folder / "bucket")) if store == "s3" else None
        if s3 is not None:
            settings["XPSTORE_BLOB_URL"] = s3.create_bucket(BUCKET)
            print(f"{s3.name} is running; packs go to the bucket {BUCKET}")
        server = start_server(folder, settings)
        stack.callback(server.wait, 30)
        stack.callback(server.terminate)
        yield server, s3


def start_server(folder: Path, settings: dict[str, str]) -> "subprocess.Popen[bytes]":
    """Starts the service and waits until it says where it listens."""
    log = folder / "server.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "xpstore_server", "serve", "--home", str(folder)]
    process = spawn(command, log=log, environment={**INHERITED, **settings}, death_signal=signal.SIGTERM)
    deadline = time.monotonic() + START_SECONDS
    while "listening on" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"The service does not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)
    return process


def quickstart(action: str, home: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "quickstart.py"), action]
    if subprocess.run(command, env={**INHERITED, **ONE_THREAD, "XPSTORE_HOME": str(home)}).returncode:
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
    home = demo / store
    begin_anew(home)
    with serving(home, store) as (_, s3):
        print(f"The service runs; its data is in {os.path.relpath(home)}/\n\nTraining")
        quickstart("train", home)
        print("\nA second process downloads everything and checks it")
        quickstart("verify", home)
        if s3 is not None:
            show(f"The bucket {BUCKET}", objects_in_bucket(s3))
        else:
            show("The blob folder", objects_on_disk(home / "blobs"))
        print("\nThe same computation in two processes: the second has nothing to compute")
        for _ in range(2):
            quickstart("compute", home)
    print(
        f"\nThe service is stopped, its data stays. See it in a browser:\n\n    {command_of_page(home, store, demo)}\n"
    )


def command_of_page(home: Path, store: str, demo: Path) -> str:
    """What opens the page when it is pasted here: the embedded service starts by itself, an S3 server does not."""
    python = Path(os.path.relpath(sys.executable))
    if store == "s3":
        folder = [] if demo == DEMO else ["--folder", os.path.relpath(demo)]
        return shlex.join([str(python), os.path.relpath(__file__), "--store", "s3", "--open", *folder])
    others = [word for name in sorted(set(os.environ) - set(INHERITED)) for word in ("-u", name)]
    line = [f"XPSTORE_HOME={os.path.relpath(home)}", str(python.with_name("xpstore")), "open", PROJECT]
    return shlex.join(["env", *others, *line] if others else line)


def open_page(store: str, demo: Path) -> None:
    home = demo / store
    if not home.exists():
        raise SystemExit(f"There is no {os.path.relpath(home)}/ yet: run the demo before, without --open")
    with contextlib.suppress(KeyboardInterrupt), serving(home, store) as (server, _):
        command = [sys.executable, "-m", "xpstore.cli", "open", PROJECT]
        subprocess.run(command, env={**INHERITED, "XPSTORE_HOME": str(home)}, check=True)
        print("It is served until Ctrl-C, or ten minutes without a call")
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=["disk", "s3"], default="disk")
    parser.add_argument("--folder", type=Path, default=DEMO, help="where the data stays (.demo)")
    parser.add_argument("--open", action="store_true", help="show the page on what is there, until Ctrl-C")
    arguments = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # in order with what the children print
    (open_page if arguments.open else run)(arguments.store, arguments.folder.resolve())


if __name__ == "__main__":
    main()
