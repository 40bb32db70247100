"""What code reads about code: docstrings, annotations, line numbers, subclasses. They count where some of it does."""

import inspect
from collections.abc import Iterator
from types import CodeType, FunctionType

from xpstore._identity.classes import text_of
from xpstore._identity.references import References
from xpstore._identity.values import fingerprint_plain


class Readings:
    """The texts and lines of all that was met, and which of them are read.

    Attributes:
        read_subclasses: whether some code may ask a class for its subclasses.
    """

    def __init__(self) -> None:
        self.read_subclasses = False
        self._read_texts = self._read_lines = False
        self._texts: list[tuple[str, str]] = []
        self._functions: list[tuple[str, FunctionType]] = []

    @property
    def read_any(self) -> bool:
        """Whether some code reads any of it."""
        return self.read_subclasses or self._read_texts or self._read_lines

    def note_function(self, name: str, function: FunctionType, references: References) -> None:
        """A function was met."""
        self.read_subclasses |= references.read_subclasses
        self._read_texts |= references.read_texts
        self._read_lines |= references.read_lines
        self._functions.append((name, function))
        self._texts += [(f"{name} {doc}", str(text)) for doc, text in enumerate([function.__doc__, *references.docs])]
        self._texts += [(f"{name}: {key}", text_of(one)) for key, one in function.__annotations__.items()]

    def note_class(self, name: str, cls: type) -> None:
        """A class was met."""
        self._texts.append((name, str(cls.__doc__)))

    def found(self) -> Iterator[tuple[str, str]]:
        """What of it counts, with its fingerprint."""
        if self._read_texts:
            yield "(docstrings and annotations)", fingerprint_plain(sorted(self._texts))
        if self._read_lines:
            lines = [(name, _source(function), list(_lines(function.__code__))) for name, function in self._functions]
            yield "(lines)", fingerprint_plain(sorted(lines))


def _source(function: FunctionType) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError, SyntaxError):  # it is not there
        return ""


def _lines(code: CodeType) -> Iterator[int]:
    """The lines of the code, and of that inside it, as its instructions follow each other."""
    yield from (line or 0 for _, _, line in code.co_lines())
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _lines(inner)
