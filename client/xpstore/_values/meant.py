"""What may have been meant by a word that is no name of anything."""

from collections.abc import Iterable
from difflib import get_close_matches

# Names that are told of those there are.
TOLD = 10


def meant(word: str, known: Iterable[str]) -> str:
    """What to say after "there is no such thing": the names that are most like a word, else some of those there are."""
    names = list(dict.fromkeys(known))
    if not names:
        return "there is none"
    if close := get_close_matches(word, names, n=3):
        return f"did you mean {' or '.join(map(repr, close))}?"
    more = f" and {len(names) - TOLD:,} more" if len(names) > TOLD else ""
    return f"there {'is' if len(names) == 1 else 'are'} {', '.join(map(repr, names[:TOLD]))}{more}"
