"""The language of search: text becomes a tree of comparisons, or an error that points at a column.

Nothing of the text reaches a database but the values, and those as parameters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

from lark import Lark, Token, Transformer, UnexpectedInput, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.search import operand
from xpstore_server.core.search.operand import Column, Field, Refused, Value

# `matches` becomes `among` many values once it is known which there are (`patterns.py`).
Operator = Literal["in", "<", "<=", ">", ">=", "like", "exists", "matches", "among"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field beside values. `=` is `in` one value. Where there is no value it is false, negated or not."""

    field: Field
    operator: Operator
    values: tuple[Value, ...] = ()
    is_negated: bool = False
    depth: int = 1


@dataclass(frozen=True, slots=True)
class Not:
    """True where the part is false."""

    part: "Condition"
    depth: int


@dataclass(frozen=True, slots=True)
class Several:
    """All of the parts, or any of them."""

    of: Literal["all", "any"]
    parts: tuple["Condition", ...]
    depth: int


Condition = Comparison | Not | Several


@dataclass(frozen=True, slots=True)
class OrderKey:
    """What models are ordered by."""

    field: Field
    descending: bool


def parse_filter(text: str) -> Condition | None:
    """Reads a filter; None if it is empty: all models.

    Raises:
        InvalidArgument: it is no filter, compares what cannot be compared, or is too large.
    """
    if not text.strip():
        return None
    condition: Condition = _parse("filter", text)
    if _count(condition) > limits.FILTER_COMPARISONS:
        most = limits.FILTER_COMPARISONS
        fix = f"must have at most {most} comparisons"
        raise InvalidArgument("filter", text, fix, limit="max_filter_comparisons", expected=most)
    return condition


def _count(condition: Condition) -> int:
    match condition:
        case Not(part=part):
            return _count(part)
        case Several(parts=parts):
            return sum(map(_count, parts))
    return 1


def parse_order(text: str) -> tuple[OrderKey, ...]:
    """Reads an order, () if it is empty.

    Raises:
        InvalidArgument: it is no order, or is too long.
    """
    keys: tuple[OrderKey, ...] = _parse("order", text) if text.strip() else ()
    return keys


def parse_column(name: str, text: str) -> Field:
    """Reads a field, for the value that it has in each model. `name` is that of the request's field.

    Raises:
        InvalidArgument: it is no field.
    """
    named: _Named = _parse("column", text, name)
    return named.field


def _parse(start: Literal["filter", "order", "column"], text: str, name: str = "") -> Any:
    name = name or {"order": "order_by"}.get(start, start)
    if len(text.encode()) > limits.FILTER_BYTES:
        raise InvalidArgument(name, text, f"must have at most {limits.FILTER_BYTES} bytes")
    if "\x00" in text:
        raise _error(name, text, Refused(text.index("\x00"), "NUL is not allowed"))
    try:
        return _PARSERS[start].parse(text)
    except UnexpectedInput as error:
        raise _error(name, text, _explained(error, text)) from None
    except Refused as refusal:
        raise _error(name, text, refusal) from None


def _error(name: str, text: str, refusal: Refused) -> InvalidArgument:
    before = text[: refusal.position]
    line, column = before.count("\n") + 1, refusal.position - before.rfind("\n")
    place = f"column {column}" if "\n" not in text else f"line {line}, column {column}"
    return InvalidArgument(name, text, f"{place}: {refusal.fix}", column=refusal.position + 1)


# What the parser may have expected, in words.
_WORDS = {
    "NAME": "a field",
    "NOT": "`not`",
    "LPAR": "`(`",
    "NUMBER": "a number",
    "TEXT": "a quoted text",
    "TRUE": "`true`",
    "FALSE": "`false`",
    "NULL": "`null`",
    "PART": "a name",
    "OPERATOR": "`=`, `!=`, `<`, `<=`, `>`, `>=`",
    "IN": "`in`",
    "LIKE": "`like`",
    "MATCH": "`~`",
    "IS": "`is`",
    "DOT": "`.`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "_AND": "`and`",
    "_OR": "`or`",
    "RPAR": "`)`",
    "ASC": "`asc`",
    "DESC": "`desc`",
    "COMMA": "`,`",
    "$END": "the end",
}


# What other languages write: of two signs the second is not understood, the others stand where `and` and `or` may.
_HABITS = {"==": "write `=`", "<>": "write `!=`", "&": "write `and`", "|": "write `or`"}


def _explained(error: UnexpectedInput, text: str) -> Refused:
    position, expected = len(text), set[str]()
    if isinstance(error, UnexpectedToken):
        expected = error.accepts or error.expected
        if error.token.type != "$END":
            position = error.token.start_pos or 0
    elif isinstance(error, UnexpectedCharacters):
        position, expected = error.pos_in_stream or 0, error.allowed or set()
    rest = text[position:].lower()
    if habit := _HABITS.get(text[max(position - 1, 0) : position + 1]) or (
        "_AND" in expected and _HABITS.get(rest[:1])
    ):
        return Refused(position, habit)
    if "TRUE" in expected and rest.startswith("null"):
        return Refused(position, "write `is null` or `is not null`")
    if rest.startswith(("'", '"')) and ("TEXT" in expected or "PART" in expected):
        return Refused(position, "this quote is not closed")
    *words, last = [word for terminal, word in _WORDS.items() if terminal in expected] or ["the end"]
    return Refused(position, f"expected {', '.join(words)} or {last}" if words else f"expected {last}")


@v_args(inline=True)
class _Builder(Transformer[Token, Any]):
    """Makes the tree while the parser reads, so that nothing recurses however deep the text is nested."""

    def filter(self, condition: Condition) -> Condition:
        return condition

    def any(self, *parts: Any) -> Condition:
        return _several("any", parts)

    def all(self, *parts: Any) -> Condition:
        return _several("all", parts)

    def denial(self, not_: Token, part: Condition) -> Condition:
        if isinstance(part, Not):
            return part.part
        return Not(part, _deeper(not_, part))

    def compared(self, field: "_Named", operator: Token, value: Token) -> Comparison:
        is_equality = operator in ("=", "!=")
        return _comparison(field, "in" if is_equality else str(operator), (value,), operator, operator == "!=")

    def listed(self, field: "_Named", *rest: Token) -> Comparison:
        operator, *values = (token for token in rest if token.type != "NOT")
        return _comparison(field, "in", tuple(values), operator, rest[0].type == "NOT")

    def alike(self, field: "_Named", *rest: Token) -> Comparison:
        return _comparison(field, "like", (rest[-1],), rest[-2], rest[0].type == "NOT")

    def matched(self, field: "_Named", operator: Token, value: Token) -> Comparison:
        return _comparison(field, "matches", (value,), operator, operator == "!~")

    def absent(self, field: "_Named", *rest: Token) -> Condition:
        _refuse_step(field)
        there = Comparison(field.field, "exists")
        return there if rest[1].type == "NOT" else Not(there, 2)

    def order(self, *keys: tuple["_Named", OrderKey]) -> tuple[OrderKey, ...]:
        if len(keys) > limits.ORDER_KEYS:
            raise Refused(keys[limits.ORDER_KEYS][0].position, f"there are at most {limits.ORDER_KEYS} keys")
        return tuple(key for _, key in keys)

    def column(self, field: "_Named") -> "_Named":
        return field

    def key(self, field: "_Named", direction: Token | None = None) -> tuple["_Named", OrderKey]:
        _refuse_step(field)
        if field.field == Column("tags"):
            raise Refused(field.position, "models cannot be ordered by `tags`: they may have several")
        return field, OrderKey(field.field, direction is not None and direction.type == "DESC")

    def field(self, name: Token, *steps: operand.Step) -> "_Named":
        return _Named(operand.resolve(name, steps), operand.place_of(name))

    def step(self, part: Token, phase: Token | None = None) -> operand.Step:
        return operand.Step(part, phase)

    def value(self, token: Token) -> Token:
        return token


@dataclass(frozen=True, slots=True)
class _Named:
    field: Field
    position: int


def _several(of: Literal["all", "any"], parts: tuple[Condition, ...]) -> Condition:
    if len(parts) == 1:
        return parts[0]
    depth = 1 + max(part.depth for part in parts)
    if depth > limits.FILTER_DEPTH:
        raise Refused(0, f"conditions may be nested at most {limits.FILTER_DEPTH} deep")
    return Several(of, parts, depth)


def _deeper(token: Token, part: Condition) -> int:
    if part.depth >= limits.FILTER_DEPTH:
        raise Refused(operand.place_of(token), f"conditions may be nested at most {limits.FILTER_DEPTH} deep")
    return part.depth + 1


def _refuse_step(named: _Named) -> None:
    if isinstance(named.field, operand.Measure) and named.field.is_step:
        raise Refused(named.position, f"`.{named.field.of}` can be a column, and neither filters nor orders")


def _comparison(named: _Named, operator: str, values: tuple[Token, ...], at: Token, is_negated: bool) -> Comparison:
    _refuse_step(named)
    if is_negated and named.field == Column("tags"):
        raise Refused(operand.place_of(at), "a model may have several tags: write `not` before the whole comparison")
    check: Callable[[Token], Value] = operand.checker(named.field, operator, at)
    return Comparison(named.field, cast(Operator, operator), tuple(map(check, values)), is_negated)


def _parser(start: str) -> Lark:
    return Lark.open("filter.lark", rel_to=__file__, start=start, parser="lalr", transformer=_Builder())


_PARSERS = {start: _parser(start) for start in ("filter", "order", "column")}
