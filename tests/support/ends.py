"""Programs that end, raise, are interrupted or killed at random moments while they save in the background and log.

Each says on standard output what it was promised. Afterwards every version is there, or the program has named it and
its exit status is not 0; every point that was logged is there, or in the spool. Of a program that was killed (SIGKILL)
only the points count. The same seed chooses the same programs and moments.

Some fork meanwhile: a child keeps what it promises by itself, whatever becomes of its parent.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import xpstore
from support.homes import without_settings
from support.services import Server
from xpstore.artifact import Artifact

PROGRAM = """
import os, sys, threading, time
import xpstore
from xpstore.artifact import DirectoryArtifact
xpstore.init()
project = xpstore.Project(os.environ["ENDS_PROJECT"]).open()
xpstore.set_project(project)
model = project.experiment("e").model("h")
def tell(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())
def save(name, kib):
    DirectoryArtifact.save(os.urandom(kib << 10), name, wait=False)
    tell("saved", name)
def log(count):
    for number in range(count):
        model.metrics.log("loss", 1.0)
    tell("logged", count)
def fork(name, kib):
    if not os.fork():
        save(name, kib)
        log(2)
        sys.exit(0)
tell("ready")
"""
ENDS = {
    "returns": "",
    "exits": "sys.exit(0)",
    "exits with 3": "sys.exit(3)",
    "raises": "raise ValueError('the end')",
    # A signal that comes just before a sleep is seen after it.
    "lasts": "for _ in range(300): time.sleep(0.1)",
    "returns, a thread goes on": "threading.Timer(0.1, lambda: (save('late', 900), log(3))).start()",
    "returns, an object logs": """
class Last:
    def __del__(self): self.log(1)
last = Last(); last.log = log; last.tell = tell""",
    "returns, a generator goes on": """
def steps():
    with model.run():
        try:
            yield
        finally:
            log(2)
suspended = steps(); next(suspended)""",
}
SIGNALS = (None, None, signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
END_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Plan:
    """One program, and what is done to it how long after it began."""

    name: str
    end: str
    body: str
    signal: signal.Signals | None
    after_seconds: float


def plans(seed: int, count: int) -> list[Plan]:
    """The programs of a seed."""
    chance, made = random.Random(seed), list[Plan]()
    for number in range(count):
        end = chance.choice(list(ENDS))
        ended_by = chance.choice(SIGNALS[2:] if end == "lasts" else SIGNALS)
        lines = []
        for step in range(chance.randint(1, 5)):
            kib = chance.choice((0, 3, 200, 5_000, 20_000))
            steps = (f"save('a{step}', {kib})", f"log({kib % 97})", f"fork('f{step}', {kib})", "time.sleep(0.05)")
            lines.append(chance.choice(steps))
        body = "\n".join([*lines, f"save('last', {chance.choice((1, 900, 12_000))})"])
        made.append(Plan(f"ends {seed}-{number}", end, body, ended_by, chance.uniform(0, 1.2)))
    return made


@dataclass(slots=True)
class Outcome:
    """What a program came to, and what was wrong with that."""

    plan: Plan
    status: int = 0
    kept: int = 0
    named: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        how = (
            f"{self.plan.end}, {self.plan.signal.name} after {self.plan.after_seconds:.2f} s"
            if self.plan.signal
            else ""
        )
        return f"[{self.plan.name}] {how or self.plan.end}: {'; '.join(self.faults)}"


def _run(server: Server, plan: Plan) -> Outcome:
    outcome = Outcome(plan)
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address, "ENDS_PROJECT": plan.name}
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM + plan.body + "\n" + ENDS[plan.end]],
        env={**without_settings(), **access, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    ready = program.stdout.readline()
    if plan.signal is not None:
        time.sleep(plan.after_seconds)
        program.send_signal(plan.signal)
    try:
        output, error = program.communicate(timeout=END_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()
        output, error = program.communicate()
        outcome.faults.append("it does not end")
    outcome.status = program.returncode
    if ready != "ready\n":
        outcome.faults.append(f"it does not begin: {error[-500:]}")
    else:
        _judge(server, outcome, [line.split(" ", 1) for line in output.splitlines()], error)
    return outcome


def _judge(server: Server, outcome: Outcome, told: list[list[str]], error: str) -> None:
    client = xpstore.Client(server.api_key, server.address)
    try:
        project = client.project(outcome.plan.name).open()
        there = {version.name for version in Artifact.load_all(project=project)}
        for name in [name for word, name in told if word == "saved"]:
            outcome.kept += name in there
            is_named = f"The artifact {name!r} of" in error and outcome.status != 0
            outcome.named += is_named
            if not (name in there or is_named or outcome.plan.signal is signal.SIGKILL):
                outcome.faults.append(f"{name!r} is neither there nor named (status {outcome.status}): {error[-300:]}")
        logged = sum(int(count) for word, count in told if word == "logged")
        client.recorder.spool  # noqa: B018  # has a sender take over what the program left
        client.flush()
        found = len(project.experiment("e").model("h").metrics.list("loss"))
        if found < logged:
            outcome.faults.append(f"{logged} points were logged, {found} are there")
    finally:
        client.close()


def run(server: Server, count: int, seed: int, tell: Callable[[str], None] = print) -> list[Outcome]:
    """Runs the programs of a seed, two at a time, and tells those at fault and a summary."""
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda plan: _run(server, plan), plans(seed, count)))
    for outcome in outcomes:
        if outcome.faults:
            tell(str(outcome))
    kept, named = sum(one.kept for one in outcomes), sum(one.named for one in outcomes)
    tell(f"seed {seed}: {count} programs ended, {kept} versions are there, {named} were named")
    return outcomes
