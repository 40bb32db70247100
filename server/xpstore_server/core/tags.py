"""Tags of experiments and projects, at rest as one text. Those of models are rows: search looks for them."""

from collections.abc import Sequence

SEPARATOR = "\n"  # no tag has control characters


def to_text(tags: Sequence[str]) -> str:
    """Tags as they rest; repetitions count once."""
    return SEPARATOR.join(dict.fromkeys(tags))


def from_text(text: str) -> list[str]:
    """Tags in the order they were given."""
    return text.split(SEPARATOR) if text else []
