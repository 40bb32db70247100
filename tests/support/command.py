"""What the command `xpstore` printed."""

import subprocess
from collections.abc import Callable

Result = subprocess.CompletedProcess[str]
Command = Callable[..., Result]


def assert_one_line(result: Result, expected: str) -> None:
    assert result.stderr.startswith("xpstore: ")
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert expected in result.stderr


def lines(result: Result) -> list[list[str]]:
    """The fields of all lines."""
    return [line.split("\t") for line in result.stdout.splitlines()]


def rows(result: Result) -> list[list[str]]:
    """The fields of all lines but the first, which has the names of the columns."""
    head, *others = lines(result)
    assert all(len(row) == len(head) for row in others)
    return others


def facts(result: Result) -> dict[str, str]:
    """Names and values."""
    return {name: value for name, value in lines(result)}
