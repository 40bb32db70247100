"""Cached computations for tests that stop and kill the processes they run in.

    python tests/support/cached_program.py KEY ADDRESS PROJECT FOLDER FUNCTION ARGUMENT

Each computation adds a line with its process to FOLDER/ARGUMENT.began and waits for FOLDER/ARGUMENT.go. The program
prints the result, or type and text of the exception.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import xpstore
from xpstore import cached
from xpstore._caching.state import CacheState
from xpstore.artifact import CachedArtifact

folder = Path()
computed: list[int] = []  # not of the function that notes them: what a function closes over counts
PATIENCE_SECONDS = 120


def note(name: str) -> None:
    with open(folder / f"{name}.began", "a") as file:
        file.write(f"{os.getpid()}\n")


def wait_for(*names: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all((folder / name).exists() for name in names):
        if time.monotonic() > deadline:
            raise TimeoutError(names)
        time.sleep(0.01)


@cached(name="whose", version=1)
def whose(key: str) -> int:
    """The process that computed it."""
    note(key)
    wait_for(f"{key}.go")
    return os.getpid()


@cached(name="fails", version=1)
def fails(key: str) -> int:
    whose.__wrapped__(key)
    raise ValueError(f"no rows in {key}")


@cached(name="exhausts", version=1)
def exhausts(key: str) -> int:
    """Out of memory the first time."""
    is_first = not (folder / f"{key}.began").exists()
    whose.__wrapped__(key)
    if is_first:
        raise MemoryError
    return os.getpid()


# Each begins, waits until the other one has begun, and asks for it.


@cached(name="f", version=1, ignore=("asks",))
def f(key: str, asks: bool = True) -> str:
    if asks:
        note("f")
        wait_for("f.began", "g.began")
        g(key, asks=False)
    return "f of " + key


@cached(name="g", version=1, ignore=("asks",))
def g(key: str, asks: bool = True) -> str:
    if asks:
        note("g")
        wait_for("f.began", "g.began")
        f(key, asks=False)
    return "g of " + key


def storm(rank: int, api_key: str, address: str, project: str, keys: int) -> int:
    """Asks for all keys in an order of its own. Returns how many it computed itself."""
    client = xpstore.Client(api_key, address)

    @cached(name="storm", version=1, project=client.project(project))
    def compute(number: int) -> str:
        computed.append(number)
        return f"result {number}"

    computed.clear()
    for number in random.Random(rank).sample(range(keys), keys):
        assert compute(number) == f"result {number}"
    counts = client.kept(CacheState).counts
    client.close()
    assert (counts.hits, counts.computed, counts.uncached) == (keys - len(computed), len(computed), 0), counts
    return len(computed)


def storm_of_maps(rank: int, api_key: str, address: str, project: str, keys: int) -> int:
    """Asks for all keys at once, twice each. Returns how many it computed itself."""
    client = xpstore.Client(api_key, address)

    @cached(name="storm of maps", version=1, project=client.project(project))
    def compute(number: int) -> str:
        computed.append(number)
        time.sleep(0.05)  # so that others come meanwhile
        return f"result {number}"

    computed.clear()
    asked = random.Random(rank).sample([*range(keys), *range(keys)], 2 * keys)
    assert compute.map(asked) == [f"result {number}" for number in asked]
    counts = client.kept(CacheState).counts
    client.close()
    assert (counts.hits, counts.computed, counts.uncached) == (2 * keys - len(computed), len(computed), 0), counts
    return len(computed)


def fetch(api_key: str, address: str, id_: str, cache: str) -> int:
    """The sum of an array that is in the service, by a process of its own that keeps copies in a folder."""
    os.environ["XPSTORE_CACHE"] = cache
    xpstore.init(api_key, address)
    return int(CachedArtifact.get_by_id(id_).load().sum())


def main() -> None:
    global folder
    api_key, address, project, where, name, argument = sys.argv[1:]
    folder = Path(where)
    xpstore.init(api_key, address)
    with xpstore.Project(project):
        try:
            print(globals()[name](argument), flush=True)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by children of a shell's background jobs
    main()
