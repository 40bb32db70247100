"""Kills the server, the client or the S3 server at random moments of uploads, and expects each upload to finish whole.

    python -m support.chaos [--kills 100] [--seed 1] [--backend sqlite-disk|postgres-s3]

Processes and kills (SIGKILL) are real. Bytes are counted between client and server. The same seed chooses the same
files, victims and moments; a moment is a number of bytes, so what the victim does then may differ.
"""

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
from blake3 import blake3

import xpstore
from s3_server import SeaweedFS
from support.backends import sqlite_url
from support.between.counting_proxy import CountingProxy
from support.homes import without_settings
from support.raw import MIB, tree_digest
from support.services import Postgres, Server
from xpstore.artifact import Artifact
from xpstore.errors import DeadlineExceeded, Unavailable
from xpstore_server.rpc.uploads.packing import STORE_AWAY_SECONDS

BACKENDS = {"sqlite-disk": ("server", "client"), "postgres-s3": ("server", "client", "s3")}
# What one kill may make a client send again: packs that were not acknowledged. And what is not file bytes.
RESENT_BYTES = 32 * MIB
OVERHEAD_SHARE = 0.02
OVERHEAD_BYTES = MIB
UPLOAD_SECONDS = 180
# A stage is left with all its bytes after so many uploads, so that the long run does not fill the disk.
UPLOADS_PER_STAGE = 15

CLIENT = """
import json, pathlib, sys, xpstore
from xpstore.artifact import DirectoryArtifact
project, source, connected = sys.argv[1:]
client = xpstore.init(timeout_seconds=120)
pathlib.Path(connected).touch()
saved = DirectoryArtifact.save(source, "upload", project=client.project(project))
print(json.dumps([saved.id, saved.digest]))
"""


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: of whom, after which share of the upload's bytes, how much later, and how long until it is back."""

    victim: str
    share: float
    delay_seconds: float
    away_seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """One upload and what is done to it."""

    seed: str
    kills: tuple[Kill, ...]

    def __str__(self) -> str:
        kills = ", ".join(f"{kill.victim} at {kill.share:.0%}+{kill.delay_seconds:.2f} s" for kill in self.kills)
        return f"[{self.seed}] kill {kills}"


def plans(seed: int, victims: tuple[str, ...]) -> Iterator[Plan]:
    """Plans without end. All victims get their turn before one gets another."""
    chance, waiting = random.Random(seed), list[str]()
    for number in range(1 << 30):
        kills = []
        shares = sorted(chance.uniform(0.02, 1.0) for _ in range(chance.choice((1, 1, 1, 2, 2, 3))))
        for share in shares:
            waiting = waiting or chance.sample(victims, len(victims))
            delay = chance.choice((0.0, chance.uniform(0, 0.3)))
            kills.append(Kill(waiting.pop(), share, delay, chance.uniform(0, 1.0)))
        yield Plan(f"{seed}-{number}", tuple(kills))


class Stage:
    """A service on its stores, which can be killed one by one, and a client's way to it that counts."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self._exits = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as exits:
            self.folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="xpchaos-")))
            if self.backend == "sqlite-disk":
                database_url, blob_url = sqlite_url(self.folder / "xpstore.db"), (self.folder / "blobs").as_uri()
            else:
                self.s3 = exits.enter_context(SeaweedFS())
                blob_url = self.s3.create_bucket("chaos")
                database_url = exits.enter_context(Postgres()).create_database()
            self.server = exits.enter_context(Server(database_url, blob_url, self.folder))
            self.proxy = exits.enter_context(CountingProxy(self.server.address))
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def start_client(self, project: str, source: Path) -> "subprocess.Popen[str]":
        """Starts the program that saves; returns when it is connected: `init` waits for nobody who is away."""
        connected = self.folder / f"connected-{os.urandom(4).hex()}"
        access = {"XPSTORE_API_KEY": self.server.api_key, "XPSTORE_API_URL": self.proxy.address}
        paths = {"PYTHONPATH": os.pathsep.join(sys.path), "XPSTORE_CACHE": str(self.folder / "cache")}
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, project, str(source), str(connected)],
            env={**without_settings(), **access, **paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while not connected.exists() and client.poll() is None:
            time.sleep(0.005)
        return client


@dataclass(frozen=True, slots=True)
class Tree:
    """What is uploaded."""

    folder: Path
    digest: str
    files: dict[str, str]
    size_bytes: int


def grow(folder: Path, seed: str) -> Tree:
    """Lays down random files: two large ones, and a few hundred small ones in directories."""
    chance = np.random.default_rng(int.from_bytes(blake3(seed.encode()).digest(8), "little"))
    sizes = {"large/a.bin": 64 * MIB, "large/b.bin": int(chance.integers(20, 40)) * MIB + 17}
    for number in range(300):
        sizes[f"small/{number % 7}/{number}.bin"] = int(chance.integers(0, 40_000))
    data = {path: chance.bytes(size) for path, size in sizes.items()}
    for path, content in data.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    digests = {path: blake3(content).hexdigest() for path, content in data.items()}
    return Tree(folder, tree_digest(data).hex(), digests, sum(sizes.values()))


class Watcher:
    """Asks all the time which versions are visible, and checks each of them whole."""

    def __init__(self, stage: Stage, project_id: str, tree: Tree) -> None:
        self._client = xpstore.Client(stage.server.api_key, stage.server.address, timeout_seconds=5)
        self._project = self._client.project(project_id).open()
        self._tree = tree
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.looks = 0
        self.whole: set[str] = set()
        self.faults: list[str] = []

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            try:
                self._look()
            except (Unavailable, DeadlineExceeded):
                continue  # somebody was killed
            except Exception as error:
                self.faults.append(repr(error))

    def _look(self) -> None:
        for version in Artifact.load_all(project=self._project):
            if version.id not in self.whole:
                self._check(version)
                self.whole.add(version.id)
        self.looks += 1

    def _check(self, version: Artifact) -> None:
        listed = {file.path: file.digest for file in version.files()}
        with tempfile.TemporaryDirectory(prefix="xpchaos-") as folder:
            version.download(folder)
            found = {
                str(path.relative_to(folder)): blake3(path.read_bytes()).hexdigest()
                for path in Path(folder).rglob("*")
                if path.is_file()
            }
        if not (version.digest == self._tree.digest and listed == found == self._tree.files):
            self.faults.append(f"{version!r} is visible and is not what was saved")

    def wait_for(self, version_id: str) -> None:
        """Waits until a version was seen and checked."""
        deadline = time.monotonic() + 60
        while version_id not in self.whole and not self.faults:
            if time.monotonic() > deadline:
                self.faults.append(f"version {version_id} is not visible")
            time.sleep(0.02)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._client.close()


@dataclass(slots=True)
class Outcome:
    """What one upload came to."""

    plan: Plan
    size_bytes: int
    sent_bytes: int = 0
    looks: int = 0
    seconds: float = 0.0
    kills: list[str] = field(default_factory=list)
    given_up: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def resent_bytes(self) -> int:
        return max(self.sent_bytes - self.size_bytes, 0)

    def __str__(self) -> str:
        resent = f"{self.resent_bytes / MIB:.1f} of {self.size_bytes / MIB:.0f} MiB sent again"
        return f"{self.plan}: {len(self.kills)} hit, {resent}, {self.seconds:.1f} s  {'; '.join(self.faults)}"


class Upload:
    """One upload through all the kills of its plan."""

    def __init__(self, stage: Stage, plan: Plan, tree: Tree) -> None:
        self._stage = stage
        self._tree = tree
        self._project = f"chaos {plan.seed}"
        self._sent_before = stage.proxy.sent_bytes
        self.outcome = Outcome(plan, tree.size_bytes)

    def run(self) -> Outcome:
        started = time.monotonic()
        with Watcher(self._stage, self._project, self._tree) as watcher:
            self._client = self._start()
            try:
                for kill in self.outcome.plan.kills:
                    if self._comes_to(kill):
                        self._strike(kill)
                self._finish(watcher)
            finally:
                self._client.kill()
                self._client.wait()
        self.outcome.seconds = time.monotonic() - started
        self.outcome.sent_bytes = self._sent_bytes
        self.outcome.looks = watcher.looks
        self.outcome.faults += watcher.faults
        self._judge_bytes()
        return self.outcome

    def _start(self) -> "subprocess.Popen[str]":
        return self._stage.start_client(self._project, self._tree.folder)

    @property
    def _sent_bytes(self) -> int:
        return self._stage.proxy.sent_bytes - self._sent_before

    def _comes_to(self, kill: Kill) -> bool:
        """Waits for the moment; False if the upload is over before."""
        moment_bytes = kill.share * self._tree.size_bytes
        deadline = time.monotonic() + UPLOAD_SECONDS
        while self._sent_bytes < moment_bytes and self._client.poll() is None:
            if time.monotonic() > deadline:
                self.outcome.faults.append(f"hangs at {self._sent_bytes / MIB:.0f} MiB")
                return False
            time.sleep(0.001)
        time.sleep(kill.delay_seconds)
        return self._client.poll() is None

    def _strike(self, kill: Kill) -> None:
        revive: Callable[[], object] = lambda: None  # noqa: E731
        if kill.victim == "client":
            self._client.kill()
            self._client.communicate()
        elif kill.victim == "server":
            self._stage.server.kill()
            revive = self._stage.server.start
        else:
            self._stage.s3.kill()
            revive = self._stage.s3.restart
        self.outcome.kills.append(kill.victim)
        killed_at = time.monotonic()
        time.sleep(kill.away_seconds)
        revive()
        if kill.victim == "s3":  # on a busy machine it starts for longer than the server waits: then all is sent again
            self.outcome.given_up += int((time.monotonic() - killed_at) / STORE_AWAY_SECONDS)
        if kill.victim == "client":
            self._client = self._start()

    def _finish(self, watcher: Watcher) -> None:
        try:
            output, error = self._client.communicate(timeout=UPLOAD_SECONDS)
        except subprocess.TimeoutExpired:
            self.outcome.faults.append("the upload does not end")
            return
        if self._client.returncode:
            self.outcome.faults.append(f"the upload fails: {error.strip().splitlines()[-1]}")
            return
        version_id, digest = json.loads(output)
        if digest != self._tree.digest:
            self.outcome.faults.append("the digest is not that of the files")
        watcher.wait_for(version_id)
        if watcher.whole != {version_id}:
            self.outcome.faults.append(f"{len(watcher.whole)} versions, not one")

    def _judge_bytes(self) -> None:
        allowed = self._tree.size_bytes * (1 + OVERHEAD_SHARE) + OVERHEAD_BYTES
        allowed += (len(self.outcome.kills) + self.outcome.given_up) * RESENT_BYTES
        if self.outcome.sent_bytes > allowed:
            self.outcome.faults.append(f"{(self.outcome.sent_bytes - allowed) / MIB:.1f} MiB more than allowed")


def run(backend: str, kills: int, seed: int, tell: Callable[[str], None] = print) -> list[Outcome]:
    """Uploads until so many kills hit an upload."""
    outcomes: list[Outcome] = []
    planned = plans(seed, BACKENDS[backend])
    while sum(len(outcome.kills) for outcome in outcomes) < kills:
        with Stage(backend) as stage:
            for _ in range(UPLOADS_PER_STAGE):
                rest = kills - sum(len(outcome.kills) for outcome in outcomes)
                if rest <= 0:
                    break
                plan = next(planned)
                outcomes.append(_upload(stage, Plan(plan.seed, plan.kills[:rest])))
                tell(f"{backend}: {outcomes[-1]}")
    return outcomes


def _upload(stage: Stage, plan: Plan) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="xpchaos-") as folder:
        return Upload(stage, plan, grow(Path(folder), plan.seed)).run()


def summary(backend: str, outcomes: list[Outcome]) -> str:
    """One line about all of it."""
    victims = Counter(victim for outcome in outcomes for victim in outcome.kills)
    per_kill = [outcome.resent_bytes / len(outcome.kills) / MIB for outcome in outcomes if outcome.kills]
    mean = sum(outcome.resent_bytes for outcome in outcomes) / MIB / max(victims.total(), 1)
    each = ", ".join(f"{count} {victim}" for victim, count in sorted(victims.items()))
    seconds, looks = sum(one.seconds for one in outcomes), sum(one.looks for one in outcomes)
    return (
        f"{backend}: {victims.total()} kills ({each}) in {len(outcomes)} uploads, {seconds:.0f} s, {looks} looks; "
        f"sent again per kill: mean {mean:.1f} MiB, most {max(per_kill, default=0):.1f} MiB; "
        f"{sum(bool(outcome.faults) for outcome in outcomes)} uploads at fault"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="kills for each backend (100)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000), help="default: random")
    parser.add_argument("--backend", choices=list(BACKENDS), action="append", help="default: both")
    given = parser.parse_args()
    print(f"seed {given.seed}")
    lines, is_sound = [], True
    for backend in given.backend or BACKENDS:
        outcomes = run(backend, given.kills, given.seed, tell=lambda line: print(line, flush=True))
        lines.append(summary(backend, outcomes))
        is_sound &= not any(outcome.faults for outcome in outcomes)
    print("\n".join(lines))
    return 0 if is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
