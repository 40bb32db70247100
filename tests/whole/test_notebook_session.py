"""The session of a notebook: what one cell sets counts in all others, and a cell may be run again."""

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.homes import Home
from support.notebooks import Notebook

BEGIN = """
import asyncio, xpstore
from concurrent.futures import ThreadPoolExecutor
client = xpstore.init()
"""
SET = "project = xpstore.set_project(xpstore.Project('of the session'))"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Notebook]:
    with Home(tmp_path / "home") as home, home.serving():
        for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):  # not those of the user
            home.environment[name] = str(tmp_path / name)
        home.environment["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
        with Notebook(tmp_path, home.environment) as page:
            page.run(BEGIN)
            yield page


def test_first_cell_is_run_again_while_a_run_is_open(page: Notebook) -> None:
    page.run(SET)
    page.run("model = project.experiment('e').model('m')\nattempt = model.run()\nrun = attempt.__enter__()")
    page.run("model.metrics.log('loss', 0.5, 1)\nbefore = client")
    page.run(BEGIN)
    page.run("model.metrics.log('loss', 0.25, 2)\nmodel.step += 1")
    assert page.run("print(client is before, xpstore.get_project().id, run.status)") == "True of the session running"
    page.run("xpstore.init(timeout_seconds=7)\nattempt.__exit__(None, None, None)")
    shown = "print([(point.value, point.step) for point in model.metrics.list()], model.step, run.status)"
    assert page.run(shown) == "[(0.5, 1), (0.25, 2)] 1 finished"


def test_project_of_one_cell_is_that_of_all_others(page: Notebook) -> None:
    page.run(SET)
    here = "xpstore.get_project().id"
    assert page.run(f"print({here})") == "of the session"
    page.run("async def later():\n    await asyncio.sleep(0)\n    return xpstore.get_project().id")
    assert page.run("print(await later(), await asyncio.to_thread(lambda: xpstore.get_project().id))") == (
        "of the session of the session"
    )
    threaded = "with ThreadPoolExecutor(1) as pool: print(pool.submit(lambda: xpstore.get_project().id).result())"
    assert page.run(threaded) == "of the session"
    assert page.run(f"with xpstore.Project('of a block'): print({here}, await later())") == "of a block of a block"
    assert page.run(f"print({here})") == "of the session"
    page.run("xpstore.set_project(xpstore.Project('later'))")
    assert page.run(f"print({here}, await later())") == "later later"


def test_cell_that_raises_in_its_block_leaves_it(page: Notebook) -> None:
    page.run(SET)
    page.run("try:\n    with xpstore.Project('of a block'): 1 / 0\nexcept ZeroDivisionError: pass")
    assert page.run("print(xpstore.get_project().id)") == "of the session"


def test_block_that_is_entered_by_hand_spans_cells(page: Notebook) -> None:
    page.run("block = xpstore.Project('by hand')\nblock.__enter__()")
    assert page.run("print(xpstore.get_project().id, await asyncio.to_thread(xpstore.get_project))").startswith(
        "by hand"
    )
    page.run("task = asyncio.ensure_future(asyncio.sleep(0, xpstore.get_project().id))")
    page.run("block.__exit__(None, None, None)")
    assert page.run("print(await task)") == "by hand"
    shown = "try: print(xpstore.get_project())\nexcept xpstore.errors.NoProject: print('none')"
    assert page.run(shown) == "none"


def test_tables_and_charts_are_shown(page: Notebook) -> None:
    page.run(SET)
    page.run(
        "model = project.experiment('e').model(config={'lr': 0.1})\n"
        "for step in range(100): model.metrics.log('loss', 1 / (step + 1), step)"
    )
    name = page.run("print(model.display_name)")
    shown = page.displayed("project.models.search('config.lr > 0')")
    assert f">{name}</td>" in shown["text/html"] and "1 model" in shown["text/html"]
    assert shown["text/plain"] == "Found(filter='config.lr > 0')"
    assert "<polyline" in page.displayed("model")["text/html"]
    chart = page.displayed("model.metrics.plot('loss', log=True)")
    assert base64.b64decode(chart["image/png"]).startswith(b"\x89PNG")
    assert "Axes" in chart["text/plain"]
    page.run("client.close()")
    assert "Unavailable: This client is closed." in page.displayed("model")["text/html"]
