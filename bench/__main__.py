"""Runs all benchmarks, or those named; `--help` names them.

`--quick`, or BENCH=quick in the environment, runs `transfer` once on small files, and `search`, `deletion`, `growth`
and `page` with few models, `page-peers` without peers, to see that they work: their figures mean nothing.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from bench import cache, console, deletion, growth, logging, machine, metadata, metrics, search, start, upkeep
from bench.figure import Figure, table
from bench.page.browser import in_chromium
from bench.page.contest import measure as measure_pages
from bench.page.first_use import measure as measure_first_use
from bench.page.large import measure as measure_page
from bench.picture import draw
from bench.transfer.contest import measure as measure_transfer
from bench.transfer.workload import FULL, QUICK, STORES

HERE = Path(__file__).parent


def main() -> None:
    # Asked to leave, it stops its servers and wipes its files, as with Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    options = _options()
    is_quick = options.quick or os.environ.get("BENCH") == "quick"
    plan = replace(
        QUICK if is_quick else FULL,
        stores=tuple(options.stores),
        steps=tuple(options.steps),
        has_mlflow=not options.without_mlflow,
    )
    # Figures that mean nothing do not replace those that do.
    output: Path | None = options.output or (None if is_quick else HERE)
    notes: dict[str, str] = {}
    benchmarks: dict[str, Callable[[Path], list[Figure]]] = {
        "start": start.measure,
        "metadata": metadata.measure,
        "logging": logging.measure,
        "console": partial(console.measure, alternations=2, lines=20_000) if is_quick else console.measure,
        "metrics": partial(metrics.measure, notes=notes, is_quick=is_quick, has_mlflow=plan.has_mlflow),
        "search": partial(search.measure, models=1_000) if is_quick else search.measure,
        "cache": partial(cache.measure, processes=8, keys=20, mapped=100) if is_quick else cache.measure,
        "growth": partial(growth.measure, sizes=(10, 100)) if is_quick else growth.measure,
        "upkeep": partial(upkeep.measure, updates=3_000) if is_quick else upkeep.measure,
        "deletion": partial(deletion.measure, models=1_000) if is_quick else deletion.measure,
        "page": partial(in_chromium, partial(measure_page, notes=notes, is_quick=is_quick), notes),
        "first-use": partial(in_chromium, measure_first_use, notes),
        "page-peers": partial(in_chromium, partial(measure_pages, notes=notes, is_quick=is_quick), notes),
        "transfer": partial(measure_transfer, plan=plan, notes=notes),
    }
    unknown = set(options.names) - set(benchmarks)
    if unknown:
        raise SystemExit(f"no benchmark named {', '.join(sorted(unknown))}: there are {', '.join(benchmarks)}")
    for name in options.names or list(benchmarks):
        with tempfile.TemporaryDirectory(prefix="xpstore-bench-", ignore_cleanup_errors=True) as folder:
            figures = benchmarks[name](options.keep if options.keep and name == "page" else Path(folder))
        lines = [name, table(figures), *(f"{who}: {note}" for who, note in notes.items())]
        print("\n".join(lines), end="\n\n", flush=True)
        if output is not None:
            _keep(output / "results.json", name, figures, notes)
        if output is not None and name == "transfer":
            draw(figures, output / "results.png")
        notes.clear()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="start, metadata, metrics, logging, console, search, cache, growth, upkeep, deletion, page, first-use, "
        "page-peers, transfer; default all",
    )
    parser.add_argument("--quick", action="store_true", help="small files, once, without MLflow and MinIO")
    parser.add_argument(
        "--output", type=Path, help="folder of results.json and results.png; default bench, if not quick"
    )
    kept = "folder of the server of `page`, 5 GB: filled if it is empty, and left for the next run"
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help=kept)
    transfer = parser.add_argument_group("only of transfer")
    transfer.add_argument("--stores", nargs="+", choices=STORES, default=STORES, help="default all")
    transfer.add_argument("--steps", nargs="+", default=[""], metavar="PREFIX", help="as in the progress; default all")
    transfer.add_argument("--without-mlflow", action="store_true")
    return parser.parse_args()


def _keep(path: Path, name: str, figures: list[Figure], notes: dict[str, str]) -> None:
    """Replaces the results of one benchmark; those of others stay as they were."""
    path.parent.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if not isinstance(results, dict):
        results = {}
    results[name] = {**machine.describe(), "notes": dict(notes), "figures": [figure.as_json() for figure in figures]}
    path.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
