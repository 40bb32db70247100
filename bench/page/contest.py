"""Our page, MLflow's, Trackio's and Aim's on the same curves in one Chromium: when a line is seen, at what cost.

Counted is from navigation, with nothing in any cache; ours is logged in before. Aim shows nothing by itself.
"""

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import BrowserContext, Page
from playwright.sync_api import Error as BrowserError

from bench.figure import Figure, Goal, Spread, say
from bench.page.browser import BOUND_SECONDS, Clicks, Cost, LogIn, chromium, cost_of
from bench.page.curves import PROJECT, Size, runs
from bench.page.peers import PEERS, Aim, MLflow, Trackio
from bench.transfer.mlflow import Missing
from support.backends import Backend, sqlite_url
from support.web.server import WebServer
from xpstore import Client

WIDTHS = (1440, 400)
ROUNDS = 3
FULL = Size(runs=100, metrics=20, steps=1_000)
QUICK = Size(runs=3, metrics=2, steps=50)
OURS = "ours"


@dataclass(slots=True)
class Entry:
    """A page that takes part, and what it cost so far, by the width of the window."""

    name: str
    address: str
    log_in: LogIn | None = None
    clicks: Clicks | None = None
    costs: dict[int, list[Cost]] = field(default_factory=dict)
    failure: str = ""


def measure(folder: Path, notes: dict[str, str], *, is_quick: bool = False) -> list[Figure]:
    """Three times a page after the other; one that drew nothing within the bound is not asked again at that width."""
    size, widths = (QUICK, WIDTHS[:1]) if is_quick else (FULL, WIDTHS)
    with contextlib.ExitStack() as stack:
        entries = [stack.enter_context(_ours(folder, size))]
        if not is_quick:
            entries += _theirs(folder, size, stack, notes)
        browser = stack.enter_context(chromium())
        for number in range(1 if is_quick else ROUNDS):
            for width in widths:
                for entry in entries:
                    say(f"page of {entry.name}, {width} px, {number + 1}")
                    costs = entry.costs.setdefault(width, [])
                    if entry.failure or (costs and costs[-1].seconds is None):
                        continue
                    try:
                        costs.append(cost_of(browser, entry.address, width, entry.log_in, entry.clicks))
                    except BrowserError as error:
                        if entry.name == OURS:
                            raise
                        entry.failure = str(error).splitlines()[0]
                        notes[entry.name] = f"{notes.get(entry.name, '')}; failed at {width} px: {entry.failure}"
    for entry in entries:
        for width, costs in entry.costs.items():
            if costs and costs[-1].seconds is None:
                known = notes.get(entry.name, "")
                notes[entry.name] = f"{known}; no line in the window in {BOUND_SECONDS} s at {width} px"
    return [figure for width in widths for figure in _figures(entries, width)]


@contextlib.contextmanager
def _ours(folder: Path, size: Size) -> Iterator[Entry]:
    backend = Backend(
        name="sqlite-disk", database_url=sqlite_url(folder / "xpstore.db"), blob_url=(folder / "blobs").as_uri()
    )
    with WebServer(backend, folder) as server:
        client = Client(server.api_key, server.address)
        experiment = client.project(PROJECT).experiment("first")
        for run in runs(size):
            model = experiment.model(run.name, config=run.config, name=run.name)
            for name, values in run.values.items():
                model.metrics.log_arrays(name, range(size.steps), values)
        client.flush(600)
        client.close()
        origin = f"http://127.0.0.1:{server.http_port}"

        def log_in(context: BrowserContext) -> None:
            key = json.dumps({"key": server.api_key})
            headers = {"Content-Type": "application/json", "Origin": origin}
            assert context.request.post(f"{origin}/session", data=key, headers=headers).status == 204

        yield Entry(OURS, f"{origin}/p/{PROJECT}", log_in)


# Where a user has charts: MLflow's chart view, Trackio's start. Aim draws what one has picked.
PATHS = {
    MLflow.name: "/#/experiments/0/runs?compareRunsMode=CHART",
    Trackio.name: f"/?project={PROJECT}",
    Aim.name: "/metrics",
}


def _theirs(folder: Path, size: Size, stack: contextlib.ExitStack, notes: dict[str, str]) -> list[Entry]:
    """All that install and run here; the notes say of the others why not."""
    entries = []
    for kind in PEERS:
        try:
            peer = kind(size)
            origin = stack.enter_context(peer.served(folder))
            notes[kind.name] = peer.version
        except (Missing, RuntimeError, OSError, subprocess.SubprocessError) as error:
            notes[kind.name] = f"skipped: {str(error).strip().splitlines()[-1]}"
            continue
        entries.append(Entry(kind.name, origin + PATHS[kind.name], clicks=_search if kind is Aim else None))
        if kind is Aim:
            notes[kind.name] += "; counted from the click on Search, with one metric of the twenty picked"
    return entries


def _search(page: Page) -> float:
    """Picks one metric in Aim and searches."""
    page.get_by_role("button", name="Metrics").click()
    page.get_by_role("option").first.click()
    page.keyboard.press("Escape")
    began = float(page.evaluate("performance.now()"))
    page.get_by_role("button", name="Search").click()
    return began


def _figures(entries: list[Entry], width: int) -> Iterator[Figure]:
    measured = {entry.name: costs for entry in entries if (costs := entry.costs.get(width))}
    ours = measured.pop(OURS)
    wanted: dict[str, tuple[str, Callable[[Cost], float]]] = {
        "first chart": ("s", lambda cost: BOUND_SECONDS if cost.seconds is None else cost.seconds),
        "over the wire": ("MB", lambda cost: cost.bytes / 1e6),
        "JS heap": ("MB", lambda cost: cost.heap_bytes / 1e6),
        "DOM nodes": ("nodes", lambda cost: cost.nodes),
    }
    for what, (unit, value) in wanted.items():
        beside = {name: Spread.of([value(cost) for cost in costs]) for name, costs in measured.items()}
        goals = tuple(Goal("<", 1, name) for name in beside) if unit != "nodes" else ()
        yield Figure(f"{width} px: {what}", unit, Spread.of([value(cost) for cost in ours]), beside, goals)
