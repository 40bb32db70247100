"""Programs that tests need and that pip does not bring; `.ci/run` reads the list and installs them."""

import os
import shutil

import pytest

# Program -> package of Debian; a line each.
PACKAGES = {
    "faketime": "faketime",
    "pgbouncer": "pgbouncer",
}


def needs(program: str) -> str:
    """The path of a program. Where it is missing the test is skipped by name, and fails under CI."""
    # /usr/sbin, where Debian has servers, is not in every user's path.
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is not None:
        return path
    missing = f"{program} is not installed: apt-get install {PACKAGES[program]}"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
