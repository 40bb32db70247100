"""Programs that tests need and that pip does not bring; `.ci/run` reads the list and installs them."""

import os
import shutil
from typing import NamedTuple, NoReturn

import pytest


class Program(NamedTuple):
    """Where a program comes from.

    Attributes:
        package: Debian's.
        purpose: what it is needed for.
    """

    package: str
    purpose: str


# A line each: `.ci/run` reads them. MinIO is not among them: no package has it, `make minio` builds it where it can.
PROGRAMS = {
    "chromium": Program("chromium", "a page that calls the server"),
    "curl": Program("curl", "the examples of docs/http.md"),
    "faketime": Program("faketime", "clocks that are wrong"),
    "git": Program("git", "the commit that a run records"),
    "haproxy": Program("haproxy", "another proxy before the server"),
    "nginx": Program("nginx", "a proxy before the server"),
    "node": Program("nodejs", "a client in another language"),
    "npm": Program("npm", "what that client needs"),
    "protoc": Program("protobuf-compiler", "the contract in Java"),
    "pgbouncer": Program("pgbouncer", "a pool of connections before PostgreSQL"),
}


def needs(program: str) -> str:
    """The path of a program. Where it is missing the test is skipped by name, and fails under CI."""
    # /usr/sbin, where Debian has servers, is not in every user's path.
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is not None:
        return path
    package, purpose = PROGRAMS[program]
    lacking(f"{program} is not installed ({purpose}): apt-get install {package}")


def lacking(what: str) -> NoReturn:
    """Ends a test for something that this machine lacks: skipped by name, failed under CI."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
