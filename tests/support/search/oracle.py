"""Random filters and orders, and what they mean, said again in Python: nothing of the server's is used here."""

import math
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ASPECTS = ("last", "min", "max")


@dataclass(kw_only=True)
class Known:
    """What was said about a model."""

    hash: str
    name: str | None
    description: str | None
    created_at: datetime
    updated_at: datetime
    step: int
    status: str | None
    tags: list[str]
    config: dict[str, Any]
    modules: dict[str, dict[str, Any]] = field(default_factory=dict)  # the newest of each name
    points: list[tuple[str, str | None, Any]] = field(default_factory=list)  # name, phase, value


def _escaped(sign: str) -> str:
    return f"\\{sign}" if sign.isascii() and not sign.isalnum() and not sign.isspace() else sign


Holds = Callable[[Known], bool]


@dataclass(frozen=True)
class Operand:
    """A field as it is written, and its value: a scalar, a list of texts, or None."""

    text: str
    kind: str  # text | number | time | status | tags | any
    of: Callable[[Known], Any]


def inside(value: Any, path: Sequence[str | int]) -> Any:
    """The scalar in nested dictionaries and lists that a path leads to."""
    for part in path:
        is_item = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if not (is_item or (isinstance(value, dict) and part in value)):
            return None
        value = value[part]
    return None if isinstance(value, dict | list) else value


def configured(known: Known, path: Sequence[str | int]) -> Any:
    return inside(known.config, path)


def modular(known: Known, path: Sequence[str | int]) -> Any:
    return inside(known.modules, path)


def measured(known: Known, name: str, phase: str | None, aspect: str) -> float | None:
    """The last, smallest or largest number; phase None: of all points, "": of those without one."""
    values = [value for each, its, value in known.points if each == name and (phase is None or (its or "") == phase)]
    numbers = [float(value) if is_number(value) else None for value in values]
    if aspect == "last":
        return numbers[-1] if numbers else None
    finite = [number for number in numbers if number is not None]
    return (min if aspect == "min" else max)(finite, default=None)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


CONFIG: dict[str, tuple[str | int, ...]] = {
    "config.lr": ("lr",),
    "config.mixed": ("mixed",),
    "config.net.width": ("net", "width"),
    'config."net".layers.1': ("net", "layers", 1),
    'config."a.b"': ("a.b",),
    "config.a.b": ("a", "b"),
    "config.nothing": ("nothing",),
    "config.net": ("net",),
}
MODULES: dict[str, tuple[str | int, ...]] = {
    "modules.optimizer.lr": ("optimizer", "lr"),
    "modules.optimizer.name": ("optimizer", "name"),
    "modules.'data set'.\"it's\"": ("data set", "it's"),
}
METRICS = {"loss": "loss", '"val/acc"': "val/acc", "note": "note", "nothing": "nothing"}
PHASES = {"": None, "[train]": "train", "['test']": "test", '[""]': ""}


def operands() -> list[Operand]:
    """All kinds of fields, written in several ways."""
    found = [
        Operand("name", "text", lambda known: known.name),
        Operand("hash", "text", lambda known: known.hash),
        Operand("description", "text", lambda known: known.description),
        Operand("created_by", "text", lambda known: "admin"),
        Operand("step", "number", lambda known: known.step),
        Operand("created_at", "time", lambda known: known.created_at),
        Operand("updated_at", "time", lambda known: known.updated_at),
        Operand("status", "status", lambda known: known.status),
        Operand("tags", "tags", lambda known: known.tags or None),
    ]
    found += [Operand(text, "any", partial(configured, path=path)) for text, path in CONFIG.items()]
    found += [Operand(text, "any", partial(modular, path=path)) for text, path in MODULES.items()]
    for shown, name in METRICS.items():
        for brackets, phase in PHASES.items():
            for aspect in ASPECTS:
                of = partial(measured, name=name, phase=phase, aspect=aspect)
                found.append(Operand(f"metrics.{shown}{brackets}.{aspect}", "number", of))
    return found


class Writer:
    """Writes filters and orders by chance, each with what it means."""

    def __init__(self, seed: int, models: Sequence[Known]) -> None:
        self._chance = random.Random(seed)
        self._models = models
        self._operands = operands()

    def filter(self, depth: int = 3) -> tuple[str, Holds]:
        """A filter, and whether it holds for a model."""
        shape = self._chance.random()
        if depth == 0 or shape < 0.3:
            return self._comparison()
        if shape < 0.45:
            text, holds = self.filter(depth - 1)
            return f"{self._word('not')} ({text})", lambda known: not holds(known)
        parts = [self.filter(depth - 1) for _ in range(self._chance.choice((2, 2, 3)))]
        of, joined = self._chance.choice((("and", all), ("or", any)))
        text = f" {self._word(of)} ".join(f"({text})" for text, _ in parts)
        return text, lambda known: joined(holds(known) for _, holds in parts)

    def order(self) -> tuple[str, Callable[[list[Known]], list[Known]]]:
        """An order, and models as it puts them."""
        count = self._chance.choice((0, 1, 1, 2, 3))
        keys = [
            (operand, self._chance.random() < 0.5)
            for operand in self._chance.sample([each for each in self._operands if each.kind != "tags"], count)
        ]
        words = [
            f"{operand.text}{self._word(' desc' if last_first else self._chance.choice(('', ' asc')))}"
            for operand, last_first in keys
        ]
        return ", ".join(words), lambda models: ordered(models, keys)

    def _comparison(self) -> tuple[str, Holds]:
        operand = self._chance.choice(self._operands)
        if self._chance.random() < 0.15:
            text = f"{operand.text} {self._word('is null')}"
            return text, lambda known: operand.of(known) is None
        if self._chance.random() < 0.1:
            text = f"{operand.text} {self._word('is not null')}"
            return text, lambda known: operand.of(known) is not None
        if operand.kind in ("text", "any", "tags") and self._chance.random() < 0.25:
            return self._chance.choice((self._like, self._matched))(operand)
        return self._beside_values(operand)

    def _like(self, operand: Operand) -> tuple[str, Holds]:
        is_not = operand.kind != "tags" and self._chance.random() < 0.3
        sample = self._value(operand, str)
        signs = [self._chance.choice((re.sub(r"([%_\\])", r"\\\1", sign), sign, "_", "%")) for sign in sample]
        # A lone backslash stands for nothing.
        pattern = "".join("\\\\" if sign == "\\" else sign for sign in signs)
        text = f"{operand.text} {self._word('not like' if is_not else 'like')} {self._quoted(pattern)}"
        return text, lambda known: some(operand.of(known), lambda value: matches(value, pattern) != is_not)

    def _matched(self, operand: Operand) -> tuple[str, Holds]:
        """Expressions that mean the same to Python and to RE2."""
        is_not = operand.kind != "tags" and self._chance.random() < 0.3
        sample = self._value(operand, str)
        begin = self._chance.randint(0, len(sample))
        signs = [
            self._chance.choice((_escaped(sign), _escaped(sign), ".", ".*", f"[{_escaped(sign)}x]")) for sign in sample
        ]
        pattern = self._chance.choice(("", "^", "(?i)")) + "".join(signs[begin : begin + self._chance.randint(0, 6)])
        text = f"{operand.text} {'!~' if is_not else '~'} {self._quoted(pattern)}"
        is_there = re.compile(pattern).search

        def holds(value: Any) -> bool:
            return (isinstance(value, str) and is_there(value) is not None) != is_not

        return text, lambda known: some(operand.of(known), holds)

    def _beside_values(self, operand: Operand) -> tuple[str, Holds]:
        operators = {"tags": ["=", "in"], "status": ["=", "!=", "in", "not in"]}
        operator = self._chance.choice(operators.get(operand.kind, ["=", "!=", "<", "<=", ">", ">=", "in", "not in"]))
        is_order = operator in ("<", "<=", ">", ">=")
        count = self._chance.randint(1, 4) if "in" in operator else 1
        values = [self._value(operand, float if is_order and operand.kind == "any" else None) for _ in range(count)]
        shown = [self._shown(value) for value in values]
        listed = f"({', '.join(shown)})" if "in" in operator else shown[0]
        space = self._chance.choice(("", " ")) if is_order or "=" in operator else " "
        text = f"{operand.text}{space}{self._word(operator)}{space}{listed}"
        return text, lambda known: some(operand.of(known), lambda value: compares(value, operator, values))

    def _value(self, operand: Operand, type_: type | None) -> Any:
        """A value to compare with: often one that some model has."""
        if operand.kind == "status":
            return self._chance.choice(("running", "finished", "failed", "lost"))
        met = [value for known in self._models for value in listed(operand.of(known))]
        if type_ is not None:  # no boolean has an order, and only texts are like a pattern
            kinds = ("text", "number") if type_ is float else ("text",)
            met = [value for value in met if kind_of(value) in kinds]
        if met and self._chance.random() < 0.8:
            return self._chance.choice(met)
        if type_ is str or operand.kind in ("text", "tags"):
            return self._chance.choice(("", "a", "B%", "ü_☃", "it's", '"', "x\\y", "[a-z]*?"))
        if operand.kind == "time":
            return EPOCH + timedelta(days=self._chance.randint(-100, 40_000))
        return self._chance.choice((0, 1, -1, 0.5, 1e300, -1e300, 2**53 + 1, 3.5, 10**30))

    def _shown(self, value: Any) -> str:
        if isinstance(value, bool):
            return self._word(str(value).lower())
        if isinstance(value, datetime):
            value = self._chance.choice((value, value.astimezone(tz=None), value.replace(tzinfo=None))).isoformat()
        return self._quoted(value) if isinstance(value, str) else repr(value)

    def _quoted(self, text: str) -> str:
        quote = self._chance.choice("'\"")
        return quote + text.replace(quote, quote * 2) + quote

    def _word(self, word: str) -> str:
        return self._chance.choice((word, word, word.upper()))


def listed(value: Any) -> list[Any]:
    """A value as a list: of tags all, of nothing none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def some(value: Any, holds: Callable[[Any], bool]) -> bool:
    """Whether it holds for a value, or one of several; never where there is none."""
    return any(holds(each) for each in listed(value))


def kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "truth"
    return "text" if isinstance(value, str) else "time" if isinstance(value, datetime) else "number"


def compares(value: Any, operator: str, others: Sequence[Any]) -> bool:
    """A comparison of values that are there. One of another type is another value, and neither before nor after."""
    value, *others = map(as_double, (value, *others))
    is_one_of = any(kind_of(value) == kind_of(other) and value == other for other in others)
    if operator in ("=", "in"):
        return is_one_of
    if operator in ("!=", "not in"):
        return not is_one_of
    other = others[0]
    if kind_of(value) != kind_of(other):
        return False
    return bool({"<": value < other, "<=": value <= other, ">": value > other, ">=": value >= other}[operator])


def as_double(value: Any) -> Any:
    return float(value) if kind_of(value) == "number" else value


def matches(value: Any, pattern: str) -> bool:
    """LIKE, of texts."""
    signs = {"%": ".*", "_": "."}
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    expression = "".join(re.escape(part[1]) if len(part) == 2 else signs.get(part, re.escape(part)) for part in parts)
    return isinstance(value, str) and re.fullmatch(expression, value, re.DOTALL) is not None


def ordered(models: list[Known], keys: Sequence[tuple[Operand, bool]]) -> list[Known]:
    """Models in the order of their creation, as several keys put them."""
    for operand, descending in reversed(keys):
        groups: dict[str, list[Known]] = {kind: [] for kind in ("number", "time", "text", "truth", "none")}
        for known in models:
            value = operand.of(known)
            groups["none" if value is None else kind_of(value)].append(known)
        for kind in ("number", "time", "text", "truth"):
            groups[kind].sort(key=lambda known: as_double(operand.of(known)), reverse=descending)
        models = [known for group in groups.values() for known in group]
    return models
