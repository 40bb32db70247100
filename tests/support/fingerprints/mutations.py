"""Values that differ a little from each other, and an oracle that says which of them are the same."""

import math
import random
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np

MOST_NODES = 30
START: dict[Any, Any] = {
    "model": {"layers": [64, 64, 10], "activation": "relu", "dropout": 0.1},
    "data": ("train", b"\x00\x01", {"a", "b"}, None),
    "seed": 7,
    1: {"1": 1, 1.5: [True, False], (1, "x"): {}},
}
TEXTS = ("", "a", "b", "ab", "a\0", "1", "True", "None", "é", "x" * 63, "x" * 64, "x" * 65)
NUMBERS = (0, 1, -1, 127, 128, 255, 256, 2**63, -(2**63), 10**30)
REALS = (0.0, -0.0, 1.0, 0.1, 1e300, math.inf, -math.inf, math.nan)


def mutations(seed: int) -> Iterator[Any]:
    """Yields values that come from each other by one small change each, without end."""
    chance, value = random.Random(seed), START
    for number in count():
        changed = mutate(chance, value)
        value = changed if isinstance(changed, dict) and nodes(changed) <= MOST_NODES else {**START, "seed": number}
        yield changed


def nodes(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + len(value) + sum(map(nodes, value.values()))
    return 1 + sum(map(nodes, value)) if isinstance(value, (list, tuple, set, frozenset)) else 1


def mutate(chance: random.Random, value: Any) -> Any:
    """The value with one change somewhere in it; sometimes none that counts."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        return {**value, key: mutate(chance, value[key])}
    if isinstance(value, (list, tuple)) and value and chance.random() < 0.7:
        position = chance.randrange(len(value))
        changed = list(value)
        changed[position] = mutate(chance, changed[position])
        return type(value)(changed)
    if isinstance(value, dict):
        return _mutate_dict(chance, value)
    if isinstance(value, (list, tuple, set, frozenset)):
        return _mutate_sequence(chance, value)
    return _mutate_leaf(chance, value)


def _mutate_dict(chance: random.Random, value: dict[Any, Any]) -> Any:
    items = list(value.items())
    match chance.randrange(5):
        case 0:
            chance.shuffle(items)
            return dict(items)
        case 1:
            return {**value, _key(chance): _leaf(chance)}
        case 2 if items:
            del items[chance.randrange(len(items))]
            return dict(items)
        case 3 if items:
            position = chance.randrange(len(items))
            items[position] = _key(chance), items[position][1]
            return dict(items)
        case _:
            return items


def _mutate_sequence(chance: random.Random, value: Any) -> Any:
    items, kind = list(value), type(value)
    match chance.randrange(6):
        case 0:
            items.append(_leaf(chance))
        case 1 if items:
            del items[chance.randrange(len(items))]
        case 2:
            chance.shuffle(items)
        case 3 if all(isinstance(item, str) for item in items):
            items = ["".join(items)[: chance.randrange(4)], "".join(items)[chance.randrange(4) :]]
        case 4 if all(isinstance(item, (str, int, float, bytes, type(None))) for item in items):
            kind = chance.choice((list, tuple, set, frozenset))
        case 5:
            items = [items]
            kind = list
    return kind(items) if kind in (list, tuple) or all(item.__hash__ for item in items) else items


def _mutate_leaf(chance: random.Random, value: Any) -> Any:
    match value:
        case str() if chance.random() < 0.5:
            position = chance.randrange(len(value) + 1)
            return value[:position] + chance.choice("abc\0") + value[position:]
        case bool():
            return _leaf(chance)
        case int() if chance.random() < 0.7:
            return chance.choice(
                (value + 1, -value, float(value), str(value), value << 8, np.int64(value % 1000), [value])
            )
        case float() if chance.random() < 0.7:
            return chance.choice(
                (math.nextafter(value, 2), -value, str(value), np.float64(value), complex(value), [value])
            )
        case bytes() if chance.random() < 0.7:
            return chance.choice((value + b"\0", value[1:], bytearray(value), value.hex(), [value]))
        case _:
            return _leaf(chance)


def _key(chance: random.Random) -> Any:
    return chance.choice(
        (chance.choice(TEXTS), chance.choice(NUMBERS), (chance.randrange(3), chance.choice(TEXTS)), 1.5)
    )


def _leaf(chance: random.Random) -> Any:
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: chance.choice(TEXTS),
        lambda: chance.choice(NUMBERS),
        lambda: chance.choice(REALS),
        lambda: chance.randbytes(chance.randrange(4)),
        lambda: chance.choice((True, False, None)),
        lambda: chance.random(),
        lambda: chance.choice(([], (), {}, set(), frozenset())),
        lambda: np.zeros(chance.choice((0, 1, (1, 2), (2, 1))), chance.choice(("f4", "f8", "i8", "?"))),
    )
    return chance.choice(kinds)()


def oracle(value: Any) -> str:
    """The value as text that is the same for the same value only."""
    kind = type(value).__name__
    match value:
        case dict():
            return f"{kind}{[(oracle(key), oracle(item)) for key, item in value.items()]}"
        case set() | frozenset():
            return f"{kind}{sorted(map(oracle, value))}"
        case list() | tuple():
            return f"{kind}{list(map(oracle, value))}"
        case np.ndarray():
            return f"{kind}{value.dtype}{value.shape}{value.tobytes()!r}"
        case _:
            return f"{kind}{value!r}"
