"""Fingerprints of values and of processes: the key of what is cached. The bytes are those of docs/fingerprint.md."""

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from xpstore._identity.builtins import BRANCHES, LEAVES
from xpstore._identity.nodes import Branch, Follower, Node, Refused, no_fingerprint
from xpstore._identity.objects import expand
from xpstore._values.checks import to_name, to_text
from xpstore.errors import InvalidArgument

MAX_PART_NAME_LENGTH = 512
MAX_PART_TEXT_LENGTH = 256
# Far above what is meant to be nested. `__fingerprint__` may return a new object each time, for ever.
MAX_DEPTH = 20_000

_DIGEST = re.compile(r"[0-9a-f]{64}")


class PartKind(enum.IntEnum):
    """What a part of a process is; the numbers of the contract's ArtifactProcessPartKind."""

    PARAMETER = 1
    VERSION = 2
    CODE = 3
    VALUE = 4
    LIBRARY = 5


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a process: what its fingerprint was made of.

    Attributes:
        kind: what it is.
        name: its name, unique in its kind; 1 to 512 characters.
        fingerprint: its own fingerprint, 64 lower-case hexadecimal digits.
        text: it in words for people, shortened to 256 characters; not part of the process' fingerprint.
    """

    kind: PartKind
    name: str
    fingerprint: str
    text: str

    def __post_init__(self) -> None:
        to_name("name", self.name, MAX_PART_NAME_LENGTH)
        if not _DIGEST.fullmatch(self.fingerprint):
            raise InvalidArgument(f"fingerprint = {self.fingerprint!r}: must be 64 lower-case hexadecimal digits")
        object.__setattr__(self, "text", to_text(self.text, MAX_PART_TEXT_LENGTH))


def fingerprint(value: Any, name: str = "value", *, follower: Follower) -> str:
    """Returns the fingerprint of a value: equal values of the same types have the same one, all others another one.

    It is the same in every process and on every machine. docs/fingerprint.md says what makes values equal.

    Args:
        value: None, numbers, text, bytes, dates, enums, UUIDs, compiled patterns; containers and dataclasses of them;
            paths, which stand for what the file or directory contains; arrays, tables, tensors and estimators;
            artifacts and models; objects with a method `__fingerprint__`, which returns any of these.
        name: how errors name the value.
        follower: says what functions in it are, and is told of the objects in it.

    Returns:
        64 lower-case hexadecimal digits.

    Raises:
        InvalidArgument: the value, or something in it, has no fingerprint; the message says where it is.

    """
    return blake3(b"xpstore value v1\n" + _encode(value, name, follower)).hexdigest()


def fingerprint_plain(value: Any, name: str = "value") -> str:
    """Returns the fingerprint of a value that holds no functions, such as texts and numbers."""
    return fingerprint(value, name, follower=_PLAIN)


class _Plain:
    """The follower of values that hold nothing to follow."""

    def code(self, value: Any) -> str:
        raise no_fingerprint(value, "it is code")

    def met(self, value: Any) -> None:
        pass


_PLAIN = _Plain()


def fingerprint_process(name: str, parts: Iterable[Part]) -> str:
    """Returns the fingerprint of a process: of its name and its parts, in any order and whatever their texts.

    Args:
        name: name of the process, 1 to 256 characters.
        parts: what it is made of.

    Returns:
        64 lower-case hexadecimal digits: the key of a cache entry.

    Raises:
        InvalidArgument: the name is malformed, or two parts have the same kind and name.
    """
    given = list(parts)
    keys = {(int(part.kind), part.name.encode()): part for part in given}
    if len(keys) < len(given):
        raise InvalidArgument("parts: two of them have the same kind and name")
    encoded = [
        _encode((kind, part.name, bytes.fromhex(part.fingerprint)), "part", _PLAIN)
        for (kind, _), part in sorted(keys.items())
    ]
    return blake3(
        b"xpstore process v1\n" + _encode(to_name("name", name), "name", _PLAIN) + b"".join(encoded)
    ).hexdigest()


class _Open:
    """A branch whose children are being encoded."""

    __slots__ = ("add", "branch", "children", "encodings", "label", "node", "value")

    def __init__(self, value: Any, branch: Branch) -> None:
        self.value = value  # kept, as its id stands for it
        self.branch = branch
        self.children = branch.children
        self.label: Any = None
        self.encodings: list[bytes] = []
        self.node = Node(branch.type_)
        self.add = self.node.write if branch.arrange is None else self.encodings.append

    def seal(self) -> bytes:
        if self.branch.arrange is not None:
            self.node.write(b"".join(self.branch.arrange(self.encodings)))
        return self.node.seal()


class _Encoder:
    """Encodes one value, with a stack of its own: values may be nested deeper than Python's calls."""

    def __init__(self, value: Any, follower: Follower) -> None:
        self._follower = follower
        self._root = _Open(None, Branch(b"", [(None, value)], lambda _: "", list))
        self.stack = [self._root]
        self._open = set[int]()
        # What is in many places is encoded once: its encoding, and the value, whose id must stay its own.
        self._known = dict[int, tuple[bytes, Any]]()

    def run(self) -> bytes:
        while True:
            top = self.stack[-1]
            if self._opens(top):
                continue
            if top is self._root:
                return top.encodings[0]
            self._close(top)

    def _opens(self, top: _Open) -> bool:
        """Encodes children up to one that has children itself, which it opens; False if there is none left."""
        leaves, add = LEAVES, top.add
        for label, value in top.children:
            top.label = label
            leaf = leaves.get(type(value))
            if leaf is not None:
                add(leaf(value))
                continue
            key = id(value)
            if known := self._known.get(key):
                add(known[0])
                continue
            if key in self._open:
                raise Refused("it contains itself")
            branch = BRANCHES[type(value)](value) if type(value) in BRANCHES else self._expanded(value)
            if isinstance(branch, bytes):
                self._remember(value, branch)
                add(branch)
                continue
            if len(self.stack) > MAX_DEPTH:
                raise Refused(f"nested deeper than {MAX_DEPTH:,} levels")
            self._open.add(key)
            self.stack.append(_Open(value, branch))
            return True
        return False

    def _expanded(self, value: Any) -> bytes | Branch:
        self._follower.met(value)
        return expand(value, self._follower.code)

    def _close(self, top: _Open) -> None:
        self.stack.pop()
        encoding = top.seal()
        self._open.remove(id(top.value))
        self._remember(top.value, encoding)
        self.stack[-1].add(encoding)

    def _remember(self, value: Any, encoding: bytes) -> None:
        if not encoding[0]:  # a digest: smaller ones are as quick to make again
            self._known[id(value)] = encoding, value

    def path(self) -> str:
        """Where it is at, such as "['layers'][3]"; shortened in the middle."""
        pieces = [frame.branch.where(frame.label) for frame in self.stack]
        if len(pieces) > 40:
            pieces[20:-20] = ["..."]
        return "".join(pieces)


def _encode(value: Any, name: str, follower: Follower) -> bytes:
    encoder = _Encoder(value, follower)
    try:
        return encoder.run()
    except (Refused, InvalidArgument) as error:
        reason, cause = str(error).removeprefix("source = "), error.__cause__
    except MemoryError:
        raise
    except Exception as error:  # from a library, or from a value that changes while it is read
        reason, cause = f"it cannot be read ({type(error).__name__}: {error})", error
    raise InvalidArgument(f"{name}{encoder.path()}: {reason}", metadata={"field": name}) from cause
