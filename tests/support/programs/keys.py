"""What `@cached` looks a call up by, without a server: all of the tests of programs that knows of its inside."""

from typing import Any

from xpstore._caching.calls import call_of
from xpstore._identity.values import fingerprint_process

# What says that a call is computed uncached, with a warning; the rest is raised to the caller.
DOUBTS = {"Doubt", "NotBound"}


def key_of(entry: Any, arguments: tuple[Any, ...]) -> dict[str, str]:
    """The `key` of a call, why it is computed `uncached`, or what was `raised`."""
    call = call_of(entry._function, (*entry._bound, *arguments), {})
    try:
        process = entry._identified(call)
        return {"key": fingerprint_process(process.name, process.parts)}
    except Exception as error:
        kind = type(error).__name__
        return {"uncached" if kind in DOUBTS else "raised": f"{kind}: {error}"}


def value_of(entry: Any, arguments: tuple[Any, ...]) -> str:
    """What the function returns where nothing is cached."""
    return repr(entry._function(*entry._bound, *arguments))


def anew(entry: Any) -> Any:
    """The same cached function, which has kept nothing of itself."""
    return type(entry)(entry._function, entry._declared, entry._bound)
