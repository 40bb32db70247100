"""One case: versions of a program in processes of their own, and what must hold of their keys and values."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from support.programs.random_program import RandomProgram, Version
from support.programs.running import Json, Warm

# In so many cases one goes through a service.
SERVICE_EVERY = 10
# What looks up by a text may see all of its module: there any edit of it may miss.
LOOK_UPS = {"lookups", "late", "oddity"}
OF_LOOK_UPS = " beside look-ups"


@dataclass(slots=True)
class Outcome:
    """What was seen of a case.

    Attributes:
        program: the case.
        seen: what was run and its key and value.
        faults: what must not be: one key and two values, a cached call that returns another value.
    """

    program: RandomProgram
    seen: dict[str, tuple[Version, Json]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    @property
    def raised(self) -> list[str]:
        return [f"{name}: {answer['raised']}" for name, (_, answer) in self.seen.items() if "raised" in answer]

    @property
    def broken(self) -> list[str]:
        """What is wrong with the program, not with the cache."""
        if self.program.harmless and self.value("harmless") != self.value("before"):
            return [f"the {self.program.harmless.kind} changes the value"]
        # What a function of before does with names of after is anybody's guess; its key is another matter.
        seen = [(name, answer) for name, (_, answer) in self.seen.items() if name != "reloaded"]
        return [f"{name}: {answer['broken']}" for name, answer in seen if "broken" in answer]

    @property
    def changes_value(self) -> bool:
        return self.value("before") != self.value("after")

    def value(self, name: str) -> str | None:
        return self.seen[name][1].get("value")

    def key(self, name: str) -> str | None:
        return self.seen[name][1].get("key")

    def __str__(self) -> str:
        lines = [
            f"XPSTORE_TEST_SEED={self.program.seed}: {self.program.about}",
            *self.faults,
            *self.raised,
            *self.broken,
        ]
        for name, (_, answer) in self.seen.items():
            lines.append(
                f"{name:14} key {str(answer.get('key'))[:12]}  value {answer.get('value')}  cached {answer.get('hit')}"
            )
        return "\n".join(lines)


def run_case(program: RandomProgram, warm: list[Warm], folder: Path, service: Json | None = None) -> Outcome:
    """Runs a case; `warm` are processes of different hash seeds, taken in turn."""
    outcome = Outcome(program)
    versions = {
        "before": program.before(),
        "while running": program.while_running(),
        "after": program.after(),
        "harmless": program.unchanged(),
        "reloaded": program.reloaded(),
        "again": program.after() if program.seed % SERVICE_EVERY == 1 else None,
    }
    if service is not None:
        service = {**service, "project": f"{service['project']} {program.seed}"}
    for turn, (name, version) in enumerate(
        (name, version) for name, version in versions.items() if version is not None
    ):
        outcome.seen[name] = version, warm[turn % len(warm)].run(version, folder, service)
    _compare(outcome)
    return outcome


def _compare(outcome: Outcome) -> None:
    for one, other in combinations(outcome.seen, 2):
        is_one_key = outcome.key(one) is not None and outcome.key(one) == outcome.key(other)
        if is_one_key and outcome.value(one) != outcome.value(other):
            outcome.faults.append(f"STALE: {one} and {other} have one key, but values of their own")
    for name, (_, answer) in outcome.seen.items():
        if "hit" in answer and answer["hit"] != answer.get("value"):
            outcome.faults.append(f"STALE: {name} returned {answer['hit']} in place of {answer.get('value')}")


@dataclass(slots=True)
class Tally:
    """What came of many cases."""

    outcomes: int = 0
    edits: int = 0
    changed: int = 0
    harmless: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    faulty: list[Outcome] = field(default_factory=list)
    raised: list[Outcome] = field(default_factory=list)
    broken: list[Outcome] = field(default_factory=list)
    uncached: int = 0

    def add(self, outcome: Outcome) -> None:
        self.outcomes += 1
        self.edits += 1
        self.changed += outcome.changes_value
        if outcome.faults:
            self.faulty.append(outcome)
        if outcome.raised:
            self.raised.append(outcome)
        if outcome.broken:
            self.broken.append(outcome)
        if any("uncached" in answer for _, answer in outcome.seen.values()):
            self.uncached += 1
        if outcome.program.harmless and outcome.key("before") is not None:
            kind = outcome.program.harmless.kind
            if LOOK_UPS & {*outcome.program.kinds}:
                kind += OF_LOOK_UPS
            self.edits += 1
            self.harmless[kind] += 1
            self.missed[kind] += outcome.key("before") != outcome.key("harmless")

    def __str__(self) -> str:
        missed = ", ".join(f"{kind} {self.missed[kind]} of {count}" for kind, count in sorted(self.harmless.items()))
        return (
            f"{self.outcomes} programs: {len(self.faulty)} stale, {len(self.raised)} raised, "
            f"{len(self.broken)} broken, {self.uncached} uncached; "
            f"{self.changed} of {self.edits} edits change the value; harmless edits that miss: {missed or 'none made'}"
        )
