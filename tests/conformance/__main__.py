"""`python -m conformance`: README.md beside this file."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from conformance.command import Fault
from conformance.known import known_clients
from conformance.runner import run_all
from conformance.scenario import scenarios
from conformance.world import Place, World


def main() -> int:
    parser = argparse.ArgumentParser(prog="conformance", description=__doc__)
    parser.add_argument("--client", action="append", default=[], help="a command; default: those of this repository")
    parser.add_argument("--server", help="a server that is there, HOST:PORT; its key in XPSTORE_API_KEY")
    parser.add_argument("--only", default="", help="scenarios whose name begins so")
    parser.add_argument("--full", action="store_true", help="all pairs of clients, not a ring")
    parser.add_argument("--slow", action="store_true", help="what takes minutes too")
    words = parser.parse_args()
    commands, missing = (words.client, {}) if words.client else known_clients()
    chosen = [
        one
        for one in scenarios()
        if one.name.startswith(words.only)
        and (words.slow or not one.is_slow)
        and not (words.server and one.needs_own_server)
    ]
    if not chosen:
        parser.error(f"no scenario begins with {words.only!r}")
    place = None
    if words.server:
        authority = os.environ.get("XPSTORE_TLS_CA")
        key = os.environ.get("XPSTORE_API_KEY", "")
        place = Place(words.server, key, Path(authority) if authority else None)
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder, World(Path(folder), place) as world:
        try:
            report = run_all(chosen, commands, Path(folder), world, is_full=words.full, is_slow=words.slow)
        except Fault as fault:
            print(f"FAILED {fault}", file=sys.stderr)
            return 1
    print(f"\n{report.table()}")
    for language, told in missing.items():
        print(f"not run: {language}: {told}")
    for program in report.lacking():
        print(f"not run: scenarios that need {program}")
    is_whole = not missing and not report.lacking()
    return 0 if report.is_good and (is_whole or not os.environ.get("CI")) else 1


if __name__ == "__main__":
    sys.exit(main())
