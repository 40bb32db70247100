"""Long sequences in stretches of bounded size."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Cuts a sequence into stretches of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
