"""Runs all benchmarks, or those named on the command line: start, metadata, transfer."""

import json
import sys
import tempfile
from pathlib import Path

from bench import metadata, start, transfer
from bench.figure import table

BENCHMARKS = {"start": start.measure, "metadata": metadata.measure, "transfer": transfer.measure}
RESULTS = Path(__file__).parent / "results.json"


def main() -> None:
    names = sys.argv[1:] or list(BENCHMARKS)
    figures = []
    with tempfile.TemporaryDirectory(prefix="xpstore-bench-") as folder:
        for name in names:
            figures.extend(BENCHMARKS[name](Path(folder)))
    print(table(figures))
    RESULTS.write_text(json.dumps([figure.as_json() for figure in figures], indent=2) + "\n")


if __name__ == "__main__":
    main()
