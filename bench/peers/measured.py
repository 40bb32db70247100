"""What the programs have in common: they write and read points some times, and print how many seconds each took."""

import json
import sys
import time
from collections.abc import Callable

Write = Callable[[str, int], str]
Read = Callable[[str, str], int]


def main(write: Write, read: Read) -> None:
    """Times calls of `write(address, points)`, which names what it wrote, and of `read(address, name)`.

    A write ends when all is readable on the server: a read that finds less is an error.
    """
    address, points, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    seconds: dict[str, list[float]] = {"writes": [], "reads": []}
    for _ in range(rounds):
        began = time.perf_counter()
        name = write(address, points)
        seconds["writes"].append(time.perf_counter() - began)
        began = time.perf_counter()
        found = read(address, name)
        seconds["reads"].append(time.perf_counter() - began)
        if found != points:
            raise SystemExit(f"{found} of {points} points are readable")
    print(json.dumps(seconds))
