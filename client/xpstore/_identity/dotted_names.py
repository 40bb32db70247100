"""What names lead to through modules: own ones are followed, of libraries the name counts while it is theirs."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection, Iterable
from types import FunctionType, ModuleType
from typing import Any

from xpstore._identity.functions import MISSING, module_of_code
from xpstore._identity.ownership import Border, canonical
from xpstore._identity.references import Chain, Import
from xpstore._identity.watches import Watches

MOCKS = ("unittest.mock", "mock")


class DottedNames:
    """Follows names.

    Args:
        border: between own code and libraries.
        watches: notes what was looked at.
        add: follows what a name leads to; says what it is.
    """

    def __init__(self, border: Border, watches: Watches, add: Callable[[Any, str], str]) -> None:
        self._border = border
        self._watches = watches
        self._add = add

    def attribute(self, value: Any, label: str, names: Collection[str]) -> str:
        """Follows dotted names through modules: what an attribute of anything else is, its class says."""
        of_library = ""
        for name in names:
            if not isinstance(value, ModuleType):
                break
            is_own = self._border.is_own(value.__name__)
            label = self._border.name(value.__name__, name)
            of_library = "" if is_own else f"{canonical(value.__name__)}.{name}"
            value = self._watches.attribute(value, name)
        if value is MISSING:
            return "undefined"
        return f"library {of_library}" if of_library and not self._is_put_there(value) else self._add(value, label)

    def _is_put_there(self, value: Any) -> bool:
        """Whether what stands in a library is not of it: own code, or a mock."""
        if type(value).__module__ in MOCKS:
            return True
        function = inspect.unwrap(value) if isinstance(value, FunctionType) else value
        if isinstance(function, FunctionType):
            return self._border.is_own(module_of_code(function))
        return isinstance(value, type) and (self._border.is_own(value.__module__) or bool(self.patches(value)))

    def patches(self, cls: type) -> list[tuple[str, FunctionType]]:
        """The functions of own code in a class of a library."""
        self._watches.class_(cls)
        functions = [(key, one) for key, one in vars(cls).items() if isinstance(one, FunctionType)]
        own = {module: self._border.is_own(module) for module in {module_of_code(one) for _, one in functions}}
        return sorted((key, one) for key, one in functions if own[module_of_code(one)])

    def imported(self, one: Import, module: dict[str, Any], names: Chain) -> str:
        """Follows what an import inside a function binds. No library is imported for it."""
        package = module.get("__package__") or str(module.get("__name__", "")).rpartition(".")[0]
        prefix = "." * one.level
        try:
            load, bound = (importlib.util.resolve_name(prefix + name, package) for name in (one.load, one.bound))
        except ImportError:
            return "undefined"
        path = [one.attribute, *names] if one.attribute else [*names]
        if not self._border.is_own(load):
            # The same words whether it is loaded by now or not.
            found = self._loaded(bound, path)
            return self._add(found, bound) if self._is_put_there(found) else f"import {'.'.join((bound, *path))}"
        try:
            importlib.import_module(load)
            self._watches.read(sys.modules, load)
            value: Any = self._watches.read(sys.modules, bound)
            if one.attribute and not hasattr(value, one.attribute):
                self._watches.is_complete = False
                return self.attribute(importlib.import_module(f"{load}.{one.attribute}"), bound, names)
        except ImportError:
            self._watches.is_complete = False
            return "undefined"
        return self.attribute(value, bound, path)

    def _loaded(self, module: str, names: Iterable[str]) -> Any:
        """What dotted names lead to through modules, so far as that is loaded."""
        value = self._watches.read(sys.modules, module)
        for name in names:
            if not isinstance(value, ModuleType):
                break
            value = self._watches.read(vars(value), name)
        return value
