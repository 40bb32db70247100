"""What cells print while a run is open is recorded with it, and shown as before."""

import os
from pathlib import Path

import pytest

from support.notebooks import Notebook
from support.services import Server

pytestmark = pytest.mark.client

BEGIN = """
import logging, sys, xpstore
project = xpstore.init({key!r}, {url!r}).project("p")
attempt = project.experiment("e").model().run()
run = attempt.__enter__()
print("first cell")
"""


def test_output_of_cells_is_recorded(server: Server, tmp_path: Path) -> None:
    environment = {**os.environ, "XPSTORE_HOME": str(tmp_path / "home")}
    with Notebook(tmp_path, environment) as notebook:
        assert notebook.run(BEGIN.format(key=server.api_key, url=server.address)) == "first cell"
        assert notebook.run("print('second'); print('error', file=sys.stderr)") == "second"
        assert notebook.run("attempt.__exit__(None, None, None); print('after')") == "after"
        assert notebook.run("print(run.console())") == "first cell\nsecond\nerror"
