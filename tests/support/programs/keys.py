"""What `@cached` looks a call up by, without a server: all of the tests of programs that knows of its inside."""

from typing import Any

from xpstore._identity.values import fingerprint_process
from xpstore.cached_function import _Cached, _Call


def key_of(entry: _Cached[..., Any, Any, Any], arguments: tuple[Any, ...]) -> dict[str, str]:
    """The `key` of a call, or what was `raised`."""
    call = _Call((*entry._bound, *arguments), {}, lambda: None, lambda: False)
    try:
        process = entry._full_process(call)
        return {"key": fingerprint_process(process.name, process.parts)}
    except Exception as error:
        return {"raised": f"{type(error).__name__}: {error}"}


def value_of(entry: _Cached[..., Any, Any, Any], arguments: tuple[Any, ...]) -> str:
    """What the function returns where nothing is cached."""
    return repr(entry._function(*entry._bound, *arguments))
