"""What a request for a file asks beside its name: a range of it, and whether it is still the same (RFC 9110)."""

import re
from dataclasses import dataclass
from typing import NamedTuple

_RANGE = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*")
_CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18})")
_ETAG = re.compile(r'\s*(W/)?("[^"]*")\s*(?:,|$)')


class Range(NamedTuple):
    """Bytes of a file.

    Attributes:
        length: how many; 0 where the range lies outside of the file.
        is_part: whether a part was asked for, be it all of the file.
    """

    offset: int
    length: int
    is_part: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """Which bytes of a file a request brings.

    Attributes:
        offset: of the first; -1 where it brings none and asks how many are there.
        end: behind the last.
        total: bytes of the file.
    """

    offset: int
    end: int
    total: int

    @property
    def is_question(self) -> bool:
        return self.offset < 0


def range_of(header: str, size: int) -> Range | None:
    """The range that is asked for; None where all of the file is: without one, with several, with one of no sense."""
    found = _RANGE.fullmatch(header)
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        length = min(int(last), size)
        return Range(size - length, length)
    if last and int(last) < int(first):
        return None
    end = min(int(last) + 1, size) if last else size
    return Range(int(first), max(end - int(first), 0))


def part_of(header: str) -> Part | None:
    """What a Content-Range says; None if it makes no sense."""
    found = _CONTENT_RANGE.fullmatch(header.strip())
    if found is None:
        return None
    first, last, total = found.groups()
    if first is None:
        return Part(-1, -1, int(total))
    part = Part(int(first), int(last) + 1, int(total))
    return part if part.offset < part.end <= part.total else None


def etag_of(digest: bytes) -> str:
    """The etag of a file, with its quotes."""
    return f'"{digest.hex()}"'


def names(header: str, etag: str, *, is_weak: bool) -> bool:
    """Whether a list of etags has this one.

    Args:
        header: etags with commas between, or `*`.
        etag: with its quotes.
        is_weak: whether a weak one will do.
    """
    if header.strip() == "*":
        return True
    return any(tag == etag and (is_weak or not weak) for weak, tag in _ETAG.findall(header))
