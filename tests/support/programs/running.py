"""A warm process that runs versions of programs, each in a fork of its own.

    python -m support.programs.running MODULE...

It reads a JSON object a line and answers with one, as `run` says.
"""

import ast
import gc
import importlib
import json
import linecache
import os
import select
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from support.programs.random_program import DATA, MODULE, Version

PATIENCE_SECONDS = 30
# Without threads of numpy, as a fork is warned of them, and without compiled files, which would be of other versions.
QUIET = {"OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
WARM = ["numpy", "dataclasses", "enum", "zoneinfo", "support.programs.keys"]
Json = dict[str, Any]


class Warm:
    """A process that has imported what programs use; its children are programs, of its hash seed."""

    def __init__(self, hash_seed: int, *modules: str) -> None:
        """Imports modules beside those that all programs use."""
        tests = Path(__file__).parents[2]
        path = os.pathsep.join([str(tests), *(entry for entry in sys.path if entry)])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.programs.running", *WARM, *modules],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": str(hash_seed), **QUIET},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, version: Version, folder: Path, service: Json | None = None) -> Json:
        """Runs a version in a folder.

        Args:
            version: what is run.
            folder: where its files are written.
            service: `address`, `api_key` and `project` to make the cached call too.

        Returns:
            `key` or what `raised` in its place; `value` as text, computed without a cache; `hit`, the value of the
            cached call, if there was a service; or `broken`: the program itself does not run.
        """
        return self._ask({**asdict(version), "folder": str(folder), "service": service})

    def steps(self, version: Version, steps: list[str], folder: Path, service: Json) -> list[str]:
        """Runs a version, then expressions and statements in its namespace, with a project entered.

        Returns:
            What each expression gives, as text; or what it raised.
        """
        answer = self._ask({**asdict(version), "folder": str(folder), "service": service, "steps": steps})
        if "broken" in answer:
            raise RuntimeError(answer["broken"])
        values: list[str] = answer["values"]
        return values

    def _ask(self, request: Json) -> Json:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: Json = json.loads(self._process.stdout.readline())
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_SECONDS)
        self._process.stdout.close()


def _module(request: Json) -> Json:
    return vars(importlib.import_module(MODULE))


def _main(request: Json) -> Json:
    main = _new_main()
    path = Path(request["folder"], f"{MODULE}.py")
    main.__file__ = str(path)
    exec(compile(path.read_text(), str(path), "exec"), vars(main))
    return vars(main)


def _cells(request: Json) -> Json:
    """Each item is a cell, each statement compiled alone, as IPython does."""
    main = _new_main()
    for number, cell in enumerate(request["files"][f"{MODULE}.py"].split("# " + "-" * 20 + "\n")):
        run_cell(cell, number, vars(main))
    return vars(main)


def _cell(request: Json) -> Json:
    """One cell with all, compiled at once."""
    main = _new_main()
    run_cell(request["files"][f"{MODULE}.py"], 1, vars(main), is_whole=True)
    return vars(main)


def _prompt(request: Json) -> Json:
    """Without any source."""
    main = _new_main()
    exec(request["files"][f"{MODULE}.py"], vars(main))
    return vars(main)


MODES = {"module": _module, "main": _main, "cells": _cells, "cell": _cell, "prompt": _prompt}


def run_cell(text: str, number: int, namespace: Json, *, is_whole: bool = False) -> None:
    """Executes a cell as IPython does: its text is in `linecache`, each statement is compiled by itself."""
    name = f"/tmp/ipykernel_{os.getpid()}/{number}.py"  # there is no such file
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    tree = ast.parse(text, name)
    parts = [tree.body] if is_whole else [[node] for node in tree.body]
    for part in parts:
        exec(compile(ast.Module(part, []), name, "exec"), namespace)


def _new_main() -> ModuleType:
    main = ModuleType("__main__")
    sys.modules["__main__"] = main
    return main


def _write(files: dict[str, str]) -> None:
    for name, text in {**DATA, **files}.items():
        Path(name).write_text(text)


def _observe(request: Json) -> Json:
    from support.programs.keys import anew, key_of, value_of  # here, as the parent of all needs no more than texts

    os.chdir(request["folder"])
    _write(request["files"])
    sys.path.insert(0, request["folder"])
    try:
        namespace = MODES[request["mode"]](request)
        if request["then"]:
            _write(request["then"])
        if "steps" in request:
            with _project(request["service"]):
                return {"values": [_step(step, namespace) for step in request["steps"]]}
        entry, arguments = eval(request["entry"], namespace), eval(request["arguments"], namespace)
        if request["patch"]:
            key_of(entry, arguments)
            exec(request["patch"], namespace)
            arguments = eval(request["arguments"], namespace)
    except Exception:
        return {"broken": traceback.format_exc()}
    answer = key_of(entry, arguments)
    if request["is_kept"] and answer != key_of(anew(entry), arguments):
        return {"raised": "what was kept of the function is not what it is"}
    if request["service"]:
        answer |= _cached_call(request, entry, arguments)
    try:
        return answer | {"value": value_of(entry, arguments)}
    except Exception:
        return answer | {"broken": traceback.format_exc()}


def _step(step: str, namespace: Json) -> str:
    try:
        return repr(eval(compile(step, "<string>", "eval"), namespace))
    except SyntaxError:
        exec(step, namespace)
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _cached_call(request: Json, entry: Any, arguments: Any) -> Json:
    try:
        with _project(request["service"]):
            return {"hit": repr(entry(*arguments))}
    except Exception as error:
        return {"raised": f"{type(error).__name__}: {error}"}


@contextmanager
def _project(service: Json) -> Iterator[None]:
    import xpstore  # here, as the parent of all needs it not

    client = xpstore.init(service["api_key"], service["address"])
    try:
        with xpstore.Project(id=service["project"], name="programs"):
            yield
    finally:
        client.close()


def _in_child(request: Json) -> str:
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        os.dup2(2, 1)  # what a program prints is no answer
        try:
            answer = _observe(request) | {"imported": [name for name in sys.modules if name.startswith("xpstore")]}
        except BaseException:
            answer = {"broken": traceback.format_exc()}
        with os.fdopen(writing, "w") as pipe:
            pipe.write(json.dumps(answer))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        ready, _, _ = select.select([pipe], [], [], PATIENCE_SECONDS)
        text = pipe.read() if ready else ""
    if not ready:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return text or json.dumps({"broken": f"the process ended with {status}"})


def main() -> None:
    for module in sys.argv[1:]:
        importlib.import_module(module)
    gc.disable()  # else a child copies all that it never uses
    gc.freeze()
    for line in sys.stdin:
        answer = json.loads(_in_child(json.loads(line)))
        print(json.dumps(answer), flush=True)
        # What the client imports when it needs it, the next child finds: it is half of what a call costs there.
        for module in answer.get("imported", ()):
            importlib.import_module(module)


if __name__ == "__main__":
    main()
