"""Empties every public method of the client in turn and expects red tests: what survives is not tested.

    python -m support.mutation [WORD ...]     only mutants whose name has one of the words

A first run of the client's tests records which of them call what; then each mutant meets the tests that call it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from support.mutation.mutants import NOT_APPLIED, mutants

TESTS = Path(__file__).parents[2]
PROCESSES = 2
# The tests of the client's classes. Others speak the protocol, or run programs that a change in memory does not reach.
FILES = (
    "artifact",
    "artifact_files",
    "artifact_links",
    "artifact_objects",
    "client",
    "embedded",
    "errors",
    "experiment",
    "iteration",
    "log_calls",
    "metric",
    "model",
    "model_steps",
    "module",
    "offline",
    "project",
    "run",
    "search",
    "search_oracle",
    "search_order",
    "search_refusals",
    "search_tables",
    "series",
    "spool",
    "spool_processes",
    "stage",
)
# A mutant that lived through so many of the tests that are most about it will live through the rest.
MOST_TESTS = 50
PLUGIN = ["-p", "support.mutation.mutants"]
# One backend will do: it is the client that is changed.
OPTIONS = ["-x", "-q", "--no-header", "--timeout=60", "-k", "not postgres", "-p", "no:cacheprovider", *PLUGIN]


def run(tests: list[str], **settings: str) -> tuple[int, str]:
    """Runs tests until the first red one; returns pytest's exit code and the line that says which."""
    environment = {**os.environ, "PYTHONPATH": str(TESTS), **settings}
    command = [sys.executable, "-m", "pytest", *OPTIONS, *tests]
    result = subprocess.run(command, env=environment, cwd=TESTS.parent, capture_output=True, text=True)
    lines = result.stdout.strip().splitlines() or result.stderr.strip().splitlines() or [""]
    return result.returncode, next((line for line in reversed(lines) if "::" in line), lines[-1])


def record() -> dict[str, list[str]]:
    """For each mutant the tests that call it, by one run of all tests, which must be green.

    A test that calls little is about what it calls: such tests come first.
    """
    files = [path for name in FILES for path in TESTS.glob(f"*/test_{name}.py")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "calls.json")
        code, line = run(list(map(str, files)), XPSTORE_RECORD=str(path))
        if code != 0:
            sys.exit(f"the tests are red without a mutant: {line}")
        calls: dict[str, list[str]] = json.loads(path.read_text())
    width = Counter(test for tests in calls.values() for test in tests)
    return {mutant: sorted(tests, key=lambda test: width[test])[:MOST_TESTS] for mutant, tests in calls.items()}


def judge(mutant: str, tests: list[str]) -> str | None:
    """Says what turned red, None if nothing did."""
    code, line = run(tests, XPSTORE_MUTATE=mutant) if tests else (0, "")
    if code == NOT_APPLIED:
        sys.exit(line)
    return None if code == 0 else line


def main() -> int:
    started = time.monotonic()
    words = sys.argv[1:]
    chosen = [mutant for mutant in mutants() if not words or any(word in mutant for word in words)]
    calls = record()
    survivors = []
    with ThreadPoolExecutor(PROCESSES) as pool:
        judged = {pool.submit(judge, mutant, calls.get(mutant, [])): mutant for mutant in chosen}
        for count, done in enumerate(as_completed(judged), 1):
            mutant, line = judged[done], done.result()
            if line is None:
                survivors.append(f"{mutant}{'' if calls.get(mutant) else '  (no test calls it)'}")
            print(f"{count:4}/{len(chosen)}  {mutant:50} {line or 'SURVIVED'}", flush=True)
    minutes = (time.monotonic() - started) / 60
    print(f"{len(chosen)} mutants, {len(survivors)} survived, {minutes:.1f} minutes")
    for survivor in sorted(survivors):
        print(f"  survived: {survivor}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
