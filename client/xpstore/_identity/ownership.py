"""Which code is the user's own, and is followed, and which is a library's, of which only the name counts."""

import functools
import importlib.util
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

_LIBRARY_FOLDERS = {"site-packages", "dist-packages"}
_MAIN = ("__main__", "__mp_main__")  # the second in processes that multiprocessing spawned


def canonical(module: str) -> str:
    """The name of a module, which is `__main__` in spawned processes too."""
    return "__main__" if module == "__mp_main__" else module


def top_level(module: str) -> str:
    """The package that a module is of; that of `python -m package.job` is the package."""
    if module in _MAIN:
        spec = getattr(sys.modules.get("__main__"), "__spec__", None)
        module = spec.name if spec is not None and "." in spec.name else "__main__"
    return module.partition(".")[0]


def is_local(module: str) -> bool:
    """Returns whether a module is neither of the standard library nor installed: its code may change any time."""
    if module in _MAIN:
        return True
    top = module.partition(".")[0]
    if top == "xpstore":
        return False
    loaded = sys.modules.get(module) or sys.modules.get(top)
    file = _file_of_package(top) if loaded is None else _file(loaded)
    return file is not None and not _is_library(file)


def _file(module: ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    return file if file is not None else next(iter(getattr(module, "__path__", ())), None)


@functools.lru_cache(maxsize=256)
def _file_of_package(name: str) -> str | None:
    """Where an import would find it, without the import."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    return spec.origin if spec.has_location else next(iter(spec.submodule_search_locations or ()), None)


@functools.lru_cache(maxsize=4096)
def _is_library(file: str) -> bool:
    path = Path(file).absolute()
    folders = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    return bool(_LIBRARY_FOLDERS & {*path.parts}) or any(path.is_relative_to(folder) for folder in folders)


def home_of(value: Any) -> str:
    """The module that a function, class or object says it is of."""
    module = getattr(value, "__module__", None)
    return str(module or type(value).__module__)


def full_name(value: Any) -> str:
    """A qualified name with its module."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None) or type(value).__qualname__
    return f"{canonical(home_of(value))}.{name}"


def follow(found: Any, names: Iterable[str]) -> Any:
    """What dotted names lead to, None if nowhere."""
    for name in names:
        found = getattr(found, name, None)
    return found


def is_importable(value: Any) -> bool:
    """Returns whether its module has it under its own name, so that the name says what it is."""
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None) or "?"
    return follow(sys.modules.get(home_of(value)), name.split(".")) is value


def is_hidden(cls: type) -> bool:
    """Whether a class is Python's own, in C, though no module has it under its name: the type of a generator, say."""
    return cls.__module__ == "builtins" and not cls.__flags__ & 0x200  # Py_TPFLAGS_HEAPTYPE: not made by a program


class Border:
    """The border between own code and libraries, as one process sees it.

    Attributes:
        module: where the function is of that all is about.
    """

    def __init__(self, module: str, package: str) -> None:
        self.module = canonical(module)
        self._package = package

    def is_own(self, module: str) -> bool:
        """Whether code of a module is followed."""
        return top_level(module) == self._package or is_local(module)

    def is_own_class(self, cls: type) -> bool:
        """Of own code; or its name does not lead to it, so that it was made by a call."""
        return self.is_own(cls.__module__) or not (is_importable(cls) or is_hidden(cls))

    def name(self, module: str, name: str) -> str:
        """Names of the function's own module go without it: code of a notebook may stand in a module elsewhere."""
        return name if canonical(module) == self.module else f"{canonical(module)}.{name}"
