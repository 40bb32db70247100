"""A cached function by the name of its module, or by the file of a script, as one would write it in a shell."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from xpstore.cached_function import AsyncCachedFunction, CachedFunction
from xpstore.errors import InvalidArgument

FUNCTIONS = (CachedFunction, AsyncCachedFunction)


def find_function(reference: str) -> Any:
    """The cached function of "module:function" or "script.py:function", whose module or script is run for it.

    What a script has is of `__main__`, as when it is run itself; `if __name__ == "__main__":` is not.

    Raises:
        InvalidArgument: it cannot be loaded, or there is no such cached function.
    """
    where, _, name = reference.rpartition(":")
    module = _load(where)
    function: Any = module
    for part in name.split("."):
        function = getattr(function, part, None)
    if isinstance(function, FUNCTIONS):
        return function
    known = ", ".join(key for key, value in vars(module).items() if isinstance(value, FUNCTIONS)) or "none"
    if function is None:
        raise InvalidArgument(f"{where} has no {name}. Its cached functions: {known}")
    raise InvalidArgument(f"{reference} is not cached: decorate it with @cached. Cached functions of {where}: {known}")


def _load(where: str) -> ModuleType:
    try:
        return _run_script(Path(where)) if where.endswith(".py") else _import(where)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == where:
            cure = "call this where the program is run, or name its .py file"
            raise InvalidArgument(f"there is no module {where} here: {cure}") from None
        raise InvalidArgument(f"loading {where} raised {type(error).__name__}: {error}") from error
    except SystemExit:
        cure = 'put what the program does under `if __name__ == "__main__":`'
        raise InvalidArgument(f"{where} ends the program when it is loaded: {cure}") from None


def _import(name: str) -> ModuleType:
    sys.path.insert(0, os.getcwd())
    return importlib.import_module(name)


def _run_script(path: Path) -> ModuleType:
    """As processes do that multiprocessing spawns from it."""
    spec = importlib.util.spec_from_file_location("__mp_main__", path.resolve())
    assert spec is not None and spec.loader is not None  # the ending says that it is Python
    module = importlib.util.module_from_spec(spec)
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    sys.path.insert(0, str(path.resolve().parent))
    spec.loader.exec_module(module)
    return module
