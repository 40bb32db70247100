"""Cached functions in whatever way Python runs them: nothing raised, nothing stale, a hit where nothing changed."""

import os
import py_compile
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from support.homes import Home

# `name=` as for whatever moves between scripts, modules and notebooks.
WORK = """
import math
from xpstore import cached

FACTOR = 3


def helper(number):
    return number * FACTOR


@cached(name="scaled")
def scaled(number):
    total = helper(number)
    return math.floor(total) + ADDED
"""
REPORT = """
import xpstore

xpstore.init()
with xpstore.Project("ways") as project:
    value = scaled(5)
    here = project.cache.statistics().here
    print(value, here.computed, "computed", here.hits, "hits", here.uncached, "uncached")
"""
COMPUTED, HIT = "1 computed 0 hits 0 uncached", "0 computed 1 hits 0 uncached"


class Folder:
    """Programs around one cached function, which is written anew for each run.

    Attributes:
        path: where they are.
    """

    def __init__(self, path: Path, home: Home) -> None:
        self.path = path
        self.environment = {**home.environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def python(self, *command: str | Path, text: str | None = None) -> str:
        """What a program prints; all output goes into the message if it fails."""
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=self.path,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return next(line for line in done.stdout.splitlines() if "computed" in line)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    with Home(tmp_path_factory.mktemp("home")) as home:
        yield home


@pytest.fixture
def folder(tmp_path: Path, home: Home) -> Folder:
    return Folder(tmp_path, home)


@pytest.fixture(scope="module")
def in_a_script(home: Home, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The function with `+ 1`, computed by a script. Returns its text."""
    folder, text = Folder(tmp_path_factory.mktemp("script"), home), WORK.replace("ADDED", "1")
    assert folder.python(folder.write("main.py", text + REPORT)) == f"16 {COMPUTED}"
    return text


Way = Callable[[Folder, str], str]


def script(*options: str) -> Way:
    return lambda folder, text: folder.python(*options, folder.write("main.py", text + REPORT))


def as_module(folder: Folder, text: str) -> str:
    folder.write("package/__init__.py", "")
    folder.write("package/work.py", text)
    folder.write("package/job.py", "from package.work import scaled\n" + REPORT)
    return folder.python("-m", "package.job")


def as_main_module(folder: Folder, text: str) -> str:
    folder.write("package/__main__.py", text + REPORT)
    return folder.python("-m", "package")


def in_a_zip(folder: Folder, text: str) -> str:
    with zipfile.ZipFile(folder.path / "work.zip", "w") as archive:
        archive.writestr("work.py", text)
    return folder.python("-c", "import sys; sys.path.insert(0, 'work.zip')\nfrom work import scaled\n" + REPORT)


def without_source(folder: Folder, text: str) -> str:
    path = folder.write("work.py", text)
    py_compile.compile(str(path), str(path.with_suffix(".pyc")))
    path.unlink()
    return folder.python("-c", "from work import scaled\n" + REPORT)


def executed(folder: Folder, text: str) -> str:
    return folder.python("-c", f"exec({text!r})\n" + REPORT)


def from_stdin(folder: Folder, text: str) -> str:
    return folder.python("-", text=text + REPORT)


def from_an_argument(folder: Folder, text: str) -> str:
    return folder.python("-c", text + REPORT)


def traced(folder: Folder, text: str) -> str:
    tracing = "import sys\nsys.settrace(lambda frame, event, value: None)\nsys.setprofile(lambda *seen: None)\n"
    return folder.python(folder.write("main.py", text + tracing + REPORT))


def debugged(folder: Folder, text: str) -> str:
    path = folder.write("main.py", text + REPORT)
    return folder.python("-m", "pdb", "-c", "break helper, number > 5", "-c", "continue", path, text="q\n")


def hot(folder: Folder, text: str) -> str:
    """Specialised by the interpreter before it is looked at."""
    return folder.python(folder.write("main.py", text + "for _ in range(5000):\n    scaled.__wrapped__(5)\n" + REPORT))


# Their key is that of the script: the text of the function is there, and proven to be what runs.
ALIKE: dict[str, Way] = {
    "script": script(),
    "-O": script("-O"),
    "-OO": script("-OO"),
    "no bytecode files": script("-B"),
    "-m module": as_module,
    "-m package": as_main_module,
    "zip": in_a_zip,
    "coverage": script("-m", "coverage", "run", "--branch"),
    "cProfile": script("-m", "cProfile"),
    "trace functions": traced,
    "pdb": debugged,
    "specialised": hot,
}
# There is no text, or none that could be read: the instructions count.
WITHOUT_TEXT: dict[str, Way] = {
    "no source": without_source,
    "exec": executed,
    "standard input": from_stdin,
    "-c": from_an_argument,
}
others = count(2)  # what no other way adds


@pytest.mark.parametrize("way", ALIKE)
def test_ways_that_share_results_with_a_script(way: str, folder: Folder, in_a_script: str) -> None:
    run, added = ALIKE[way], next(others)
    commented = in_a_script.replace("    total", '    """Says what it does."""\n    # and why\n    total')
    assert run(folder, commented) == f"16 {HIT}"
    assert run(folder, in_a_script.replace("+ 1", f"+ {added}")) == f"{15 + added} {COMPUTED}"


@pytest.mark.parametrize("way", WITHOUT_TEXT)
def test_ways_that_have_no_text(way: str, folder: Folder) -> None:
    run, (first, second) = WITHOUT_TEXT[way], (next(others), next(others))
    for added, outcome in [(first, COMPUTED), (first, HIT), (second, COMPUTED)]:
        assert run(folder, WORK.replace("ADDED", str(added))) == f"{15 + added} {outcome}"


def test_asserts_count_where_they_run(folder: Folder) -> None:
    """`-O` leaves them out: another function, with results of its own."""
    added = next(others)
    text = WORK.replace("    total =", "    assert number > 0\n    total =").replace("ADDED", str(added))
    for options, outcome in [((), COMPUTED), (("-O",), COMPUTED), ((), HIT), (("-O",), HIT)]:
        assert script(*options)(folder, text) == f"{15 + added} {outcome}"


def test_pytest_with_rewritten_asserts(folder: Folder) -> None:
    """Of a function with an assert the rewritten instructions count; of others the text, as in a script."""
    in_test = "\n\ndef test_it(capsys):\n" + "".join(f"    {line}\n" for line in REPORT.splitlines())
    first, second = next(others), next(others)

    def run(text: str) -> str:
        path = folder.write("test_work.py", text + in_test)
        return folder.python("-m", "pytest", "-q", "-rP", "-p", "no:cacheprovider", "-p", "no:xdist", path)

    asserting = WORK.replace("    total =", "    assert number > 0, number\n    total =")
    for added, outcome in [(first, COMPUTED), (first, HIT), (second, COMPUTED)]:
        assert run(asserting.replace("ADDED", str(added))) == f"{15 + added} {outcome}"
    assert script()(folder, WORK.replace("ADDED", str(second))) == f"{15 + second} {COMPUTED}"
    assert run(WORK.replace("ADDED", str(second))) == f"{15 + second} {HIT}"
