"""What the result of a function depends on besides its arguments: its code, what that reaches, values they refer to.

Live objects are walked: the code that is in memory, what its names are bound to now, what classes consist of now. What
cannot be seen is doubt, an InvalidArgument that names it: a call is then computed and not cached.
"""

import builtins
import functools
import inspect
import logging
import operator
from collections import deque
from collections.abc import Callable, Collection, Iterable
from types import BuiltinFunctionType, FunctionType, GenericAlias, MethodType, ModuleType, UnionType
from typing import Any

from xpstore._identity.classes import class_around, members, text_of
from xpstore._identity.describe import describe
from xpstore._identity.dotted_names import MOCKS, DottedNames
from xpstore._identity.forms import form_of
from xpstore._identity.functions import (
    MISSING,
    bound_arguments,
    contents,
    defaults,
    label,
    made_by,
    module_of_code,
)
from xpstore._identity.ownership import Border, canonical, full_name, home_of, is_importable, top_level
from xpstore._identity.parts import SCALARS, Parts, digest_of
from xpstore._identity.readings import Readings
from xpstore._identity.references import references_of
from xpstore._identity.values import Part, PartKind, fingerprint_plain
from xpstore._identity.watches import Watches
from xpstore.errors import InvalidArgument

CURE = "declare `version=`"

# What a module says about itself; it differs between a script and the same code in a module.
_OF_THE_MODULE = {f"__{name}__" for name in ("name", "file", "doc", "spec", "package", "loader", "builtins", "class")}
# What the library keeps on a wrapper.
_OF_WRAPPERS = frozenset({"register", "dispatch", "registry", "_clear_cache", "cache_parameters"})

Bindings = list[tuple[str, str]]


def refuse_mock(value: Any) -> None:
    """Raises InvalidArgument for what may do anything."""
    if type(value).__module__ in MOCKS:
        raise InvalidArgument(f"a {type(value).__name__} may do anything: {CURE}")


class Dependencies:
    """Follows functions to all that their results depend on.

    Args:
        border: between own code, which is followed, and libraries.

    Attributes:
        parts: what was met.
        watches: what was looked at for it.
    """

    def __init__(self, border: Border) -> None:
        self.parts = Parts()
        self._border = border
        self._targets: dict[int, str] = {}  # of functions and classes, also of those under way: recursion ends
        self._values: dict[tuple[str, int], str] = {}
        self._root: Any = None
        self._ignore = frozenset[str]()
        self._alive: list[Any] = []  # else an id might be given again
        self._classes: list[type] = []
        self._readings = Readings()
        self._pending = deque[Callable[[], None]]()  # a chain of calls may be longer than Python's own stack
        self.watches = Watches()
        self._names = DottedNames(self._border, self.watches, self.add)

    def add(self, value: Any, name: str) -> str:
        """Follows what is called `name`. Returns what it is, in words that tell it from all else that was met.

        Raises:
            InvalidArgument: something that it depends on cannot be seen.
        """
        if type(value) in SCALARS:
            return self._add_value(value, name)
        known = self._targets.get(id(value))
        if known is not None:
            return known
        if type(value).__module__ in MOCKS:
            raise InvalidArgument(f"{name} is a {type(value).__name__}, which may do anything: {CURE}")
        if isinstance(value, ModuleType):
            return self._add_module(value)
        if isinstance(value, type):
            return self._add_class(value) if self._border.is_own_class(value) else self._add_library_class(value)
        if isinstance(value, FunctionType) and self._border.is_own(module_of_code(value)):
            return self._add_function(value)
        if isinstance(value, MethodType):
            return f"{self.add(value.__func__, name)} of {self.add(value.__self__, f'{name}.__self__')}"
        if isinstance(value, functools.partial):
            self.watches.mapping(value.keywords)
            self.watches.mapping(vars(value))
            held = [*bound_arguments(value), *((f".{key}", item) for key, item in sorted(vars(value).items()))]
            bound = {key: self.add(item, f"{name}({key})") for key, item in held}
            return f"partial {self.add(value.func, name)} {bound}"
        if isinstance(value, logging.Logger):
            return "logger"  # computes nothing
        if isinstance(value, GenericAlias | UnionType | inspect.Signature) or type(value).__module__ == "typing":
            return f"type {text_of(value)}"
        if callable(value) and not hasattr(type(value), "__fingerprint__"):
            return self._add_callable(value, name)
        return self._add_value(value, name)

    def add_root(self, function: Any, name: str, ignore: Collection[str]) -> None:
        """Follows the function that all is about. The defaults of the parameters in `ignore` do not count.

        Raises:
            InvalidArgument: as for `add`; or its code itself cannot be seen.
        """
        self._root, self._ignore = inspect.unwrap(function), frozenset(ignore)
        target = self.add(function, name)
        self._follow_pending()
        seen = {part.kind for part in self.parts.found} & {PartKind.CODE, PartKind.VERSION}
        if not seen and not hasattr(type(function), "__fingerprint__"):
            raise InvalidArgument(f"{name} is {target}, whose code cannot be seen: {CURE}")
        if not isinstance(function, FunctionType | type):  # what it is put together from, and how
            self.parts.add(PartKind.CODE, "()", fingerprint_plain(target), target)

    def add_versioned(self, function: Any, values: Iterable[tuple[str, Any]]) -> None:
        """The function that all is about, when a version stands for its code: what it is bound to counts.

        Raises:
            InvalidArgument: as for `add`.
        """
        self._remember(function, "version")
        bindings = [(name, self.add(value, name)) for name, value in values]
        self._follow_pending()
        if bindings:
            self.parts.add(
                PartKind.VALUE, "(bound)", fingerprint_plain(bindings), ", ".join(name for name, _ in bindings)
            )

    def finish(self) -> list[Part]:
        """Follows what only all of it together says. Returns the parts.

        Raises:
            InvalidArgument: as for `add`.
        """
        self._follow_pending()
        while self._readings.read_subclasses:
            known = len(self._classes)
            for cls in [*self._classes]:
                below: list[type] = sorted(type.__subclasses__(cls), key=full_name)
                names = [self.add(one, full_name(one)) for one in below if self._border.is_own_class(one)]
                if names:
                    self.parts.add(PartKind.CODE, f"(subclasses of {full_name(cls)})", fingerprint_plain(names), "")
            self._follow_pending()
            if len(self._classes) == known:
                break
        for name, digest in self._readings.found():
            self.parts.add(PartKind.CODE, name, digest, "the code reads them")
        if self._readings.read_any:  # of texts and subclasses nothing is watched
            self.watches.is_complete = False
        self._alive.clear()  # at once, as there may be large values among them
        return self.parts.folded(self._border.module)

    def _follow_pending(self) -> None:
        while self._pending:
            self._pending.popleft()()

    def _add_value(self, value: Any, name: str) -> str:
        key = (name, id(value))
        if key in self._values:
            return self._values[key]
        self._alive.append(value)
        if type(value) in SCALARS:
            self._values[key] = f"value {self.parts.add_scalar(name, value)}"
            return self._values[key]
        unique = self.parts.unique(PartKind.VALUE, name)
        self._values[key] = f"value {unique}"
        try:
            digest = self.watches.digest(value, name, self)
        except InvalidArgument as error:
            raise InvalidArgument(f"{error}. The code refers to it: make it an argument, or {CURE}") from error
        self.parts.found.append(Part(PartKind.VALUE, unique, digest, describe(value)))
        return self._values[key]

    def code(self, value: Any) -> str:
        """Functions inside a value, such as those of a table of functions, are followed too."""
        return fingerprint_plain(self.add(value, full_name(value)))

    def met(self, value: Any) -> None:
        """So are the classes of the objects inside it: their methods may be called."""
        refuse_mock(value)
        if not isinstance(value, type) and self._border.is_own_class(type(value)):
            self.add(type(value), full_name(type(value)))

    def _add_module(self, module: ModuleType) -> str:
        """A module as an object: whoever has it may take any name of it."""
        target = self._remember(module, f"module {canonical(module.__name__)}")
        if self._border.is_own(module.__name__):
            bindings = self._namespace(vars(module), canonical(module.__name__))
            self.parts.add(PartKind.CODE, f"{canonical(module.__name__)} (all)", fingerprint_plain(bindings), target)
        return target

    def _namespace(self, namespace: dict[str, Any], label: str) -> Bindings:
        self.watches.mapping(namespace)
        names = sorted(name for name in namespace if not name.startswith("__"))
        return [(name, self.add(namespace[name], f"{label}.{name}")) for name in names]

    def _add_callable(self, value: Any, name: str) -> str:
        """A callable that is no own function: of a library, made by a decorator, of C, or an object."""
        version = getattr(value, "declared_version", None)
        if isinstance(version, str):  # of a cached function: its code does not count
            return self._remember(value, self._add_version(full_name(value), version))
        if hasattr(value, "__wrapped__") and top_level(type(value).__module__) == "xpstore":
            return self.add(value.__wrapped__, name)  # caching what a function returns does not change it
        is_library = not self._border.is_own(home_of(value))
        if is_library and is_importable(value):
            return f"function {full_name(value)}"
        if hasattr(value, "__wrapped__") or (isinstance(value, FunctionType) and value.__closure__):
            return self._add_wrapper(value, name)
        if isinstance(value, FunctionType):
            # Of a library, and its name does not lead to it: what it is, is its code.
            self.watches.function(value)
            return self._remember(
                value, f"function {module_of_code(value)}.{value.__code__.co_qualname} {form_of(value).digest}"
            )
        if isinstance(value, BuiltinFunctionType):
            if not isinstance(value.__self__, ModuleType):
                return f"{value.__name__} of {self.add(value.__self__, f'{name}.__self__')}"
            raise InvalidArgument(f"{name} is the C function {full_name(value)}, whose code cannot be seen: {CURE}")
        try:
            return self._add_value(value, name)
        except InvalidArgument as error:
            what = f"a callable {full_name(type(value))}"
            raise InvalidArgument(f"{name} is {what}, whose state cannot be seen ({error})") from error

    def _add_version(self, name: str, version: str) -> str:
        unique = self.parts.add(PartKind.VERSION, name, fingerprint_plain(version), version)
        return f"version {unique}"

    def _add_wrapper(self, value: Any, name: str) -> str:
        """What a decorator made. If a library's says what it wraps, that alone counts; else what it holds does."""
        maker = made_by(value)
        target = self._remember(value, f"wrapper {maker}")
        wrapped = getattr(value, "__wrapped__", MISSING)
        if isinstance(value, FunctionType):
            self.watches.function(value)
        elif wrapped is vars(value).get("__wrapped__", MISSING):
            self.watches.mapping(vars(value))
        else:
            self.watches.is_complete = False
        if self._border.is_own(type(value).__module__):
            self.add(type(value), name)
            held = {key: item for key, item in vars(value).items() if not key.startswith("__")}
        elif wrapped is MISSING:
            held = dict(contents(value))
        else:
            held = dict(getattr(value, "registry", {}) if hasattr(value, "dispatch") else {})  # of singledispatch
            if held:
                self.watches.mapping(value.registry)
            if isinstance(value, FunctionType) or type(value).__module__ == "functools":  # what was set on it
                own = (key for key in vars(value) if key not in _OF_WRAPPERS and not key.startswith("__"))
                held |= {f".{key}": vars(value)[key] for key in own}
        held = dict(sorted(((label(key), item) for key, item in held.items()), key=operator.itemgetter(0)))
        bindings = [(key, self.add(item, f"{name}.{key}")) for key, item in held.items()]
        if wrapped is not MISSING:
            bindings.append(("__wrapped__", self.add(wrapped, name)))
        return self._remember(value, f"{target} {bindings}")

    def _add_function(self, function: FunctionType) -> str:
        name = self.parts.unique(
            PartKind.CODE, self._border.name(module_of_code(function), function.__code__.co_qualname)
        )
        self._pending.append(lambda: self.parts.found.append(Part(PartKind.CODE, name, *self._content(function, name))))
        return self._remember(function, f"code {name}")

    def _content(self, function: FunctionType, name: str) -> tuple[str, str]:
        """The digest of a function with all that its names are bound to, and the beginning of its text."""
        self.watches.function(function)
        form, references = form_of(function), references_of(function.__code__)
        bindings = self._bindings(function, name)
        for key, value in defaults(function):
            if function is self._root and key in self._ignore:
                continue
            bindings.append((f"{key}=", self.add(value, f"{name}({key})")))
        # What was set on it from outside, or by itself.
        held = {key: value for key, value in vars(function).items() if not key.startswith("__")}
        bindings += [(f".{key}", self.add(value, f"{name}.{key}")) for key, value in sorted(held.items())]
        cls = class_around(function, self.watches)
        if cls is not None and self._border.is_own_class(cls):  # what it calls on `self` cannot be seen
            bindings.append(("class", self.add(cls, name)))
        if hasattr(function, "__wrapped__"):
            bindings.append(("__wrapped__", self.add(function.__wrapped__, name)))
        if references.look_up_by_text:
            bindings += self._namespace(function.__globals__, self._border.name(module_of_code(function), "(module)"))
        self._readings.note_function(name, function, references)
        return digest_of(form.digest, tuple(bindings)), form.summary

    def _add_library_class(self, cls: type) -> str:
        target = self._remember(cls, f"class {full_name(cls)}")
        bindings = [(key, self.add(one, f"{full_name(cls)}.{key}")) for key, one in self._names.patches(cls)]
        return self._remember(cls, f"{target} {bindings}") if bindings else target

    def _add_class(self, cls: type) -> str:
        name = self.parts.unique(PartKind.CODE, self._border.name(cls.__module__, cls.__qualname__))
        self._classes.append(cls)
        self._pending.append(lambda: self._content_of_class(cls, name))
        return self._remember(cls, f"code {name}")

    def _content_of_class(self, cls: type, name: str) -> None:
        self.watches.class_(cls)
        bindings = [(f"base {number}", self.add(base, name)) for number, base in enumerate(cls.__bases__)]
        if type(cls) is not type:
            bindings.append(("metaclass", self.add(type(cls), name)))
        for key, value in members(cls):
            bindings.append(
                (key, self._member(cls, value, f"{name}.{key if key[0] == '(' else key.rpartition(' ')[2]}"))
            )
        self._readings.note_class(name, cls)
        summary = f"class {cls.__qualname__}: {', '.join(key for key, _ in bindings)}"
        self.parts.found.append(Part(PartKind.CODE, name, digest_of("class", tuple(bindings)), summary))

    def _member(self, cls: type, value: Any, name: str) -> str:
        """A method is a part of its class, everything else one of its own."""
        known = self._targets.get(id(value))
        if known is None and isinstance(value, FunctionType) and self._border.is_own(module_of_code(value)):
            self._remember(value, f"method {name}")
            return self._content(value, name)[0]
        return self.add(value, name)

    def _bindings(self, function: FunctionType, name: str) -> Bindings:
        """Each name that a function takes from elsewhere, with what it is bound to now."""
        references, module, cells = references_of(function.__code__), function.__globals__, dict(contents(function))
        bindings = []
        for chain in sorted(references.globals):
            first, *rest = chain
            if first in _OF_THE_MODULE:
                continue
            value = self.watches.read(module, first)
            if value is not MISSING:
                target = self._names.attribute(value, self._border.name(module.get("__name__", ""), first), rest)
            else:
                value = self.watches.read(vars(builtins), first)
                if value is not MISSING and not self._is_replaced(value):
                    continue
                target = "undefined" if value is MISSING else self.add(value, f"builtins.{first}")
            bindings.append((".".join(chain), target))
        for chain in sorted(references.cells):
            first, *rest = chain
            if first in cells:
                bindings.append((".".join(chain), self._names.attribute(cells[first], f"{name}.{first}", rest)))
        for one in sorted(references.imports):
            for chain in one.chains or ((),):
                bindings.append(
                    (".".join((one.bound, one.attribute, *chain)), self._names.imported(one, module, chain))
                )
        return bindings

    def _is_replaced(self, value: Any) -> bool:
        return isinstance(value, FunctionType) or type(value).__module__ in MOCKS

    def _remember(self, value: Any, target: str) -> str:
        self._alive.append(value)
        self._targets[id(value)] = target
        return target
