"""Cases of faults that were seen: runs of programs one after the other, each with what its calls must give."""

import textwrap
from dataclasses import dataclass, field, replace
from pathlib import Path

from support.programs.random_program import MODULE, Version
from support.programs.running import Json, Warm

HEAD = "from xpstore import cached\n"


@dataclass(frozen=True, slots=True)
class Run:
    """A process of its own: a program, and steps in it.

    Attributes:
        text: its first module.
        steps: expressions and what they must give, as text; statements, which give "".
        mode: how it is run, see `running.MODES`.
        then: the text on disk after the import.
        files: other files.
    """

    text: str
    steps: list[tuple[str, str]]
    mode: str = "module"
    then: str | None = None
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """A case of a kind, by its number in the list of faults."""

    kind: str
    name: str
    runs: list[Run]

    def __str__(self) -> str:
        return f"{self.kind}-{self.name}"


def edited(kind: str, name: str, text: str, edit: tuple[str, str], call: str, before: str, after: str) -> Fault:
    """A module is edited between two processes."""
    text = textwrap.dedent(text)
    old, new = edit
    assert old in text, name
    runs = [Run(text, [(call, before)]), Run(text.replace(old, new), [(call, after)])]
    return Fault(kind, name, runs)


def one_process(kind: str, name: str, text: str, *steps: tuple[str, str], mode: str = "module") -> Fault:
    """Steps in one process."""
    return Fault(kind, name, [Run(textwrap.dedent(text), [*steps], mode)])


SCALER = """
import functools
from dataclasses import dataclass

@dataclass(frozen=True)
class Scaler:
    k: int

    def apply(self, x):
        return x * self.k
"""
TEN_TIMES = ("x * self.k", "x * self.k * 10")


def scaler(name: str, text: str, kind: str = "K1", call: str = "f(1)") -> Fault:
    """The method of `Scaler` is edited, of which a program has objects."""
    return edited(kind, name, f"{SCALER}\n{text}", TEN_TIMES, call, "2", "20")


@dataclass(frozen=True, slots=True)
class Lab:
    """Where cases are run: each with a project of its own."""

    warm: Warm
    folder: Path
    service: Json

    def run(self, fault: Fault) -> list[list[str]]:
        """Returns what the steps of its runs give."""
        folder = self.folder / str(fault)
        folder.mkdir()
        lab = replace(self, folder=folder, service={**self.service, "project": f"{self.service['project']} {fault}"})
        return [lab._run(run) for run in fault.runs]

    def _run(self, run: Run) -> list[str]:
        name = f"{MODULE}.py"
        files = {name: HEAD + run.text, **run.files}
        then = None if run.then is None else {name: HEAD + run.then}
        version = Version(files, "", "", run.mode, then=then)
        return self.warm.steps(version, [step for step, _ in run.steps], self.folder, self.service)


def wanted(fault: Fault) -> list[list[str]]:
    return [[value for _, value in run.steps] for run in fault.runs]
