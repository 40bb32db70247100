"""The page over many models: first view, scrolling, sorting, lines, and what a watcher costs."""

import os
from collections.abc import Callable
from pathlib import Path

from bench.figure import Figure, Goal, Spread, say
from bench.page.browser import chromium
from bench.page.live import MODELS as RUNNING
from bench.page.live import watched
from bench.page.rows import Campaign, names_of
from bench.page.visitor import Frames, Visitor
from support.backends import Backend, sqlite_url
from support.web.server import WebServer
from xpstore import Client
from xpstore.experiment import Experiment
from xpstore.v1 import model_pb2
from xpstore_server.store.database import Database

MODELS, METRICS = 10_000, 50
LINES, CHARTS = 100, 20
HEIGHT = 3_600  # of a window in which all of the charts are in view
ROUNDS = 5
FRAMES_SECONDS, WATCHED_SECONDS = 5, 120
STILL = "the page at rest"
PROJECT = "campaign"
FILLED = "filled"  # a file that says the database is whole


def measure(folder: Path, notes: dict[str, str], *, is_quick: bool = False) -> list[Figure]:
    """Medians of several rounds, each in a browser with nothing in its cache."""
    models, rounds = (200, 1) if is_quick else (MODELS, ROUNDS)
    notes["load before"] = " ".join(f"{load:.1f}" for load in os.getloadavg())
    folder.mkdir(parents=True, exist_ok=True)
    url = sqlite_url(folder / "page.db")
    backend = Backend(name="sqlite-disk", database_url=url, blob_url=(folder / "blobs").as_uri())
    with WebServer(backend, folder) as server, chromium() as browser:
        client = Client(server.api_key, server.address)
        experiment = client.project(PROJECT).experiment("first")
        if not (folder / FILLED).exists():
            say(f"page: {models:,} models with {METRICS} metrics are written")
            database = Database(url)
            Campaign(database, experiment, models, METRICS).fill()
            database.close()
            (folder / FILLED).touch()
        notes["Chromium"] = f"{browser.version}, without windows, drawing by software"
        visitor = Visitor(browser, f"http://127.0.0.1:{server.http_port}", server.api_key)
        figures = [
            *_first_view(visitor, rounds),
            *_frames(visitor, rounds, 2 if is_quick else FRAMES_SECONDS),
            *_lines(visitor, _newest(client, experiment), rounds),
            *_watched(visitor, experiment, server.pid, 10 if is_quick else WATCHED_SECONDS),
        ]
        client.close()
    notes["load after"] = " ".join(f"{load:.1f}" for load in os.getloadavg())
    return figures


def _newest(client: Client, experiment: Experiment) -> list[str]:
    request = model_pb2.SearchModelsRequest(
        project_uid=experiment.project_uid, order_by="created_at desc", page_size=LINES
    )
    return [model.id for model in client.call(client.stubs.models.SearchModels, request).models]


def _first_view(visitor: Visitor, rounds: int) -> list[Figure]:
    say("page: first view")
    paints, rows = zip(*(visitor.first_view(PROJECT) for _ in range(rounds)), strict=True)
    return [
        Figure("first contentful paint", "s", Spread.of(paints), goals=(Goal("<", 0.5),)),
        Figure("first rows of the list", "s", Spread.of(rows), goals=(Goal("<", 1),)),
    ]


def _frames(visitor: Visitor, rounds: int, seconds: float) -> list[Figure]:
    moves = {"scroll": "scrolling through all rows", "wheel": "scrolling by 4 rows a frame", "sort": "sorting"}
    found: dict[str, list[Frames]] = {what: [] for what in ("rest", *moves)}
    for _ in range(rounds):  # in turn: what else the machine does comes and goes
        for what, some in found.items():
            say(f"page: frames, {what}")
            some.append(visitor.frames(PROJECT, what, seconds))
    of: dict[str, tuple[Callable[[Frames], float], Goal | None]] = {
        "p50": (lambda one: one.at(0.5), None),
        "p95": (lambda one: one.at(0.95), Goal("<", 33)),
        "longest": (lambda one: max(one.frames), Goal("<", 100)),
        "longest task": (lambda one: max(one.long_tasks, default=0.0), None),
    }
    figures = []
    for what, name in moves.items():
        for which, (value, goal) in of.items():
            ours, still = (Spread.of([value(one) for one in found[each]]) for each in (what, "rest"))
            goals = (goal,) if goal else ()
            figures.append(Figure(f"{name}: frame, {which}", "ms", ours, {STILL: still}, goals))
    return figures


def _lines(visitor: Visitor, models: list[str], rounds: int) -> list[Figure]:
    say("page: lines")
    metrics = [f"{name} [{phase}]" if phase else name for name, phase in names_of(CHARTS)]
    chosen, opened = zip(*(visitor.lines(PROJECT, models, metrics, HEIGHT) for _ in range(rounds)), strict=True)
    name = f"{len(models)} lines x {CHARTS} charts"
    return [
        Figure(f"{name} drawn, from their choice", "s", Spread.of(chosen), goals=(Goal("<", 2),)),
        Figure(f"{name} drawn, from the opening of the page", "s", Spread.of(opened)),
    ]


def _watched(visitor: Visitor, experiment: Experiment, pid: int, seconds: float) -> list[Figure]:
    say("page: models that run")
    without, beside = (100 * share for share in watched(visitor, PROJECT, experiment, pid, seconds))
    name = f"{RUNNING} running models: share of a core that the server takes"
    return [
        Figure(f"{name}, nobody watching", "%", Spread.of([without])),
        Figure(f"{name}, for an open page", "%", Spread.of([beside - without]), goals=(Goal("<", 5),)),
    ]
