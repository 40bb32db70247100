"""Definitions as text that says what they compute: the same for every Python, whatever their comments and layout."""

import ast
import copy
from collections.abc import Callable
from typing import Any

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

# Positions, contexts and declarations that follow from the rest or change nothing.
_OMITTED = frozenset({"ctx", "kind", "simple", "type_comment", "type_params"})


def bare(node: FunctionNode) -> FunctionNode:
    """A definition without what does not change what it computes when it is called.

    Docstrings, `pass` and constants that stand alone go, wherever they are; of the definition itself also annotations,
    decorators and defaults: what is called is the decorated object, and its defaults are values. Those of functions
    inside it stay: they run when it does.
    """
    stripped = _Bare().visit(copy.deepcopy(node))
    arguments = stripped.args
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]:
        if argument is not None:
            argument.annotation = None
    arguments.defaults, arguments.kw_defaults = [], [None] * len(arguments.kwonlyargs)
    if not isinstance(stripped, ast.Lambda):
        stripped.decorator_list, stripped.returns = [], None
        if "type_params" in stripped._fields:  # Python 3.12
            setattr(stripped, "type_params", [])  # noqa: B010
    result: FunctionNode = stripped
    return result


class _Bare(ast.NodeTransformer):
    """Takes away what computes nothing."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list) and statements:
                setattr(node, name, [one for one in statements if not _is_idle(one)] or [ast.Pass()])
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):
                statement.simple = -1  # it runs, and data classes read it
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        if node.simple == -1:
            node.simple = 1
            return node
        if node.value is None:
            return ast.Pass()
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)


def _is_idle(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Pass) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def serialize(node: ast.AST) -> str:
    """Returns the canonical text of a syntax tree, as docs/process.md specifies it."""
    pieces: list[str] = []
    _write(node, pieces.append)
    return "".join(pieces)


def _write(value: Any, write: Callable[[str], None]) -> None:
    if isinstance(value, ast.Constant):
        write(f"(Constant {_constant(value.value)})")
    elif isinstance(value, ast.AST):
        write(f"({type(value).__name__}")
        for field in sorted(value._fields):
            child = getattr(value, field, None)
            if field in _OMITTED or child is None or child == []:
                continue
            write(f" {field}=")
            _write(_merged(child) if isinstance(value, ast.JoinedStr) else child, write)
        write(")")
    elif isinstance(value, list):
        write("[")
        for item in value:
            _write(item, write)
        write("]")
    else:  # a name, a level, a conversion, or None for a place that is left out of a list
        write(_constant(value))


def _constant(value: Any) -> str:
    """A constant with its type. What is not ASCII is escaped: which characters print differs between Pythons."""
    if isinstance(value, complex):
        return f"complex {value.real!r} {value.imag!r}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"int {value:x}"  # decimal digits of a huge one are limited
    return f"{type(value).__name__} {value!a}"


def _merged(values: list[ast.expr]) -> list[ast.expr]:
    """The pieces of an f-string with neighbouring texts as one: Pythons cut them differently."""
    merged: list[ast.expr] = []
    for value in values:
        last = merged[-1] if merged else None
        if not isinstance(value, ast.Constant):
            merged.append(value)
        elif isinstance(last, ast.Constant):
            merged[-1] = ast.Constant(str(last.value) + str(value.value))
        elif value.value != "":
            merged.append(value)
    return merged
