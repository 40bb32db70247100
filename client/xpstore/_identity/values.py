"""Fingerprints of values and of processes: the key of what is cached. The bytes are those of docs/fingerprint.md."""

import enum
import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from xpstore._identity.builtins import BRANCHES, LEAVES, to_bytes
from xpstore._identity.nodes import CURE, Branch, Follower, Node, NodeType, Reduced, Refused, no_fingerprint, seal
from xpstore._identity.objects import expand
from xpstore._values.checks import to_name, to_text
from xpstore.errors import InvalidArgument

# Of fingerprints, of values and of processes (docs/fingerprint.md): entries of another format are no hits.
FORMAT = 2
_VALUE, _PROCESS = (f"xpstore {what} v{FORMAT}\n".encode() for what in ("value", "process"))
MAX_PART_NAME_LENGTH = 512
MAX_PART_TEXT_LENGTH = 256
# Far above what is meant to be nested. `__fingerprint__` may return a new object each time, for ever.
MAX_DEPTH = 20_000
# An object that refers back to where it is met is read at each place anew; in a dense graph that has no end.
MAX_READ_ANEW = 10_000

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


def fingerprint(value: Any, name: str = "value", *, follower: Follower, is_global: bool = False) -> str:
    """Returns the fingerprint of a value: what a function could tell apart has different ones, but for what is listed.

    It is the same in every process and on every machine. docs/fingerprint.md has the list.

    Args:
        value: None, numbers, text, bytes, dates, enums, UUIDs, compiled patterns; containers and dataclasses of them;
            paths, which stand for what the file or directory contains; arrays, tables, tensors and estimators;
            artifacts and models; objects with a method `__fingerprint__`, which returns any of these; other objects
            by their own reduction.
        name: how errors name the value.
        follower: says what functions in it are, and is told of the objects in it.
        is_global: it is no argument but a variable that code refers to: paths in it are their text, locks and
            loggers no more than their types.

    Returns:
        64 lower-case hexadecimal digits.

    Raises:
        InvalidArgument: the value, or something in it, has no fingerprint; the message says where it is.

    """
    return blake3(_VALUE + _encode(value, name, follower, is_global)).hexdigest()


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
    keys = {(int(part.kind), part.name.encode()): part.fingerprint for part in given}
    if len(keys) < len(given):
        raise InvalidArgument("parts: two of them have the same kind and name")
    encoded = [_encode_part(*key, digest) for key, digest in sorted(keys.items())]
    return blake3(b"".join([_PROCESS, _encode_name(name), *encoded])).hexdigest()


@functools.lru_cache(maxsize=256)
def _encode_name(name: str) -> bytes:
    return _encode(to_name("name", name), "name", _PLAIN)


@functools.lru_cache(maxsize=4096)
def _encode_part(kind: int, name: bytes, digest: str) -> bytes:
    return _encode((kind, name.decode(), bytes.fromhex(digest)), "part", _PLAIN)


class _Silent:
    """The follower of a value that is read a second time."""

    def __init__(self, follower: Follower) -> None:
        self.code = follower.code

    def met(self, value: Any) -> None:
        pass


_Known = dict[int, tuple[bytes, Any]]


class _Open:
    """A branch whose children are being encoded."""

    __slots__ = ("add", "branch", "children", "encodings", "label", "node", "reach", "value")

    def __init__(self, value: Any, branch: Branch, depth: int) -> None:
        self.value = value  # kept, as its id stands for it
        self.branch = branch
        self.children = branch.children
        self.label: Any = None
        self.encodings: list[bytes] = []
        self.node = Node(branch.type_)
        self.add = self.node.write if branch.arrange is None else self.encodings.append
        self.reach = depth  # how far up it refers back; its own depth if it does not

    def seal(self) -> bytes:
        if self.branch.arrange is not None:
            self.node.write(b"".join(self.branch.arrange(self.encodings)))
        return self.node.seal()


class _Encoder:
    """Encodes one value, with a stack of its own: values may be nested deeper than Python's calls."""

    def __init__(self, value: Any, follower: Follower, is_global: bool, known: "_Known | None" = None) -> None:
        self._follower = follower
        self._is_global = is_global
        self._root = _Open(None, Branch(b"", [(None, value)], lambda _: "", list), 0)
        self.stack = [self._root]
        self._open = dict[int, int]()  # what is on the way down, by id, with its depth
        # What is in many places is encoded once: its encoding, and the value, whose id must stay its own.
        self._known: _Known = dict(known or {})
        self.whole: _Known = {}  # those among them that consist of nothing else, such as arrays
        self._entangled = dict[int, Any]()
        self._read_anew = 0
        self.has_reduced = False

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
                top.reach = min(top.reach, self._open[key])
                add(seal(NodeType.BACK + to_bytes(len(self.stack) - self._open[key])))
                continue
            branch = BRANCHES[type(value)](value) if type(value) in BRANCHES else self._expanded(value)
            if isinstance(branch, bytes):
                if not branch[0]:
                    self.whole[key] = branch, value
                self._remember(value, branch)
                add(branch)
                continue
            if len(self.stack) > MAX_DEPTH:
                raise Refused(f"nested deeper than {MAX_DEPTH:,} levels")
            self._open[key] = len(self.stack)
            self.stack.append(_Open(value, branch, len(self.stack)))
            return True
        return False

    def _expanded(self, value: Any) -> bytes | Branch:
        if type(value) is not Reduced:
            self._follower.met(value)
        found = expand(value, self._follower.code, self._is_global)
        if isinstance(found, Branch) and found.type_ == NodeType.REDUCED:
            self.has_reduced = True
        return found

    def _close(self, top: _Open) -> None:
        self.stack.pop()
        encoding = top.seal()
        depth = self._open.pop(id(top.value))
        above = self.stack[-1]
        if top.reach < depth:  # what it says depends on where it is
            above.reach = min(above.reach, top.reach)
            self._read_anew += id(top.value) in self._entangled
            self._entangled[id(top.value)] = top.value
            if self._read_anew > MAX_READ_ANEW:
                raise Refused(f"too many of the objects in it refer to each other: {CURE}")
        else:
            self._remember(top.value, encoding)
        above.add(encoding)

    def _remember(self, value: Any, encoding: bytes) -> None:
        if not encoding[0]:  # a digest: smaller ones are as quick to make again
            self._known[id(value)] = encoding, value

    def path(self) -> str:
        """Where it is at, such as "['layers'][3]"; shortened in the middle."""
        pieces = [frame.branch.where(frame.label) for frame in self.stack]
        if len(pieces) > 40:
            pieces[20:-20] = ["..."]
        return "".join(pieces)


def _encode(value: Any, name: str, follower: Follower, is_global: bool = False) -> bytes:
    encoder = _Encoder(value, follower, is_global)
    try:
        encoding = encoder.run()
        if encoder.has_reduced:
            again = _Encoder(value, _Silent(follower), is_global, encoder.whole)
            if again.run() != encoding:
                raise Refused(f"something in it is made anew from other values each time: {CURE}")
        return encoding
    except (Refused, InvalidArgument) as error:
        reason, cause = str(error).removeprefix("source = "), error.__cause__
    except MemoryError:
        raise
    except Exception as error:  # from a library, or from a value that changes while it is read
        reason, cause = f"it cannot be read ({type(error).__name__}: {error})", error
    raise InvalidArgument(f"{name}{encoder.path()}: {reason}", metadata={"field": name}) from cause
