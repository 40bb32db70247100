"""Fingerprints by an object's own reduction: what `copy` and `pickle` would make it anew from, in the parts they use.

The last way, for objects that nothing else here knows.
"""

import copyreg
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from xpstore._identity.nodes import Branch, Fields, NodeType, Reduced, name_of, no_fingerprint
from xpstore._identity.ownership import follow

PROTOCOL = 4


def expand_reduced(value: Any) -> Branch:
    """What an object is made anew from: a callable, its arguments, state, items and entries.

    Raises:
        Refused: it does not say.
    """
    kind = type(value)
    if name_of(kind) == "numpy.random.mtrand.RandomState":  # what it was seeded with draws nothing any more
        return Branch(NodeType.REDUCED, [(None, name_of(kind)), (None, value.get_state(legacy=False))])
    try:
        reduce = copyreg.dispatch_table.get(kind)
        reduced = reduce(value) if reduce is not None else value.__reduce_ex__(PROTOCOL)
        if isinstance(reduced, str):
            return _named(value, reduced)
        make, arguments, state, items, entries, setter = (*reduced, None, None, None, None)[:6]
        items = None if items is None else list(items)
        entries = None if entries is None else dict(entries)
    except Exception as error:  # the library's own, of any kind
        raise no_fingerprint(value) from error
    if state is None and _forgets_attributes(kind):
        state = vars(value)
    return Branch(
        NodeType.REDUCED,
        [
            (None, name_of(kind)),
            (None, _callable(make, value)),
            (None, _nameless(name_of(kind) if one is kind else one for one in arguments)),
            (None, _state(state)),
            (None, items),
            (None, entries),
            (None, None if setter is None else _callable(setter, value)),
        ],
    )


def _nameless(values: Iterable[Any]) -> Branch:
    """A tuple whose members have no place in what errors say: nobody but the reduction knows of it."""
    return Branch(NodeType.TUPLE, ((None, _wrapped(value)) for value in values))


def attributes(values: Mapping[str, Any]) -> Fields:
    """Attributes of an object that is no argument by itself: a random generator among them counts by its state."""
    return Fields({name: _wrapped(value) for name, value in values.items()})


def _wrapped(value: Any) -> Any:
    return Reduced(value) if type(value).__module__ in _RANDOM and not isinstance(value, type) else value


# Where the classes of random generators are from.
_RANDOM = {"random", "numpy.random._generator", "numpy.random.mtrand"}


def _state(state: Any) -> Any:
    if isinstance(state, tuple) and len(state) == 2 and all(one is None or type(one) is dict for one in state):
        return _nameless(map(_state, state))  # attributes, and slots
    if type(state) is dict and all(type(name) is str for name in state):
        return attributes(state)
    return _wrapped(state)


def _forgets_attributes(kind: type) -> bool:
    """Whether objects have attributes of which the class that reduces them knows nothing, as its own have none."""
    owner = next(base for base in kind.__mro__ if "__reduce_ex__" in vars(base) or "__reduce__" in vars(base))
    return owner is not object and not owner.__dictoffset__ and bool(kind.__dictoffset__)


def _named(value: Any, name: str) -> Branch:
    """An object that is made anew by its name; only if the name leads to it."""
    module = name_to(value, name)
    if module is None:
        raise no_fingerprint(value)
    return Branch(NodeType.REDUCED, [(None, name_of(type(value))), (None, f"{module}.{name}")])


def name_to(value: Any, name: str, *modules: str) -> str | None:
    """The module that has an object under a name; None if there is none among its own and the ones given."""
    for module in (getattr(value, "__module__", None), *modules, type(value).__module__):
        found = follow(sys.modules.get(module), name.split(".")) if isinstance(module, str) else None
        if found is not None and found is value:
            return module
    return None


def _callable(make: Callable[..., Any], value: Any) -> Any:
    """What stands for the callable of a reduction: its name if it is Python's, else itself."""
    if make is type(value):
        return name_of(make)
    name = str(getattr(make, "__qualname__", None) or getattr(make, "__name__", ""))
    module = name_to(make, name)
    is_pythons = module is not None and module.partition(".")[0] in sys.stdlib_module_names
    if is_pythons or (module is not None and not isinstance(make, types.FunctionType | types.MethodType | type)):
        return f"{module}.{name}"
    return make
