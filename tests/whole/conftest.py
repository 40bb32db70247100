"""Fixtures of the tests of the whole: the command `xpstore`."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.command import Command, Result
from support.homes import without_settings
from support.services import Server


@pytest.fixture
def run(server: Server, tmp_path: Path) -> Command:
    """Runs a command line in an empty folder and expects an exit code."""

    def run(*words: str, expect: int = 0, program: tuple[str, ...] = ("-m", "xpstore.cli"), **settings: str) -> Result:
        access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
        environment = {**without_settings(), **access, **settings}
        command = [sys.executable, *program, *words]
        result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert result.returncode == expect, result.stderr
        return result

    return run
