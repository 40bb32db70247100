"""What fingerprints are made of: nodes, a tag and a body each, which stand in their parents whole or by their digest.

The format is that of docs/fingerprint.md.
"""

import reprlib
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from blake3 import blake3

# A node of so many bytes stands in its parent whole: a hash costs more than the bytes do.
INLINE_BYTES = 64
BUFFER_BYTES = 64 << 10

BytesLike = bytes | bytearray | memoryview


class NodeType:
    """The first byte of a node: the type of the value."""

    NONE = b"\x01"
    BOOL = b"\x02"
    INT = b"\x03"
    FLOAT = b"\x04"
    COMPLEX = b"\x05"
    STR = b"\x06"
    BYTES = b"\x07"
    BYTEARRAY = b"\x08"
    DECIMAL = b"\x09"
    FRACTION = b"\x0a"

    LIST = b"\x10"
    TUPLE = b"\x11"
    SET = b"\x12"
    FROZENSET = b"\x13"
    DICT = b"\x14"
    ORDERED_DICT = b"\x15"
    RANGE = b"\x16"
    SLICE = b"\x17"
    ATTRIBUTES = b"\x18"
    BACK = b"\x19"

    DATE = b"\x20"
    DATETIME = b"\x21"
    TIME = b"\x22"
    TIMEDELTA = b"\x23"
    UUID = b"\x24"
    PATTERN = b"\x25"
    FILE = b"\x26"
    DIRECTORY = b"\x27"
    ARTIFACT = b"\x28"
    MODEL = b"\x29"
    TYPE = b"\x2a"
    CODE = b"\x2b"
    ZONE = b"\x2c"
    PATH_TEXT = b"\x2d"
    METHOD = b"\x2e"
    PARTIAL = b"\x2f"

    FIELDS = b"\x30"
    NAMED_TUPLE = b"\x31"
    ENUM = b"\x32"
    SUBCLASS = b"\x33"
    OWN = b"\x34"
    REDUCED = b"\x35"
    IDLE = b"\x36"

    ARRAY = b"\x40"
    SCALAR = b"\x41"
    RECORDS = b"\x42"
    OBJECTS = b"\x43"
    DTYPE = b"\x44"
    TENSOR = b"\x45"
    TEXTS = b"\x46"

    COLUMN = b"\x50"
    TABLE = b"\x51"
    FRAME = b"\x52"
    SERIES = b"\x53"
    INDEX = b"\x54"
    CATEGORICAL = b"\x55"
    ZONED = b"\x56"
    MISSING = b"\x57"
    TIMESTAMP = b"\x58"
    INTERVALS = b"\x59"
    MULTI_INDEX = b"\x5a"
    EXTENSION = b"\x5b"


class Follower(Protocol):
    """Whoever asks for the fingerprint of a value, and follows what is in it to where its behaviour is."""

    def code(self, value: Any) -> str:
        """The fingerprint of a function, method or class that is in the value."""

    def met(self, value: Any) -> None:
        """An object is in the value, of which the fingerprint says no more than the name of its class."""


class Refused(Exception):
    """A value has no fingerprint; the text says why and what to do. Where it is, whoever walks the values adds."""


def seal(node: bytes) -> bytes:
    """How a node stands in its parent: its length and itself, or 0 and its digest. At most 65 bytes."""
    size = len(node)
    return bytes((size,)) + node if size <= INLINE_BYTES else b"\0" + blake3(node).digest()


class Node:
    """A node of any size while it is written."""

    __slots__ = ("_hash", "_held")

    def __init__(self, type_: bytes) -> None:
        self._held = bytearray(type_)
        self._hash: blake3 | None = None

    def write(self, data: BytesLike) -> None:
        """Appends to the body; large data is not copied."""
        if len(data) < BUFFER_BYTES:
            self._held += data
            data = b""
        if data or len(self._held) >= BUFFER_BYTES:
            self._hash = self._hash or blake3()
            self._hash.update(self._held)
            self._hash.update(data)
            self._held.clear()

    def seal(self) -> bytes:
        """How it stands in its parent."""
        if self._hash is None:
            return seal(bytes(self._held))
        self._hash.update(self._held)
        return b"\0" + self._hash.digest()


def seal_text(text: str) -> bytes:
    """Seals a text."""
    try:
        return seal(NodeType.STR + text.encode())
    except UnicodeEncodeError:  # half of a surrogate pair
        return seal(NodeType.STR + text.encode("utf-8", "surrogatepass"))


def seal_large(type_: bytes, body: BytesLike) -> bytes:
    """Seals a node whose body may be large, without a copy of it."""
    node = Node(type_)
    node.write(body)
    return node.seal()


class Sealed:
    """A child that is encoded already."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def at_index(label: Any) -> str:
    """Says where a child is: at a position."""
    return f"[{label}]"


def at_key(label: Any) -> str:
    """Says where a child is: at a key, or among the keys."""
    return ", among the keys" if label is None else f"[{reprlib.repr(label)}]"


def at_attribute(label: Any) -> str:
    """Says where a child is: an attribute."""
    return "" if label is None else f".{label}"


def inside(_: Any) -> str:
    """Says where a child is, when it has no position."""
    return ", an element"


class Branch:
    """A value that consists of others.

    Attributes:
        type_: its type.
        children: a label and a value each, in the order of the body.
        where: makes the label of a child a piece of the path that errors name.
        arrange: the order of the children's encodings, if it is not that of the children.
    """

    __slots__ = ("arrange", "children", "type_", "where")

    def __init__(
        self,
        type_: bytes,
        children: Iterable[tuple[Any, Any]],
        where: Callable[[Any], str] = at_attribute,
        arrange: Callable[[list[bytes]], Iterable[bytes]] | None = None,
    ) -> None:
        self.type_ = type_
        self.children = iter(children)
        self.where = where
        self.arrange = arrange


def name_of(type_: type) -> str:
    """The name that stands for a type."""
    module = type_.__module__
    # What is of a script is of `__mp_main__` in processes that multiprocessing spawned from it.
    return f"{'__main__' if module == '__mp_main__' else module}.{type_.__qualname__}"


def named(type_: bytes, value: object, *children: tuple[str | None, Any]) -> Branch:
    """The node of an object of a class: the class's name and what it consists of."""
    return Branch(type_, ((None, name_of(type(value))), *children))


class Fields(dict[str, Any]):
    """Attributes by name: their order does not count, as that of a dictionary does."""


class Reduced:
    """An object that is to be encoded by its own reduction, whatever its type is refused or encoded by elsewhere."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


CURE = "give its class a method __fingerprint__ that returns what it depends on, or leave it out with ignore="


def no_fingerprint(value: object, fix: str = "") -> Refused:
    """The refusal of a value."""
    fix = fix or CURE
    name = name_of(type(value)).removeprefix("builtins.")
    return Refused(f"{'an' if name[0] in 'aeiou' else 'a'} {name} has no fingerprint: {fix}")
