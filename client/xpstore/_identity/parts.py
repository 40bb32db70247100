"""The parts of a process while they are found: each with a name of its own, and no more than the contract takes."""

import functools
from typing import Any

from xpstore._identity.describe import describe
from xpstore._identity.values import Part, PartKind, fingerprint_plain

# Not float: -0.0 and 0.0 are equal, and would be remembered as one.
SCALARS = frozenset({int, str, bool, type(None)})
# The contract takes 1,000 parts: beyond this those of a module become one.
MOST_PARTS = 500


class Parts:
    """What was met.

    Attributes:
        found: the parts, in the order in which they were met.
    """

    def __init__(self) -> None:
        self.found: list[Part] = []
        self._names: set[tuple[PartKind, str]] = set()

    def add(self, kind: PartKind, name: str, digest: str, text: str) -> str:
        """Adds a part. Returns the name that it got."""
        unique = self.unique(kind, name)
        self.found.append(Part(kind, unique, digest, text))
        return unique

    def unique(self, kind: PartKind, name: str) -> str:
        """The order in which things are met is that of their names in the code, so the number is always the same."""
        unique, number = name, 1
        while (kind, unique) in self._names:
            number += 1
            unique = f"{name} #{number}"
        self._names.add((kind, unique))
        return unique

    def add_scalar(self, name: str, value: Any) -> str:
        """Adds a number, a text or None. Returns the name that it got."""
        unique = self.unique(PartKind.VALUE, name)
        self.found.append(_scalar_part(unique, value))
        return unique

    def folded(self, home: str) -> list[Part]:
        """All, if they are few; else those of one kind and module as one, those without a module as of `home`."""
        if len(self.found) <= MOST_PARTS:
            return self.found
        groups: dict[tuple[PartKind, str], list[Part]] = {}
        for part in self.found:
            groups.setdefault((part.kind, part.name.rpartition(".")[0].partition(".<")[0]), []).append(part)
        return [
            parts[0] if len(parts) == 1 else _as_one(kind, f"{module or home} (all)", parts)
            for (kind, module), parts in groups.items()
        ]


@functools.lru_cache(maxsize=1024, typed=True)
def _scalar_part(name: str, value: Any) -> Part:
    return Part(PartKind.VALUE, name, fingerprint_plain(value, name), describe(value))


def _as_one(kind: PartKind, name: str, parts: list[Part]) -> Part:
    digest = fingerprint_plain([(part.name, part.fingerprint) for part in parts])
    return Part(kind, name, digest, f"{len(parts)} parts")


@functools.lru_cache(maxsize=4096)
def digest_of(code: str, bindings: tuple[tuple[str, str], ...]) -> str:
    """The fingerprint of code with what its names are bound to, in words."""
    return fingerprint_plain((code, bindings))
