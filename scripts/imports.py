"""Who imports whom, read from the sources: nothing is run, so imports for types and inside functions count too."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

GENERATED = "v1"
Import = ast.Import | ast.ImportFrom


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """An import of one module of ours by another."""

    source: str
    target: str
    place: str  # file:line

    def __str__(self) -> str:
        return f"{self.place} imports {self.target}"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file that is a module."""

    module: str
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    def imports(self) -> list[Import]:
        return [node for node in ast.walk(self.tree) if isinstance(node, Import)]

    def imports_in_functions(self) -> list[Import]:
        functions = [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        found = {node for function in functions for node in ast.walk(function) if isinstance(node, Import)}
        return sorted(found, key=lambda node: node.lineno)

    @cached_property
    def comments(self) -> dict[int, str]:
        """What is said beside or in each line; orders to tools (noqa, type: ignore) say nothing."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        said = {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}
        said = {line: re.sub(r"#\s*(noqa|type:|mypy:|ruff:)[^#]*", "", text).strip("# ") for line, text in said.items()}
        return {line: text for line, text in said.items() if text}

    def targets(self, node: Import) -> Iterator[str]:
        """The names that an import may mean: `from a import b` the module a.b, or what is called b in a."""
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
            return
        base = node.module or ""
        if node.level:
            above = self.module.split(".")
            above = above[: len(above) - node.level + (self.path.name == "__init__.py")]
            base = ".".join([*above, base] if base else above)
        yield from (f"{base}.{name.name}" for name in node.names)


def read(folder: Path) -> list[Source]:
    """The modules of a package, without those that were generated."""
    sources = []
    for path in sorted(folder.rglob("*.py")):
        inside = path.relative_to(folder.parent).with_suffix("").parts
        if GENERATED not in inside:
            module = ".".join(inside[:-1] if inside[-1] == "__init__" else inside)
            sources.append(Source(module=module, path=path, text=path.read_text()))
    return sources


def arrows(sources: list[Source], root: Path) -> list[Arrow]:
    modules = {source.module for source in sources}
    found = []
    for source in sources:
        for node in source.imports():
            for name in source.targets(node):
                target = name if name in modules else name.rpartition(".")[0]
                generated = GENERATED in name.split(".")
                if target in modules and target != source.module and not generated:
                    place = f"{source.path.relative_to(root)}:{node.lineno}"
                    found.append(Arrow(source=source.module, target=target, place=place))
    return found
