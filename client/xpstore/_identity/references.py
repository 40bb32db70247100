"""What code takes from elsewhere: read from its instructions, so that it is known also where there is no source."""

import dis
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType

from xpstore._identity.bytecode import ByCode, instructions

Chain = tuple[str, ...]

_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_GLOBALS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_CELLS = frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"})
_BETWEEN = frozenset({"SWAP", "POP_TOP", "ROT_TWO"})

# Names that look up others by text: the whole module of a function that has one counts.
_BY_TEXT = frozenset({"globals", "vars", "eval", "exec", "import_module", "__import__", "_getframe", "modules"})
# Names that read what is otherwise left out: docstrings and annotations, lines and sources.
_READS_TEXTS = frozenset(
    {"__doc__", "__annotations__", "getdoc", "signature", "get_type_hints", "getsource", "get_annotations"}
)
_READS_LINES = frozenset(
    {"f_lineno", "tb_lineno", "co_firstlineno", "co_lines", "getsource", "getsourcelines", "currentframe", "stack"}
)


@dataclass(frozen=True, slots=True, order=True)
class Import:
    """An import: what is loaded, from how many packages above, and what is bound: a module or an attribute of it.

    `chains` are the attributes that are taken of what it bound, where that is a module.
    """

    load: str
    level: int
    bound: str
    attribute: str
    chains: tuple[Chain, ...] = ()


@dataclass(slots=True)
class References:
    """What a code object refers to, those inside it included.

    Attributes:
        globals: dotted names that begin in the module, or among the builtins.
        cells: dotted names that begin in a function around it.
        imports: what it imports itself.
        names: all names and attributes, wherever they begin.
        docs: the docstrings of the functions inside it.
    """

    globals: set[Chain] = field(default_factory=set)
    cells: set[Chain] = field(default_factory=set)
    imports: set[Import] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    docs: list[str] = field(default_factory=list)

    @property
    def look_up_by_text(self) -> bool:
        """Whether it may take any name of its module."""
        return not self.names.isdisjoint(_BY_TEXT)

    @property
    def read_texts(self) -> bool:
        """Whether it may read docstrings and annotations."""
        return not self.names.isdisjoint(_READS_TEXTS)

    @property
    def read_lines(self) -> bool:
        """Whether it may read where code stands."""
        return not self.names.isdisjoint(_READS_LINES)

    @property
    def read_subclasses(self) -> bool:
        """Whether it may ask a class for its subclasses."""
        return "__subclasses__" in self.names


_known = ByCode[References]()


def references_of(code: CodeType) -> References:
    """What a code object refers to."""
    return _known.get(code) or _known.keep(code, _references(code))


def _references(code: CodeType) -> References:
    found, of_locals = References(), defaultdict[str, set[Chain]](set)
    bound: list[tuple[str, Import]] = []
    _read(code, frozenset(code.co_freevars), found, of_locals, bound)
    for name, one in bound:
        chains = of_locals[name] | {chain[1:] for chain in found.globals | found.cells if chain[0] == name}
        whole = Import(one.load, one.level, one.bound, one.attribute, tuple(sorted(chains)))
        found.imports.add(whole)
    return found


def _read(
    code: CodeType,
    cells: frozenset[str],
    found: References,
    of_locals: dict[str, set[Chain]],
    bound: list[tuple[str, Import]],
) -> None:
    every = instructions(code)
    found.names.update(code.co_names)
    if "__class__" in cells:  # `super()` reads it, in 3.11 without an instruction
        found.cells.add(("__class__",))
    for position, one in enumerate(every):
        if one.opname in _GLOBALS:
            found.globals.add((one.argval, *_attributes(every, position)))
        elif one.opname in _CELLS:
            chain = (one.argval, *_attributes(every, position))
            found.cells.update([chain] if one.argval in cells else ())
            of_locals[one.argval].add(chain[1:])
        elif "LOAD_FAST" in one.opname:
            # Python 3.13 loads two at once, or stores one first: what is loaded last has the attributes. A cell is
            # loaded so for a function that is made there, and read by it.
            *before, last = one.argval if isinstance(one.argval, tuple) else (one.argval,)
            for name in before if one.opname.startswith("LOAD_") else ():
                of_locals[name].add(())
            if last not in code.co_cellvars and last not in code.co_freevars:
                of_locals[last].add(_attributes(every, position))
        elif one.opname == "IMPORT_NAME":
            bound += _imported(every, position)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            found.docs += [text for text in inner.co_consts[:1] if isinstance(text, str)]
            # A name of this code's own hides that of a function around it.
            _read(inner, (cells - {*code.co_cellvars}) & {*inner.co_freevars}, found, of_locals, bound)


def _attributes(every: list[dis.Instruction], position: int) -> Chain:
    """The attributes that are taken of what is loaded there, one after the other."""
    chain = []
    for one in every[position + 1 :]:
        if one.opname == "PUSH_NULL":
            continue
        if one.opname not in _ATTRIBUTES:
            break
        chain.append(str(one.argval))
    return tuple(chain)


def _imported(every: list[dis.Instruction], position: int) -> Iterator[tuple[str, Import]]:
    """What an import binds, each with the name that it is bound to; of `from x import *` the module."""
    level, names = every[position - 2].argval, every[position - 1].argval
    load = str(every[position].argval)
    attribute = ""
    for one in every[position + 1 :]:
        if one.opname == "IMPORT_FROM":
            attribute = str(one.argval)
        elif one.opname.startswith("STORE_"):
            name = one.argval[0] if isinstance(one.argval, tuple) else str(one.argval)
            if names:
                yield name, Import(load, level, load, attribute)
            else:  # import a.b binds a, import a.b as c binds a.b
                yield name, Import(load, level, load if attribute else load.partition(".")[0], "")
            if not names:
                return
        elif one.opname in _BETWEEN:
            if one.opname == "POP_TOP" and names:
                return
        else:
            break
    if names == ("*",):
        yield "", Import(load, level, load, "")
