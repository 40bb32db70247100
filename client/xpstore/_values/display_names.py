"""What a model is called where nobody gave it a name: words and a number made of its id, stored nowhere."""

from uuid import UUID

# 64 each. The page has the same lists and the same rule, docs/display-names.json has samples: with other lists every
# model would have another name.
_ADJECTIVES = """
amber ample apt azure bold brave breezy bright brisk calm candid clear clever cosmic cozy crisp daring deft
eager early fair fancy festive fine fresh gentle glad golden grand happy hardy honest jolly keen kind lively
loyal lucid lucky mellow merry mild modest neat nimble noble patient placid polite prime proud quick quiet
serene silver smart snug solid steady sunny swift tidy warm wise
"""
_NOUNS = """
acorn alder anchor apple aspen badger beacon beech birch bison breeze bridge brook canyon cedar cherry clover
comet coral crane creek daisy delta dolphin eagle ember falcon fern finch forest fox garden glacier harbor hare
hazel heron island kite lake lantern lark lemon lily lynx maple meadow moon moss olive orchid otter owl pebble
pine planet puffin raven reef river robin sparrow tulip willow
"""
ADJECTIVES, NOUNS = _ADJECTIVES.split(), _NOUNS.split()


def display_name(name: str | None, id: UUID) -> str:
    """The name if there is one, else one of 409,600 like "brisk-fox-17": not unique, and for ever that of this id."""
    if name is not None:
        return name
    start = 10 if id.hex[12] == "7" else 0  # those of version 7 begin with the time, and end at random
    first, second, third = (int.from_bytes(id.bytes[at : at + 2]) for at in range(start, start + 6, 2))
    return f"{ADJECTIVES[first % 64]}-{NOUNS[second % 64]}-{third % 100}"
