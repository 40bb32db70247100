"""Where code is read from: what cannot be seen is refused, and scripts, notebooks and modules are read alike."""

import ast
import gc
import json
import linecache
import re
from pathlib import Path

import pytest

from support.program import Program, run_python
from xpstore._identity import forms
from xpstore._identity.process import Doubt, identify

UNSEEN = [
    ("from math import sqrt as f", r"math.sqrt, whose code cannot be seen: declare `version=`"),
    ("ALL = iter([])\ndef f(x):\n    return ALL", r"ALL: .*declare `version=`"),
    ("from lab import spent\ndef f(x):\n    return spent.ALL", r"lab.spent.ALL: .*declare `version=`"),
    ("def f(x, every=iter([])):\n    return x", r"f\(every\): .*declare `version=`"),
    ("from unittest import mock\ng = mock.Mock()\ndef f(x):\n    return g(x)", r"g is a Mock, which may do anything"),
    ("from unittest import mock\nG = [mock.Mock()]\ndef f(x):\n    return G[0](x)", r"a Mock may do anything"),
]


@pytest.mark.parametrize(("text", "message"), UNSEEN, ids=range(len(UNSEEN)))
def test_what_cannot_be_seen_is_doubt_that_names_it(program: Program, text: str, message: str) -> None:
    program.path("spent").write_text("ALL = iter([])\n")
    own = program.write(text)
    with pytest.raises(Doubt, match=message):
        identify(own.f)
    assert identify(own.f, name="f", version=1).parts


SEEN = [
    ("f = lambda x: x", "x: x", "x: -x"),
    ("f, g = lambda x: x, lambda x: -x", "f, g", "g, f"),
    ("def f(x, key=lambda y: y):\n    return x", "y: y", "y: -y"),
    ("exec('def f(x):\\n    return x')", "return x", "return -x"),
    ("C = type('C', (), {'k': 1})\ndef f(x):\n    return C().k", "'k': 1", "'k': 2"),
    ("class C: k = 1\nclass C: k = 2\ndef f(x):\n    return C().k", "k = 2", "k = 3"),
    ("import collections\nC = collections.namedtuple('C', 'a b')\ndef f(x):\n    return C", "a b", "b a"),
    ("def f(x):\n    return x\nf.k = 1", "f.k = 1", "f.k = 2"),
    ("class C: pass\nC.k = 1\ndef f(x):\n    return C.k", "C.k = 1", "C.k = 2"),
]


@pytest.mark.parametrize(("text", "old", "new"), SEEN, ids=range(len(SEEN)))
def test_what_is_made_while_it_runs_counts(program: Program, text: str, old: str, new: str) -> None:
    before = identify(program.write(text).f)
    assert identify(program.write(text).f) == before
    assert identify(program.write(text.replace(old, new)).f) != before


def test_a_default_of_an_ignored_parameter_does_not_count(program: Program) -> None:
    own = program.write("def f(x, every=iter([])):\n    return x")
    assert [part.name for part in identify(own.f, ignore=["every"]).parts] == ["f"]


def test_a_file_edited_after_the_import_counts_as_it_runs(program: Program) -> None:
    of_class = "class C:\n    def g(self):\n        return 1\n\n\ndef f(x):\n    return C().g()\n"
    for text in ("def f(x):\n    return x + 1, 'of a file that is edited'\n", of_class):
        own = program.write(text)
        program.path("own").write_text(text.replace("1", "2"))
        before = identify(own.f)
        assert identify(own.f) == before != identify(program.load("own").f)
        assert text == of_class or "bytecode of Python" in before.parts[0].text


def test_an_edit_elsewhere_in_the_file_is_no_obstacle(program: Program) -> None:
    own = program.write("def f(x):\n    return x + 1\n")
    program.path("own").write_text("import json\n\n\ndef g(x):\n    return x\n\n\ndef f(x):\n    return x + 1\n")
    linecache.clearcache()
    assert identify(own.f) == identify(program.load("own").f)


# Scripts, notebooks and the processes they start

SCRIPT = """
from dataclasses import dataclass

FACTOR = 3


@dataclass
class Config:
    lr: float

    def half(self):
        return self.lr / 2


def helper(x):
    return x * FACTOR


def compute(x, config=Config(0.1)):
    return helper(x) + config.half()
"""
REPORT = """
def report():
    import json
    from xpstore._identity.values import fingerprint_process
    from xpstore._identity.process import identify
    process = identify(compute)
    return json.dumps([process.name, bool(process.caution), fingerprint_process(process.name, process.parts)])
"""


def test_a_script_a_notebook_and_a_spawned_process_share_a_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT + REPORT + "\nif __name__ == '__main__':\n    print(report())\n")
    of_script = json.loads(run_python(tmp_path, str(script)))
    assert of_script[:2] == ["compute", True]

    notebook = tmp_path / "notebook.py"  # runs cells as IPython does: with their text in linecache
    notebook.write_text(
        f"cells = {[*re.split(chr(10) * 3, SCRIPT), REPORT]!r}\n"
        "import linecache\n"
        "for number, cell in enumerate(cells):\n"
        "    name = f'/tmp/ipykernel_1/{number}.py'\n"
        "    linecache.cache[name] = len(cell), None, cell.splitlines(True), name\n"
        "    exec(compile(cell, name, 'exec'), globals())\n"
        "print(report())\n"
    )
    assert json.loads(run_python(tmp_path, str(notebook))) == of_script

    spawning = tmp_path / "spawning.py"
    spawning.write_text(
        SCRIPT
        + REPORT
        + "\nif __name__ == '__main__':\n"
        + "    import multiprocessing\n"
        + "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        + "        print(pool.apply(report))\n"
    )
    assert json.loads(run_python(tmp_path, str(spawning))) == of_script

    module = tmp_path / "module.py"
    plain = SCRIPT.replace("Config(0.1)", "None")  # the name of an object's class has its module in it
    module.write_text(plain)
    named = "from xpstore._identity.process import identify; "
    named += "print([part.fingerprint for part in identify({}, name='compute').parts])"
    of_module = run_python(tmp_path, "-c", f"from module import compute; {named.format('compute')}")
    script.write_text(plain + "\n" + named.format("compute"))
    assert run_python(tmp_path, str(script)) == of_module


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "process.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "example.py").write_text(example)
    shown = run_python(tmp_path, str(tmp_path / "example.py"))
    assert shown.splitlines() == ["CODE prepare", "CODE scale", "VALUE RATE", "VALUE prepare(n)"]


def test_text_is_parsed_although_the_garbage_collector_parses_another() -> None:
    """As it may in threads: Python 3.11 then raises SystemError (python/cpython#106905)."""
    parsed: list[object] = []

    def callback(*_: object) -> None:
        if len(parsed) < 5:
            parsed.append(ast.parse("x + y"))

    gc.callbacks.append(callback)
    try:
        assert set(forms._definitions("def f():\n    return [g(x) for x in range(3)]\n" * 50)) == {"f"}
    finally:
        gc.callbacks.remove(callback)
    assert parsed
