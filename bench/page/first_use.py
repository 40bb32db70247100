"""The first use: from `pip install` to a chart of one's own training in a browser, in an environment of its own."""

import os
import subprocess
import sys
import time
from pathlib import Path

from bench.figure import Figure, Goal, Spread, say
from bench.page.browser import chromium, cost_of

ROOT = Path(__file__).parents[2]
PROJECT = "my first"
# As the README teaches it: fits a line by stochastic gradient descent.
TRAINING = f"""
import random
from xpstore import Project, init, set_project

init()
project = set_project(Project(id="{PROJECT}", name="My first"))
for lr in (0.01, 0.03, 0.1):
    model = project.experiment("line").model(config={{"lr": lr}})
    slope = 0.0
    with model.run():
        for epoch in range(50):
            model.step += 1
            losses = []
            for x in [random.random() for _ in range(20)]:
                error = slope * x - 3 * x
                slope -= lr * error * x
                losses.append(error**2)
            model.metrics.log("loss", sum(losses) / len(losses), step=epoch, phase="train")
"""
LIMIT_SECONDS = 180


def measure(folder: Path) -> list[Figure]:
    """Each step once. The wheel is made before: a stranger gets it; nothing is in pip's cache."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XPSTORE_", "PYTHON"))}
    environment |= {"PIP_NO_CACHE_DIR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment["XPSTORE_HOME"] = str(folder / "home")  # instead of the reader's own
    _run(folder, environment, sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    (folder / "train.py").write_text(TRAINING)
    (python, xpstore) = (str(folder / "venv" / "bin" / name) for name in ("python", "xpstore"))
    lines = {
        "python -m venv": (sys.executable, "-m", "venv", str(folder / "venv")),
        "pip install 'xpstore[server]'": (python, "-m", "pip", "install", "--quiet", f"{wheel}[server]"),
        "python train.py: 3 models x 50 epochs": (python, "train.py"),
        f'xpstore open "{PROJECT}"': (xpstore, "open", PROJECT, "--no-browser"),
    }
    took, said = dict[str, float](), ""
    for what, command in lines.items():
        say(what)
        began = time.perf_counter()
        said = _run(folder, environment, *command)
        took[what] = time.perf_counter() - began
    with chromium() as browser:
        seconds = cost_of(browser, said.strip(), 1440).seconds
    if seconds is None:
        raise RuntimeError("the page shows no chart")
    took["the page's first chart in Chromium"] = seconds
    figures = [Figure(what, "s", Spread.of([seconds])) for what, seconds in took.items()]
    return [*figures, Figure("all of it", "s", Spread.of([sum(took.values())]), goals=(Goal("<", LIMIT_SECONDS),))]


def _run(folder: Path, environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout
