"""Fixtures of the tests of the command `xpstore`."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import Command, Result
from support.commands import WarmCommands
from support.homes import without_settings
from support.services import Server

PROGRAM = ("-m", "xpstore.cli")


@pytest.fixture(scope="session")
def warm_commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmCommands]:
    with WarmCommands(tmp_path_factory.mktemp("commands")) as warm:
        yield warm


@pytest.fixture
def run(server: Server, tmp_path: Path, warm_commands: WarmCommands) -> Command:
    """Runs a command line in an empty folder and expects an exit code."""

    def run(
        *words: str,
        expect: int = 0,
        program: tuple[str, ...] = PROGRAM,
        input: str = "",
        encoding: str = "utf-8",
        **settings: str | None,
    ) -> Result:
        access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
        named = {**without_settings(), **access, **settings}
        environment = {name: value for name, value in named.items() if value is not None}
        if program == PROGRAM and not any(name.startswith(("PYTHON", "LC_")) for name in settings):
            result = warm_commands.run(words, environment, tmp_path, input, encoding)
        else:
            command = [sys.executable, *program, *words]
            result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert result.returncode == expect, result.stderr
        return result

    return run
