"""Whether what was read back is what was written: by fingerprint, which tells apart what functions can."""

from collections.abc import Callable, Iterator
from typing import Any

from xpstore._identity.nodes import name_of
from xpstore._identity.values import fingerprint as fingerprint_with
from xpstore._identity.values import fingerprint_plain
from xpstore.errors import InvalidArgument


def check(value: Any, read: Callable[[], Any]) -> None:
    """Compares a value with what was made of it.

    Args:
        value: what was written.
        read: reads it back.

    Raises:
        InvalidArgument: it would come back as something else, or that cannot be said.
    """
    kind = name_of(type(value))
    try:
        back = read()
    except InvalidArgument:
        raise
    except Exception as error:  # of the library that reads it
        raise InvalidArgument(f"a {kind} could not be read back ({type(error).__name__}: {error}). {CURE}") from error
    if type(back) is not type(value):
        raise InvalidArgument(f"a {kind} would come back as a {name_of(type(back))}. {CURE}")
    if fingerprint(value) == fingerprint(back):
        return
    lost = next((f": {name} would differ" for name, one, other in _parts(value, back) if not _is_same(one, other)), "")
    raise InvalidArgument(f"a {kind} would not come back as it is{lost}. {CURE}")


CURE = 'Return something plainer, or say format="pickle" where it is written and where it is read.'


def fingerprint(value: Any) -> str:
    """The fingerprint of a value within this process: functions in it are the objects they are."""
    return fingerprint_with(value, "the result", follower=_SameObjects())


def _is_same(one: Any, other: Any) -> bool:
    try:
        return fingerprint(one) == fingerprint(other)
    except InvalidArgument:  # such as a random generator, which has one only inside of an object
        return True


class _SameObjects:
    """The follower of values that are compared in the process that holds both: what is imported is the same object."""

    def code(self, value: Any) -> str:
        # A method is made anew at each look: what it is of is not.
        return fingerprint_plain((id(getattr(value, "__func__", value)), id(getattr(value, "__self__", None))))

    def met(self, value: Any) -> None:
        pass


def _parts(value: Any, back: Any) -> Iterator[tuple[str, Any, Any]]:
    """What a frame or series consists of, and an object, in words for people."""
    if name_of(type(value)).startswith("pandas.") and hasattr(value, "attrs"):
        for name in ("index", "columns", "name", "attrs"):
            yield f"its {name}", getattr(value, name, None), getattr(back, name, None)
        is_frame = hasattr(value, "columns")
        for position, name in enumerate(value.columns if is_frame else ()):
            yield f"column {name!r}", value.iloc[:, position].array, back.iloc[:, position].array
    elif hasattr(value, "__dict__"):
        for name, item in vars(value).items():
            yield f"its {name}", item, vars(back).get(name)
