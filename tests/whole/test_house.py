"""scripts/house finds what it is there to find, in small trees of our own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent.parent / "scripts" / "house"
PLACE = "# Architecture\n\n<!-- packages: made by scripts/house -->\n<!-- end of packages -->\n\nThe rest.\n"
SOUND = {
    "client/xpstore/__init__.py": "from xpstore.artifact import save\n",
    "client/xpstore/artifact.py": """\
from xpstore import errors
from xpstore._files.scan import scan
import xpstore._files.upload
""",
    "client/xpstore/errors.py": "",
    "client/xpstore/_files/__init__.py": '"""Files on their way."""\n',
    "client/xpstore/_files/scan.py": "from xpstore import errors\n",
    "client/xpstore/_files/upload.py": "from . import scan\nfrom ..errors import Error\n",
    "client/xpstore/_wire/__init__.py": '"""What is said, and how."""\n',
    "client/xpstore/_wire/call.py": "import grpc\n\nfrom xpstore.v1 import x_pb2\n",
    "client/xpstore/v1/x_pb2.py": "from xpstore import artifact\n\n\ndef late():\n    import json\n" + "\n" * 500,
    "server/xpstore_server/__init__.py": '"""The server."""\n',
    "server/xpstore_server/app.py": "from xpstore_server.core import rule\nfrom xpstore._wire import call\n",
    "server/xpstore_server/core/rule.py": "def late():\n    import json  # here, as it is slow\n",
    "server/xpstore_server/store/migrations/a.py": "\n" * 401,
    "tests/test_long.py": "\n" * 400,
    "docs/architecture.md": PLACE,
}
FIGURE = """\
 3  __init__  -> artifact
 2  artifact  -> _files/
 1  _files/   -> errors
 0  _wire/
    errors
"""

Tree = Callable[[dict[str, str]], Path]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Writes the sound tree with other files, and its figure where one can be made."""

    def write(files: dict[str, str]) -> Path:
        for name, text in {**SOUND, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        house(tmp_path, "--write")
        return tmp_path

    return write


def house(root: Path, *options: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, HOUSE, *options, root], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def faults(root: Path) -> list[str]:
    code, shown = house(root)
    *found, count = shown.splitlines()
    assert code == 1
    assert count == f"scripts/house: {len(found)} faults"
    return found


def test_a_sound_tree_passes(tree: Tree) -> None:
    code, shown = house(tree({}))
    assert (code, shown.count("\n")) == (0, 1), shown
    assert shown.startswith("scripts/house: 12 files, 9 arrows, 0 circles of files or of the 9 packages")


def test_the_figure_is_written_between_its_marks_and_compared(tree: Tree) -> None:
    root = tree({})
    page = root / "docs" / "architecture.md"
    assert house(root, "--figure") == (0, FIGURE)
    begin, end = PLACE.splitlines()[2:4]
    assert f"{begin}\n```text\n{FIGURE}```\n{end}\n\nThe rest.\n" in page.read_text()

    (root / "client/xpstore/_wire/call.py").write_text("from xpstore import errors\n")
    (fault,) = faults(root)
    assert fault.startswith("docs/architecture.md:3: the figure is not what the imports give. Run `make figure`")
    house(root, "--write")
    assert house(root)[0] == 0

    page.write_text("# Architecture\n")
    assert "docs/architecture.md:1: has no place for the figure" in faults(root)[0]


@pytest.mark.parametrize(
    "back",
    [
        "from xpstore import artifact\n",
        "import xpstore.artifact\n",
        "from xpstore.artifact import Artifact\n",
        "from ..artifact import Artifact\n",
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from xpstore.artifact import Artifact\n",
        "class Scan:\n    async def scan(self):\n        from xpstore.artifact import save  # here: it is slow\n",
        "from xpstore import Artifact\n",
    ],
    ids=["module", "dotted", "name", "relative", "for types", "in a function", "by the root"],
)
def test_a_circle_of_files_fails(tree: Tree, back: str) -> None:
    (fault,) = faults(tree({"client/xpstore/_files/scan.py": back}))
    circle = "files import each other in a circle; a shortest: "
    assert circle in fault
    line = next(number for number, text in enumerate(back.splitlines(), 1) if "rtifact" in text)
    assert f"client/xpstore/_files/scan.py:{line} imports xpstore" in fault
    assert "client/xpstore/artifact.py:2 imports xpstore._files.scan" in fault


def test_a_circle_of_packages_without_one_of_files_fails(tree: Tree) -> None:
    root = tree(
        {
            "client/xpstore/_wire/address.py": "",
            "client/xpstore/_wire/call.py": "from xpstore._files import scan\n",
            "client/xpstore/_files/upload.py": "from xpstore._wire import address\n",
        }
    )
    (fault,) = faults(root)
    assert fault.startswith("client/xpstore/_files/upload.py:1: 2 packages import each other in a circle; a shortest: ")
    assert (
        "upload.py:1 imports xpstore._wire.address, client/xpstore/_wire/call.py:1 imports xpstore._files.scan."
        in fault
    )
    assert house(root, "--figure")[0] == 1


@pytest.mark.parametrize("words", ["", "  # noqa: PLC0415", "  # type: ignore[import-untyped]"])
def test_an_import_in_a_function_that_does_not_say_why_fails(tree: Tree, words: str) -> None:
    (fault,) = faults(
        tree({"server/xpstore_server/core/rule.py": f"def late():\n    # slow\n    import json{words}\n"})
    )
    assert fault.startswith("server/xpstore_server/core/rule.py:3: an import inside a function does not say why.")


@pytest.mark.parametrize(
    "late",
    [
        "    import json  # here, as it is slow\n",
        "    from json import (  # here, as it is slow\n        dumps,\n    )\n",
        "    # Here, as it is slow.\n    from json import (\n        dumps,\n    )\n",
        "    import numpy  # type: ignore  # may be missing\n",
    ],
)
def test_an_import_in_a_function_that_says_why_passes(tree: Tree, late: str) -> None:
    code, shown = house(tree({"server/xpstore_server/core/rule.py": f"def late():\n{late}"}))
    assert code == 0, shown


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ('"""Files."""\n\nfrom xpstore._files import scan\n', ":3: the head of a package imports"),
        ('"""Files."""\n\nimport os\n', ":3: the head of a package imports"),
        ("", ":1: has no docstring of one sentence"),
        ('"""Files. And folders."""\n', ":1: has no docstring of one sentence"),
        ('"""Files.\n\nand folders.\n"""\n', ":1: has no docstring of one sentence"),
    ],
)
def test_the_head_of_a_package_is_one_sentence(tree: Tree, head: str, said: str) -> None:
    (fault,) = faults(tree({"client/xpstore/_files/__init__.py": head}))
    assert fault.startswith(f"client/xpstore/_files/__init__.py{said}")


def test_a_package_without_a_head_fails(tree: Tree) -> None:
    (fault,) = faults(tree({"client/xpstore/_new/thing.py": ""}))
    assert fault.startswith("client/xpstore/_new/__init__.py:1: has no docstring of one sentence")


def test_a_file_of_401_lines_fails(tree: Tree) -> None:
    (fault,) = faults(tree({"tests/test_long.py": "\n" * 401}))
    assert fault.startswith("tests/test_long.py:401: the file has 401 lines, 400 at most.")


def test_a_folder_of_31_files_fails(tree: Tree) -> None:
    root = tree({f"bench/speed/step_{number}.py": "" for number in range(30)})
    assert house(root)[0] == 0
    (root / "bench/speed/step_30.py").touch()
    (fault,) = faults(root)
    assert fault.startswith("bench/speed:1: the folder has 31 Python files, 30 at most.")
