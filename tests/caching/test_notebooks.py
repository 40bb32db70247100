"""Cached functions in the cells of real Jupyter kernels: hits, edits, restarts, magics, workers."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.homes import Home
from support.notebooks import Notebook

BEGIN = """
import xpstore
from xpstore import cached, init

init()
project = xpstore.set_project(xpstore.Project({project!r}))

def seen():
    here = project.cache.statistics().here
    return here.hits, here.computed, here.uncached
"""
# The value of an expression, and what it added to hits, computed and uncached.
SHOW = """
before = seen()
value = {expression}
print(value, *(now - then for now, then in zip(seen(), before)))
"""
HIT, COMPUTED = "1 0 0", "0 1 0"

HELPER = """
def helper(number):
    return number * 3
"""
SCALED = """
@cached(name="scaled")
def scaled(number):
    return helper(number) + 1
"""


class Page(Notebook):
    """A notebook of a project."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        super().__init__(folder, environment)
        self.begin = BEGIN.format(project=str(folder))

    def show(self, expression: str) -> str:
        return self.run(SHOW.format(expression=expression))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home(tmp_path_factory.mktemp("home")) as home:
        yield home


@pytest.fixture
def page(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):  # not those of the user
        monkeypatch.setenv(name, str(tmp_path / name))
        monkeypatch.setitem(home.environment, name, str(tmp_path / name))
    with Page(tmp_path, {**home.environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}) as page:
        page.run(page.begin)
        yield page


def test_cells_that_are_run_again_edited_and_commented(page: Page, tmp_path: Path) -> None:
    page.run(HELPER)
    page.run(SCALED)
    assert page.show("scaled(5)") == f"16 {COMPUTED}"
    page.run(SCALED)
    assert page.show("scaled(5)") == f"16 {HIT}"
    page.run(SCALED.replace("+ 1", "+ 2"))
    assert page.show("scaled(5)") == f"17 {COMPUTED}"
    page.run(SCALED.replace("    return", '    """A text."""\n    # a comment\n    return'))
    assert page.show("scaled(5)") == f"16 {HIT}"
    page.run(HELPER.replace("3", "4"))
    assert page.show("scaled(5)") == f"21 {COMPUTED}"
    page.run(HELPER + SCALED + "value = scaled(5)")  # in one cell, with a call
    assert page.show("scaled(5)") == f"16 {HIT}"
    page.run("lines = [scaled(number) for number in range(3)]")
    assert page.show("[scaled(number) for number in range(3)]") == "[1, 4, 7] 3 0 0"

    page.restart()
    page.run(page.begin)
    page.run(HELPER + SCALED)
    assert page.show("scaled(5)") == f"16 {HIT}"

    script = tmp_path / "script.py"
    script.write_text(page.begin + HELPER + SCALED + SHOW.format(expression="scaled(5)"))
    done = subprocess.run([sys.executable, script], env=page._environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == f"16 {HIT}", done.stderr


MAGICS = {
    "an import in the cell": "import json\n{}",
    "a call by a module": "import math\n{}",
    "%%time": "%%time\n{}",
    "%%capture": "%%capture\n{}",
    "a line magic": "%matplotlib --list\n{}",
    "a shell command": "!true\n{}",
    "a help mark": "{}\nlen?",
    "%%prun": "%%prun -q\n{}",
    "exec": "exec({!r})",
}


def test_cells_with_magics(page: Page) -> None:
    """Each computes or hits, and hits when it is run again; `%%time` and `exec` leave no text behind."""
    for number, (name, cell) in enumerate(MAGICS.items()):
        text = f"""
import math

@cached(name="magic")
def magic(x):
    return math.floor(x) + {number}
"""
        for outcome in (COMPUTED, HIT):
            page.run(cell.format(text))
            assert page.show("magic(1.5)").endswith(f"{1 + number} {outcome}"), name


def test_reloaded_modules_and_scripts_that_are_run(page: Page, tmp_path: Path) -> None:
    """With `%autoreload 2`, as with `importlib.reload` and `%run`: what runs is what counts."""
    module = tmp_path / "lab.py"
    text = "from xpstore import cached\n" + HELPER + SCALED
    module.write_text(text)
    page.run("%load_ext autoreload\n%autoreload 2\nimport lab\nfrom lab import scaled")
    assert page.show("lab.scaled(7)") == f"22 {COMPUTED}"
    edits = [
        (text.replace("+ 1", "+ 100"), f"121 {COMPUTED}"),
        (text.replace("* 3", "* 30"), f"211 {COMPUTED}"),
        ("# a line more\n" + text, f"22 {HIT}"),
    ]
    for later, (new, outcome) in enumerate(edits, 1):
        module.write_text(new)
        os.utime(module, (now := time.time() + later, now))  # what is no newer is not reloaded
        assert page.show("lab.scaled(7)") == outcome
    page.run("%autoreload 0")

    script = tmp_path / "script.py"
    script.write_text(text + "result = scaled(7)\n")
    assert page.show("get_ipython().run_line_magic('run', 'script.py')") == f"None {HIT}"
    script.write_text(text.replace("+ 1", "+ 3"))
    page.run("%run -i script.py")
    assert page.show("scaled(7)") == f"24 {COMPUTED}"


def test_async_cells_and_workers(page: Page) -> None:
    """A cell awaits; what threads, forked processes and loky's workers compute of a cell's function is a hit here."""
    page.run(HELPER + SCALED)
    page.run('@cached(name="later")\nasync def later(number):\n    return helper(number)')
    for outcome in (COMPUTED, HIT):
        assert page.show("await later(2)") == f"6 {outcome}"
    page.run("import asyncio\nfrom concurrent.futures import ProcessPoolExecutor\nfrom joblib import Parallel, delayed")
    assert page.show("await asyncio.to_thread(scaled, 1)") == f"4 {COMPUTED}"
    forked = 'ProcessPoolExecutor(1, __import__("multiprocessing").get_context("fork"))'
    assert page.show(f"list({forked}.map(scaled, [1, 2]))") == "[4, 7] 0 0 0"
    assert page.show("Parallel(n_jobs=2)(delayed(scaled)(number) for number in (2, 3))") == "[7, 10] 0 0 0"
    assert page.show("[scaled(number) for number in (1, 2, 3)]") == "[4, 7, 10] 3 0 0"
