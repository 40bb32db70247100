"""The syntax tree of code that runs: found in its source, and checked to be what was compiled."""

import __future__

import ast
import functools
import inspect
import linecache
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any

from xpstore.errors import InvalidArgument

CURE = "declare `version=`"

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
Node = FunctionNode | ast.ClassDef

# The only feature that changes what today's Pythons compile.
_FUTURE = __future__.annotations.compiler_flag


def find_function(function: FunctionType) -> FunctionNode:
    """Returns the definition of a function.

    Raises:
        InvalidArgument: there is no source, or not the one that the running code was compiled from.
    """
    code = function.__code__
    for definitions in _sources(code, function.__globals__):
        nearest = sorted(definitions[code.co_qualname], key=lambda found: abs(_line(found[1]) - _line(code)))
        for node, compiled in nearest:
            if not isinstance(node, ast.ClassDef) and _is_same(code, compiled):
                return node
    raise _mismatch(code.co_qualname, code.co_filename)


def find_class(cls: type) -> ast.ClassDef:
    """Returns the definition of a class. It is checked by its methods: nothing else of it is left to compare.

    Raises:
        InvalidArgument: as for `find_function`.
    """
    methods = own_methods(cls)
    module = sys.modules.get(cls.__module__)
    if methods:
        sources = _sources(methods[0].__code__, methods[0].__globals__)
    else:
        sources = _texts(getattr(module, "__file__", None) or "", cls.__qualname__, vars(module) if module else {}, 0)
    for definitions in sources:
        nodes = [
            node
            for node, compiled in definitions[cls.__qualname__]
            if isinstance(node, ast.ClassDef) and all(_holds(compiled, method.__code__) for method in methods)
        ]
        if len(nodes) > 1:
            lines = " and ".join(str(node.lineno) for node in nodes)
            raise InvalidArgument(
                f"{cls.__qualname__} is defined in lines {lines}, and which runs is not known: {CURE}"
            )
        if nodes:
            return nodes[0]
    raise _mismatch(cls.__qualname__, getattr(module, "__file__", None) or "its module")


def own_methods(cls: type) -> list[FunctionType]:
    """The functions that the text of a class defines; not those that a decorator such as `dataclass` made."""
    found = []
    for member in vars(cls).values():
        function = getattr(member, "__func__", member)  # of a static or class method
        if isinstance(member, property):
            function = member.fget
        function = inspect.unwrap(function) if callable(function) else None
        if isinstance(function, FunctionType) and function.__code__.co_qualname.startswith(f"{cls.__qualname__}."):
            found.append(function)
    return found


_Definitions = defaultdict[str, list[tuple[Node, CodeType]]]


def _sources(code: CodeType, module: dict[str, Any]) -> Iterator[_Definitions]:
    return _texts(code.co_filename, code.co_qualname, module, code.co_flags & _FUTURE)


def _texts(filename: str, name: str, module: Mapping[str, Any], flags: int) -> Iterator[_Definitions]:
    """First the file as it is, then the text that linecache has held for a while: that of an import long ago."""
    held = "".join(linecache.getlines(filename, dict(module)))
    linecache.checkcache(filename)
    fresh = "".join(linecache.getlines(filename, dict(module)))
    texts = [text for text in dict.fromkeys([fresh, held]) if text]
    if not texts:
        raise InvalidArgument(f"{name} has no source that could be read ({filename or 'no file'}): {CURE}")
    for text in texts:
        yield _definitions(text, filename, flags)


@functools.lru_cache(maxsize=32)
def _definitions(text: str, filename: str, flags: int) -> _Definitions:
    """All functions and classes of a source by qualified name, each with the code that it compiles to."""
    found: _Definitions = defaultdict(list)
    flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT  # cells of notebooks may have it
    try:
        tree = compile(text, filename, "exec", flags | ast.PyCF_ONLY_AST, dont_inherit=True)
        code = compile(tree, filename, "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError):  # edited just now, or no Python at all
        return found
    nodes = {
        (node.name, min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])): node
        for node in ast.walk(tree)
        if isinstance(node, Node)
    }
    for compiled in _nested(code):
        node = nodes.get((compiled.co_name, _line(compiled)))
        if node is not None:
            found[compiled.co_qualname].append((node, compiled))
    return found


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _holds(body: CodeType, method: CodeType) -> bool:
    return any(_is_same(method, compiled) for compiled in _nested(body) if compiled.co_name == method.co_name)


def _line(code: CodeType) -> int:
    return code.co_firstlineno


def _is_same(one: CodeType, other: CodeType) -> bool:
    return _shape(one) == _shape(other)


def _shape(code: CodeType) -> tuple[Any, ...]:
    """Code without its file and lines: moving a function does not make it another one."""
    return (
        code.co_name,
        code.co_code,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
        code.co_exceptiontable,
        tuple(map(_constant, code.co_consts)),
    )


def _constant(value: Any) -> Any:
    """A constant that equals another only if type and sign of zero do too."""
    if isinstance(value, CodeType):
        return _shape(value)
    if isinstance(value, tuple | frozenset):
        return type(value)(map(_constant, value))
    return type(value), repr(value)


def _mismatch(name: str, filename: str) -> InvalidArgument:
    return InvalidArgument(
        f"the code of {name} that runs is not that of {filename}: the file was edited after the import, or something "
        f"rewrote the code. Import it again, or {CURE}"
    )
