"""Long transfers say in a notebook how far they are, and how they went."""

import os
from pathlib import Path

import pytest

from support.notebooks import Notebook
from support.services import Server

pytestmark = pytest.mark.client

SAVE = """
import os, xpstore
from xpstore._machine import progress
progress.SHOWN_FROM_BYTES = 1 << 20
progress._Line.SECONDS = 0.0
client = xpstore.init({key!r}, {url!r})
project = xpstore.set_project(xpstore.Project("p"))
saved = xpstore.DirectoryArtifact.save(os.urandom(3_000_000), "weights <b>")
"""


def test_upload_and_download_show_a_line_that_stays(server: Server, tmp_path: Path) -> None:
    environment = {**os.environ, "XPSTORE_HOME": str(tmp_path / "home")}
    with Notebook(tmp_path, environment) as notebook:
        shown = notebook.displayed(SAVE.format(key=server.api_key, url=server.address))
        assert "weights <b>: 3.0 MB of 3.0 MB, " in shown["text/plain"] and "MB/s, took " in shown["text/plain"]
        assert shown["text/html"].startswith('<progress max="3000000" value="3000000"></progress> ')
        assert "weights &lt;b&gt;" in shown["text/html"]
        assert "took" in notebook.displayed("_ = saved.download('back')")["text/plain"]
        assert notebook.displayed("progress.SHOWN_FROM_BYTES = 32 << 20; _ = saved.download('again')") == {}
