"""What the command `xpstore` printed."""

import subprocess
from collections.abc import Callable

Result = subprocess.CompletedProcess[str]
Command = Callable[..., Result]


def assert_one_line(result: Result, expected: str) -> None:
    assert result.stderr.startswith("xpstore: ")
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert expected in result.stderr


def rows(result: Result) -> list[list[str]]:
    return [line.split("\t") for line in result.stdout.splitlines()]
