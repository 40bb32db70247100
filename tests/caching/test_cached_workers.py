"""Cached functions of a script, in the worker processes of joblib: sent by value, computed once, found by all."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.homes import Home, without_settings
from support.services import Server

pytestmark = pytest.mark.client

pytest.importorskip("joblib")

SCRIPT = """
import sys
from joblib import Parallel, delayed
import xpstore
from xpstore import cached

FACTOR = 3


def helper(number):
    return number * FACTOR


@cached(name="scaled")
def scaled(number):
    return helper(number)


class Model:
    @cached(name="Model.fit")
    def fit(self, number):
        return helper(number) + 1

    def __fingerprint__(self):
        return 1


def main():
    xpstore.init(*sys.argv[1:])
    with xpstore.Project("workers") as project:
        print(Parallel(n_jobs=2)(delayed(scaled)(number) for number in range(4)))
        print([scaled(number) for number in range(4)])
        here, entries = project.cache.statistics().here, project.cache.statistics().entries
        print(entries, "entries;", here.hits, "hits and", here.computed, "computed here")
        for _ in range(2):
            print(Parallel(n_jobs=2)(delayed(Model().fit)(number) for number in range(4)))
        print(project.cache.statistics().entries, "entries")  # the second time hit


if __name__ == "__main__":
    main()
"""
SHOWN = ["[0, 3, 6, 9]"] * 2 + ["4 entries; 4 hits and 0 computed here"]
SHOWN += ["[1, 4, 7, 10]"] * 2 + ["8 entries"]


def run(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(SCRIPT)
    environment = {**environment, "PYTHONPATH": ":".join(filter(None, sys.path))}
    command = [sys.executable, "script.py", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_workers_find_the_embedded_service_of_their_parent(tmp_path: Path) -> None:
    with Home(tmp_path / "home") as home:
        done = run(tmp_path, home.environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == SHOWN


def test_workers_find_a_server_with_the_key_of_their_environment(tmp_path: Path, server: Server) -> None:
    address = {"XPSTORE_API_URL": server.address}
    done = run(tmp_path, without_settings() | address | {"XPSTORE_API_KEY": server.api_key})
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == SHOWN


def test_workers_without_a_key_say_what_to_do(tmp_path: Path, server: Server) -> None:
    done = run(tmp_path, without_settings(), server.api_key, server.address)
    assert "NotInitialized: This worker process has work of" in done.stderr
    assert "set XPSTORE_API_KEY before it starts, or give its pool initializer=" in done.stderr
    assert server.api_key not in done.stderr
