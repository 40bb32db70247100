"""One word is one thing: the words that others replaced are in no name of client, server or contract."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
# What was said before, and the word that took its place.
REPLACED = {
    "bridge": "thread",
    "cleaning": "commands",
    "convoy": "batch stream",
    "forecast": "preview",
    "patience": "attempts",
    "stamps": "times",
    "stretch": "slice of a spool, neighbours in a pack, range of a search",
}
# Words that mean one thing, and the only files that may speak of it.
ONLY_IN = {
    "draft": re.compile(
        r"artifact|publish|saving|staging|options|order|computation|upload|keeping|shipper|stand_in|media"
    ),
}
NAME = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
PROTO_NAME = re.compile(
    r"^\s*(?:message|enum|rpc|service|oneof)\s+(\w+)|^\s*(?:repeated |optional )?[\w.<>, ]+\s(\w+)\s*=\s*\d+", re.M
)


def sources() -> list[Path]:
    folders = [ROOT / "client" / "xpstore", ROOT / "client" / "compat", ROOT / "server" / "xpstore_server"]
    found = [path for folder in folders for path in folder.rglob("*.py") if "v1" not in path.parts]
    assert len(found) > 180
    return found


def names(path: Path) -> Iterator[str]:
    """The module's own name, and what it calls its classes, functions, parameters, variables and attributes."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.rpartition(".")[2]


def words_of(name: str) -> set[str]:
    """The words that a name consists of, in the singular too."""
    words = {word.lower() for word in NAME.findall(name)}
    return words | {word.removesuffix("s") for word in words} | {word.removesuffix("es") for word in words}


def test_no_name_has_a_word_that_was_replaced() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name}: say {REPLACED[word]!r}"
        for path in sources()
        for name in names(path)
        for word in words_of(name) & REPLACED.keys()
    }
    assert not found, "\n".join(sorted(found))


@pytest.mark.parametrize("word", ONLY_IN)
def test_word_of_one_meaning_is_where_that_is(word: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources()
        for name in names(path)
        if word in words_of(name) and not ONLY_IN[word].search(path.stem)
    }
    assert not found, "\n".join(sorted(found))


def test_no_two_public_classes_of_the_client_have_one_name() -> None:
    where: dict[str, list[str]] = {}
    for path in sources():
        if path.is_relative_to(ROOT / "client" / "xpstore"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    where.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert not {name: files for name, files in where.items() if len(files) > 1}


def test_contract_has_none_of_them_either() -> None:
    found = set()
    for path in (ROOT / "proto").rglob("*.proto"):
        for groups in PROTO_NAME.findall(path.read_text()):
            name = "".join(groups)
            found |= {f"{path.name}: {name}" for _ in words_of(name) & REPLACED.keys()}
    assert not found


def test_glossary_is_short_enough_to_be_read_and_has_what_replaced_them() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    section = text[text.index("## Words") : text.index("## Faults")]
    rows = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| word")]
    assert 20 <= len(rows) <= 30
    assert all(word in section for word in ("slice", "batch stream", "attempt", "draft", "partial file"))
