"""Code as text that says what it computes: the same for every Python, whatever its comments, layout and annotations."""

import ast
import copy
import symtable
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from xpstore._identity.source import FunctionNode, Node

# Positions, contexts and declarations that follow from the rest or change nothing.
_OMITTED = frozenset({"ctx", "kind", "simple", "type_comment", "type_params"})
# Takes the place of the definition's own name when its scopes are looked at: no program has a variable of this name.
_PLACEHOLDER = "_xpstore_definition"


@dataclass(frozen=True, slots=True, order=True)
class Import:
    """An import inside a function: what to load, and what is bound to the name: a module or an attribute of it."""

    load: str
    level: int
    bound: str
    attribute: str


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A dotted name whose first name is not the definition's own; `imports` are those inside it that bind that name."""

    names: tuple[str, ...]
    imports: tuple[Import, ...] = ()


@dataclass(frozen=True, slots=True)
class Code:
    """What a definition says.

    Attributes:
        text: the canonical text.
        references: the names it takes from elsewhere, sorted.
        attributes: for a class, the plain names that its body assigns, sorted.
        summary: the beginning of it for people.
    """

    text: str
    references: tuple[Reference, ...]
    attributes: tuple[str, ...]
    summary: str


def read_code(node: Node, free: Iterable[str] = ()) -> Code:
    """Reads a definition. `free` are the names that it takes from functions around it."""
    bare = _Bare().visit(copy.deepcopy(node))
    if not isinstance(bare, ast.ClassDef):  # what is called is the decorated object, and its defaults are values
        bare.decorator_list = []
        bare.args.defaults = []
        bare.args.kw_defaults = [None] * len(bare.args.kwonlyargs)
    return Code(
        text=serialize(bare),
        references=tuple(sorted(_references(bare, tuple(free)))),
        attributes=tuple(sorted(_assigned(bare))) if isinstance(bare, ast.ClassDef) else (),
        summary=ast.unparse(bare)[:256],
    )


class _Bare(ast.NodeTransformer):
    """Takes away docstrings, `pass` and annotations, except those of the fields of a class."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list) and statements:
                setattr(node, name, [one for one in statements if not _is_idle(one)] or [ast.Pass()])
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: FunctionNode) -> ast.AST:
        node.returns = None
        return self.generic_visit(_without_type_parameters(node))

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):
                statement.simple = -1  # a field: a dataclass reads its annotation
        return self.generic_visit(_without_type_parameters(node))

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        if node.simple == -1:
            node.simple = 1
            return node
        if node.value is None:
            return ast.Pass()
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)


def _without_type_parameters(node: Node) -> Node:
    if "type_params" in node._fields:  # Python 3.12
        setattr(node, "type_params", [])  # noqa: B010
    return node


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


def _references(node: Node, free: tuple[str, ...]) -> Iterator[Reference]:
    outer = {*free, *_globals(node, free)}
    imports = _imports(node)
    chains = _Chains()
    chains.visit(node)
    for names in chains.found:
        if names[0] in outer:
            yield Reference(names)
        if names[0] in imports:
            yield Reference(names, tuple(sorted(imports[names[0]])))


def _globals(node: Node, free: tuple[str, ...]) -> set[str]:
    """The names that Python looks up in the module, by its own rules of scope."""
    inner = copy.copy(node)
    inner.name = _PLACEHOLDER
    bindings = [ast.Assign(targets=[ast.Name(name, ast.Store())], value=ast.Constant(None)) for name in free]
    around = ast.parse(f"def {_PLACEHOLDER}(): pass")
    around.body[0].body = [*bindings, inner]  # type: ignore[attr-defined]
    table = symtable.symtable(ast.unparse(ast.fix_missing_locations(around)), "<code>", "exec")
    return {symbol.get_name() for scope in _scopes(table) for symbol in scope.get_symbols() if symbol.is_global()}


def _scopes(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _scopes(child)


class _Chains(ast.NodeVisitor):
    """Collects names with the attributes taken of them: `helpers.images.prepare`."""

    def __init__(self) -> None:
        self.found: set[tuple[str, ...]] = set()

    def visit_Attribute(self, node: ast.Attribute) -> None:
        names = [node.attr]
        value = node.value
        while isinstance(value, ast.Attribute):
            names.append(value.attr)
            value = value.value
        if isinstance(value, ast.Name):
            self.found.add((value.id, *reversed(names)))
        else:
            self.visit(value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):  # read, too
            self.found.add((node.target.id,))
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Store):
            self.found.add((node.id,))


def _imports(node: ast.AST) -> dict[str, set[Import]]:
    found: dict[str, set[Import]] = {}
    for statement in ast.walk(node):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                top = alias.name.partition(".")[0]
                bound = alias.name if alias.asname else top
                found.setdefault(alias.asname or top, set()).add(Import(alias.name, 0, bound, ""))
        elif isinstance(statement, ast.ImportFrom):
            module = statement.module or ""
            for alias in statement.names:
                one = Import(module, statement.level, module, alias.name)
                found.setdefault(alias.asname or alias.name, set()).add(one)
    return found


def _assigned(node: ast.ClassDef) -> Iterator[str]:
    for statement in node.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign | ast.AugAssign):
            targets = [statement.target]
        yield from (one.id for one in targets if isinstance(one, ast.Name) and not one.id.startswith("__"))
