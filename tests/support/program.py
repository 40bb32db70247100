"""A program whose code is edited: its package, imported anew after each edit."""

import importlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from xpstore._identity.process import Process, identify

PROGRAM = {
    "__init__": "",
    "consts": "LOW = 1\nHIGH = 9\n",
    "deep": """
        SCALE = [1, 2, 3]

        def deepest(x):
            return x + SCALE[0]

        def unused(x):
            return x
        """,
    "helpers": '''
        import functools
        from . import deep

        def prepare(x):
            """Prepares."""
            return deep.deepest(x) * 2

        def via_module(x):
            return x - 1

        def times(k):
            def decorate(function):
                @functools.wraps(function)
                def wrapper(*args, **kwargs):
                    return function(*args, **kwargs) * k
                return wrapper
            return decorate

        @times(3)
        def decorated(x):
            return x + 10

        @functools.lru_cache(maxsize=None)
        def remembered(x):
            return x + 20

        def lazy(x):
            return x + 30

        def relu(x):
            return max(x, 0)

        TABLE = {"relu": relu}

        def power(x, n):
            return x ** n

        square = functools.partial(power, n=2)
        ''',
    "model": """
        import enum
        from dataclasses import dataclass, field
        from typing import ClassVar

        class Root:
            def depth(self):
                return 1

        class Model(Root):
            layers = 3

            @staticmethod
            def width():
                return 4

            @property
            def size(self):
                return self.layers * self.width()

        @dataclass
        class Config:
            lr: float = 0.1
            steps: list = field(default_factory=list)

        class Color(enum.Enum):
            RED = 1

        DEFAULT = Config(lr=0.5)
        """,
    "job": '''
        """Training."""
        import logging
        import math
        import numpy as np
        from . import helpers
        from .consts import LOW as first, HIGH as second
        from .helpers import TABLE, decorated, prepare, remembered, square
        from .model import DEFAULT, Color, Config, Model

        RATE = 0.5
        WEIGHTS = np.arange(3)
        log = logging.getLogger(__name__)

        def again(n):
            return n and once(n - 1)

        def once(n):
            return again(n)

        def make(offset):
            def inner(x):
                return x + offset
            return inner

        shifted = make(7)

        async def waited(x):
            return x

        def f(x: int, y: int = 2, *, z: float = 1.5) -> float:
            """Computes."""
            from .helpers import lazy as late
            total = prepare(x) + helpers.via_module(x) + decorated(x) + remembered(x) + late(x)
            total += square(x) + TABLE["relu"](x) + shifted(x) + again(1) - first + second
            log.info("total %s", total)
            values = [item * RATE for item in range(3) if (half := item / 2) > -0.0]
            config = Config(lr=y)
            match x:
                case 0 | 1 if y:
                    total += 1
                case [a, *rest]:
                    total += 2
            def nested(b: int = 4) -> str:
                nonlocal total
                total += b
                return f"{total!r:>{y}} of {math.pi:.2f}"
            return total + sum(values) + Model().size + config.lr + DEFAULT.lr + z + len(nested()) + WEIGHTS[0] \
                + Color.RED.value
        ''',
}


class Program:
    """A package in a folder, imported anew after each edit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "lab"
        self.folder.mkdir()
        for module, text in PROGRAM.items():
            self.path(module).write_text(textwrap.dedent(text).lstrip())

    def path(self, module: str) -> Path:
        return self.folder / f"{module}.py"

    def edit(self, module: str, old: str, new: str) -> None:
        text = self.path(module).read_text()
        assert old in text
        self.path(module).write_text(text.replace(old, new, 1))

    def load(self, module: str = "job") -> Any:
        for name in [name for name in sys.modules if name.partition(".")[0] == "lab"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        return importlib.import_module(f"lab.{module}")

    def write(self, text: str, module: str = "own") -> Any:
        self.path(module).write_text(textwrap.dedent(text))
        return self.load(module)

    def identify(self) -> Process:
        return identify(self.load().f)


def differing(one: Process, other: Process) -> set[str]:
    """The names of parts that are not in both, or not the same."""
    parts = [{(part.kind, part.name): part.fingerprint for part in process.parts} for process in (one, other)]
    return {
        name
        for kind, name in parts[0].keys() | parts[1].keys()
        if parts[0].get((kind, name)) != parts[1].get((kind, name))
    }


def run_python(folder: Path, *command: str, **environment: str) -> str:
    path = os.pathsep.join([str(folder), *(entry for entry in sys.path if entry)])
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
