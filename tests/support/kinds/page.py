"""The tables of docs/kinds.md: each kind of value, and what the cache does with it as an argument and as a result."""

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.fingerprints.values import estimators
from support.kinds import plain, tables
from support.kinds.strict import difference
from xpstore._identity.process import fingerprint
from xpstore._results import results
from xpstore.errors import InvalidArgument

PAGE = Path(__file__).parents[3] / "docs" / "kinds.md"
SAME, TRUSTED, PICTURE, CONTENT, NOT_CACHED = (
    "as it was",
    "as it was, with `trusted=`",
    "as its picture",
    "its content",
    "not cached",
)
LONGEST = 110


@dataclass(frozen=True)
class Kind:
    """A kind of value: under which heading, what it is called, and what makes one."""

    group: str
    name: str
    make: Callable[[], Any]

    @property
    def comes_back_as(self) -> str:
        """What a hit shall return, if it is cached at all."""
        return PICTURE if "figure" in self.name else CONTENT if self.name.startswith("path of") else SAME


def kinds(folder: Path) -> Iterator[Kind]:
    """All of them. The folder is for files."""
    groups = {
        "Numbers": plain.NUMBERS,
        "Texts": plain.TEXTS,
        "Containers": plain.CONTAINERS,
        "Dates and times": plain.DATES,
        "Objects": plain.OBJECTS,
        "Paths": plain.paths(folder),
        "numpy": tables.ARRAYS,
        "pandas": tables.FRAMES,
        "Arrow": tables.ARROW,
        "scipy and matplotlib": tables.OTHERS,
        "Fitted estimators of scikit-learn": estimators(),
    }
    for group, makes in groups.items():
        yield from (Kind(group, name, make) for name, make in makes.items())


def as_argument(kind: Kind) -> str:
    """Whether a call with such an argument is cached, and else why not."""
    try:
        fingerprint(kind.make())
    except InvalidArgument as error:
        return f"not cached: {shortened(error)}"
    return "cached"


class Files:
    """The files of a result without a store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str) -> bytearray:
        return bytearray((self._folder / path).read_bytes())

    def path(self, path: str) -> Path:
        return self._folder / path


def as_result(kind: Kind) -> str:
    """What a hit returns, without a store; and else why there is none."""
    try:
        return _there_and_back(kind, ()) or kind.comes_back_as
    except InvalidArgument as error:
        if not (trusted := trusted_by(error)):
            return f"{NOT_CACHED}: {shortened(error)}"
    try:
        return _there_and_back(kind, trusted) or TRUSTED
    except InvalidArgument as error:
        return f"{NOT_CACHED}: {shortened(error)}"


def _there_and_back(kind: Kind, trusted: tuple[str, ...]) -> str:
    value = kind.make()
    with tempfile.TemporaryDirectory() as name:
        results.write(value, Path(name), trusted=trusted)
        back = results.read(None, Files(Path(name)), trusted=trusted)  # type: ignore[arg-type]
        found = difference(value, back)
        return found and f"WRONG: {found}"


def trusted_by(error: Exception) -> tuple[str, ...]:
    """The types that an error says must be trusted."""
    found = re.search(r"trusted=\[(.*)\]", str(error))
    return tuple(re.findall(r"'([^']*)'", found.group(1))) if found else ()


def shortened(error: Exception) -> str:
    """The reason of a refusal, without what to do about it and what differs from run to run."""
    text = re.sub(r"^(value[^ ]*|the result):? ", "", str(error))
    text = re.split(r"\. There are|\. Return|: give its class", text)[0]
    text = re.sub(r"/\S*/", "", re.sub(r" at 0x\w+", "", text)).replace("|", "/")
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def page() -> str:
    """The document with its table made anew."""
    head = PAGE.read_text().partition("\n## ")[0]
    lines, group = [head.rstrip() + "\n"], ""
    with tempfile.TemporaryDirectory() as name:
        for kind in kinds(Path(name)):
            if kind.group != group:
                group = kind.group
                lines.append(f"\n## {group}\n\n| kind | as an argument | as a result |\n|---|---|---|\n")
            lines.append(f"| {kind.name} | {as_argument(kind)} | {as_result(kind)} |\n")
    return "".join(lines)
