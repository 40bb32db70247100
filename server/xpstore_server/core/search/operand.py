"""What filters compare: which fields there are, and which values go with each."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import re2
from lark import Token

from xpstore_server.core import limits
from xpstore_server.store.attributes import path_of, searched

Value = str | int | float | bool

TEXTS = ("name", "hash", "description", "created_by", "updated_by", "host", "git_commit")
TIMES = ("created_at", "updated_at", "heartbeat_at")
STATUSES = ("running", "finished", "failed", "lost")
DIGITS = 32  # a double has 17
EXPRESSION_BYTES = 1 << 20  # of a compiled one
NAMES = (*TEXTS, *TIMES, "step", "duration", "status", "tags")


@dataclass(frozen=True, slots=True)
class Column:
    """What every model may have: one of NAMES."""

    name: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """A value in the config, or in the newest module of a name."""

    path: str  # as in `store/attributes.py`


@dataclass(frozen=True, slots=True)
class Measure:
    """The last, smallest or largest number of a metric, over all phases if none is given ("": points without one)."""

    name: str
    phase: str | None
    of: Literal["last", "min", "max", "last_step", "min_step", "max_step"]

    @property
    def is_step(self) -> bool:
        """Whether it is the step of a number: that can be shown, and neither filters nor orders."""
        return self.of.endswith("_step")


Field = Column | Attribute | Measure


class Step(NamedTuple):
    """A part of a field after its first word, and what is in brackets behind it."""

    part: Token
    phase: Token | None


class Refused(Exception):
    """A text that is not understood, or not allowed, at a position."""

    def __init__(self, position: int, fix: str) -> None:
        super().__init__(fix)
        self.position = position
        self.fix = fix


def place_of(token: Token) -> int:
    """Where a token begins."""
    return int(token.start_pos or 0)


def resolve(name: Token, steps: Sequence[Step]) -> Field:
    """The field that is meant."""
    if name == "metrics":
        return _measure(name, steps)
    for step in steps:
        if step.phase is not None:
            raise Refused(place_of(step.phase), "only metrics have phases")
    parts = [unquoted(step.part) for step in steps]
    if name in ("config", "modules"):
        if len(parts) < (1 if name == "config" else 2):
            example = "config.lr" if name == "config" else "modules.optimizer.lr"
            raise Refused(place_of(name), f"name an attribute, as in {example}")
        return Attribute(path_of(str(name), *parts))
    if name not in NAMES:
        raise Refused(place_of(name), f"expected a field: {', '.join(NAMES)}, config., modules. or metrics.")
    if steps:
        raise Refused(place_of(steps[0].part), f"`{name}` has no parts")
    return Column(str(name))


def _measure(name: Token, steps: Sequence[Step]) -> Measure:
    example = (
        'write metrics.NAME.last, .min or .max; a name with dots or slashes in quotes: metrics."val/acc"[test].max'
    )
    if len(steps) < 2:
        raise Refused(place_of(name), example)
    (metric, phase), (of, none), *more = steps
    if of not in ("last", "min", "max", "last_step", "min_step", "max_step") or none is not None or more:
        raise Refused(place_of(more[0].part if more else none or of), example)
    return Measure(unquoted(metric), None if phase is None else unquoted(phase), of.value)


def unquoted(token: Token) -> str:
    """The text that is meant by a quoted or bare one. A quote inside is doubled, and nothing else is special."""
    if token.type != "TEXT":
        return str(token)
    quote = token[0]
    return token[1:-1].replace(quote * 2, quote)


def checker(field: Field, operator: str, at: Token) -> Callable[[Token], Value]:
    """What reads the values that stand beside a field after an operator."""
    if operator in ("like", "matches"):
        if not (isinstance(field, Attribute) or (isinstance(field, Column) and field.name in (*TEXTS, "tags"))):
            raise Refused(place_of(at), f"`{at}` is for texts")
        return _pattern if operator == "like" else _expression
    match field:
        case Attribute():
            return _any if operator == "in" else _ordered
        case Measure() | Column("duration"):
            return lambda token: float(_number(token))
        case Column("step"):
            return lambda token: _step(operator, _number(token))
        case Column(name) if name in TIMES:
            return _time
        case Column("tags" | "status") if operator != "in":
            raise Refused(place_of(at), f"`{field.name}` has no order")
        case Column("status"):
            return _status
    return _text


def _number(token: Token) -> int | float:
    if token.type != "NUMBER":
        raise Refused(place_of(token), "expected a number")
    if sum(map(str.isdigit, token)) > DIGITS:
        raise Refused(place_of(token), f"a number has at most {DIGITS} digits")
    if not math.isfinite(float(token)):
        raise Refused(place_of(token), "expected a number that a double can hold")
    return int(token) if re.fullmatch(r"[+-]?[0-9]+", token) else float(token)


def _step(operator: str, number: int | float) -> int:
    """The integer that steps compare with as they do with a number. None is negative, or as great as 2^62 and one."""
    if operator == "in" and number != int(number):
        return -1
    integer = math.floor(number) if operator in ("<=", ">") else math.ceil(number)
    return min(max(integer, -1), limits.STEP + 1)


def _text(token: Token) -> Value:
    if token.type != "TEXT":
        raise Refused(place_of(token), "expected a quoted text")
    return unquoted(token)


def _pattern(token: Token) -> Value:
    text = unquoted(token)
    if re.fullmatch(r"(?:[^\\]|\\[%_\\])*", text, re.DOTALL) is None:
        raise Refused(place_of(token), r"a backslash must be followed by `%`, `_` or another one")
    return text


def _expression(token: Token) -> Value:
    try:
        return str(compiled(unquoted(token)).pattern)
    except re2.error as error:
        told = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else error.args[0]
        raise Refused(place_of(token), f"no regular expression of RE2: {told}") from None


def compiled(pattern: str) -> Any:
    """A regular expression that takes time and memory by what it looks at, whatever it is.

    Raises:
        re2.error: it is none, or is too large.
    """
    options = re2.Options()
    options.log_errors, options.max_mem = False, EXPRESSION_BYTES
    return re2.compile(pattern, options)


def _ordered(token: Token) -> Value:
    if token.type in ("TRUE", "FALSE"):
        raise Refused(place_of(token), "expected a number or a quoted text: `true` and `false` have no order")
    return searched(unquoted(token)) if token.type == "TEXT" else float(_number(token))


def _any(token: Token) -> Value:
    return token.type == "TRUE" if token.type in ("TRUE", "FALSE") else _ordered(token)


def _status(token: Token) -> Value:
    if token.type != "TEXT" or unquoted(token) not in STATUSES:
        raise Refused(place_of(token), f"expected one of {', '.join(map(repr, STATUSES))}")
    return unquoted(token)


def _time(token: Token) -> Value:
    try:
        time = datetime.fromisoformat(unquoted(token) if token.type == "TEXT" else "")
        time = time if time.tzinfo else time.replace(tzinfo=UTC)
        return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise Refused(place_of(token), "expected a time such as '2026-11-22' or '2026-11-22T10:00:00Z'") from None
