"""What the code of a function is: its text where that is proven to be what runs, else the code itself.

The proof is one step: a definition of the source is made bare, that alone is compiled, and the result compared with the
code that runs. So it does not matter how the source was compiled: as a module, cell by cell, or by hand; and that a
bare definition computes the same as the whole is shown each time. A text is the same for every Python; code without a
proof is of this one. It is never refused: a file edited since the import, a mock or a prompt has code all the same.
"""

import __future__

import ast
import functools
import linecache
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

from xpstore._identity.bytecode import PYTHON, ByCode, normal
from xpstore._identity.functions import module_of_code
from xpstore._identity.syntax import FunctionNode, bare, serialize
from xpstore._identity.values import fingerprint_plain

# Definitions of one name that are tried, the nearest to the line of the code first.
NEAREST = 8
# How often a text is parsed at most: Python 3.11 raises SystemError where another thread parses one meanwhile, which it
# may when the garbage collector calls code (python/cpython#106905).
PARSES = 50
# The only feature that changes what today's Pythons compile.
_FUTURE = __future__.annotations.compiler_flag
_AROUND = "_xpstore_around"


@dataclass(frozen=True, slots=True)
class Form:
    """What stands for a code object.

    Attributes:
        digest: fingerprint of the text or of the code.
        summary: the beginning of it for people; where there is no text, why.
    """

    digest: str
    summary: str


_known = ByCode[Form]()
# By the fingerprint of the instructions: the module of a function that has them, and the text that was proven to be
# them. One for each function that was met, some hundred bytes.
_proven: dict[str, tuple[str, Form]] = {}


def form_of(function: FunctionType) -> Form:
    """The form of a function's code."""
    return _known.get(function.__code__) or _known.keep(function.__code__, _form(function))


def _form(function: FunctionType) -> Form:
    code = function.__code__
    running = normal(code)
    of_code = fingerprint_plain(("code", PYTHON, repr(running)))
    for node in _candidates(function):
        text = bare(node)
        if any(normal(compiled) == running for compiled in _compiled(text, function)):
            optimized = sys.flags.optimize if _looks_at_debug(text) else 0
            digest = fingerprint_plain(("text", serialize(text), optimized))
            form = Form(digest, ast.unparse(text)[:256])
            _proven[of_code] = module_of_code(function), form
            return form
    summary = f"{code.co_name}: bytecode of Python {PYTHON}, as its source is not there or not what runs"
    return _proven[of_code][1] if of_code in _proven else Form(of_code, summary)


def proven_of(module: str) -> dict[str, tuple[str, Form]]:
    """The texts that were proven for functions of a module: for another process, which has the code and no source."""
    return {of_code: proof for of_code, proof in _proven.items() if proof[0] == module}


def take_proven(proven: dict[str, tuple[str, Form]]) -> None:
    """Takes what another process proved. It is of the instructions, so it cannot be wrong here."""
    _proven.update(proven)


def _candidates(function: FunctionType) -> Iterator[FunctionNode]:
    """The definitions of this name, those near the line of the code first; in the file as it is, then as it was."""
    code = function.__code__
    for text in _texts(code.co_filename, function.__globals__):
        found = _definitions(text)[code.co_name]
        yield from sorted(found, key=lambda node: abs(_first_line(node) - code.co_firstlineno))[:NEAREST]


def _texts(filename: str, module: dict[str, Any]) -> list[str]:
    held = "".join(linecache.getlines(filename, module))
    linecache.checkcache(filename)
    fresh = "".join(linecache.getlines(filename, module))
    return [text for text in dict.fromkeys([fresh, held]) if text]


@functools.lru_cache(maxsize=32)
def _definitions(text: str) -> defaultdict[str, list[FunctionNode]]:
    found: defaultdict[str, list[FunctionNode]] = defaultdict(list)
    try:
        tree = _parsed(text)
    except (SyntaxError, ValueError):  # edited just now, or a cell that begins with a magic
        return found
    for node in ast.walk(tree):
        if isinstance(node, FunctionNode):
            found["<lambda>" if isinstance(node, ast.Lambda) else node.name].append(node)
    return found


def _parsed(text: str) -> ast.Module:
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    left = PARSES
    while True:
        try:
            tree: ast.Module = compile(text, "<source>", "exec", flags, dont_inherit=True)
        except SystemError:
            left -= 1
            if not left:
                raise
        else:
            return tree


def _first_line(node: FunctionNode) -> int:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _compiled(node: FunctionNode, function: FunctionType) -> Iterator[CodeType]:
    """What a definition alone compiles to, in what is around it.

    The compiler emits other calls for `name.method()` where it saw the import of the name in the same unit: of a module
    those of its imports, of a cell maybe none.
    """
    code = function.__code__
    heads = [name for name in code_names(code) if name.isidentifier() and name in function.__globals__]
    modules = [name for name in heads if isinstance(function.__globals__[name], ModuleType)]
    for imported in dict.fromkeys([tuple(modules), (), tuple(heads)]):
        with_imports = [ast.Import(names=[ast.alias(name)]) for name in imported]
        unit = ast.Module(body=[*with_imports, _around(node, code)], type_ignores=[])
        flags = code.co_flags & _FUTURE
        try:
            whole = compile(ast.fix_missing_locations(unit), "<source>", "exec", flags, dont_inherit=True)
        except (SyntaxError, ValueError):
            continue
        yield from (one for one in _nested(whole) if one.co_name == code.co_name)


def code_names(code: CodeType) -> list[str]:
    """The names of a code object and of those inside it."""
    return list(dict.fromkeys(name for one in (code, *_nested(code)) for name in one.co_names))


def _around(node: FunctionNode, code: CodeType) -> ast.stmt:
    """A definition where it stands: in a class, whose name private names have; in a function with its cells."""
    statement: ast.stmt = ast.Expr(value=node) if isinstance(node, ast.Lambda) else node
    above = code.co_qualname.split(".")[:-1]
    if above and above[-1] != "<locals>":
        statement = ast.ClassDef(name=above[-1], bases=[], keywords=[], body=[statement], decorator_list=[])
    cells = [name for name in code.co_freevars if name != "__class__"]
    if cells:
        arguments = ast.arguments(
            posonlyargs=[], args=[ast.arg(name) for name in cells], kwonlyargs=[], kw_defaults=[], defaults=[]
        )
        statement = ast.FunctionDef(name=_AROUND, args=arguments, body=[statement], decorator_list=[])
    if "type_params" in ast.ClassDef._fields and isinstance(statement, ast.ClassDef | ast.FunctionDef):  # Python 3.12
        for one in ast.walk(statement):
            if isinstance(one, ast.ClassDef | ast.FunctionDef) and not hasattr(one, "type_params"):
                setattr(one, "type_params", [])  # noqa: B010
    return statement


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _looks_at_debug(node: ast.AST) -> bool:
    """Whether it computes something else under `python -O`."""
    return any(
        isinstance(one, ast.Assert) or (isinstance(one, ast.Name) and one.id == "__debug__") for one in ast.walk(node)
    )
