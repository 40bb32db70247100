"""A random program and its edits, all of them by one number."""

import random
from dataclasses import dataclass, field
from typing import Self

from support.programs.classes import CLASSES
from support.programs.functions import FUNCTIONS
from support.programs.roots import ROOTS
from support.programs.slots import Draw, Slot

KINDS = {**FUNCTIONS, **CLASSES}
WEIGHTS = [{"imports": 3.0, "oddity": 0.4, "paths": 0.5}.get(kind, 1.0) for kind in KINDS]
ROOT_WEIGHTS = {
    "function": 50,
    "method": 12,
    "own_method": 3,
    "injected": 8,
    "given": 16,
    "pairs": 8,
    "versioned": 3,
    "script": 6,
}
DATA = {"a.csv": "1,2\n", "a.tsv": "1,2\n"}
# Module `beside` is imported by the first: own code in another file.
MODULE, BESIDE = "job", "beside"
ENDS = f"\n\n# {'-' * 20}\n"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a program, and one call of its cached function.

    Attributes:
        files: texts by name.
        entry: an expression that is the cached function.
        arguments: an expression that is a tuple.
        mode: how it is run: see `running.MODES`.
        patch: a statement that is run after the import.
        then: files that are on disk when the call is made, if they are not those that were imported.
        is_kept: the cached function is asked for its key, patched, and asked again, as what it remembers may be old.
    """

    files: dict[str, str]
    entry: str
    arguments: str
    mode: str
    patch: str = ""
    then: dict[str, str] | None = None
    is_kept: bool = False


@dataclass(slots=True)
class _Written:
    version: Version
    slots: list[Slot] = field(default_factory=list)
    reached: set[int] = field(default_factory=set)
    patches: list[str] = field(default_factory=list)


class RandomProgram:
    """The program of a number.

    Attributes:
        kinds: the kinds of its items, the root last.
        edit: the slot that the real edit is of.
        harmless: the slot of one that changes nothing, if there is one.
        patch: what is done to it while it runs in place of the edit, if anything.
        is_edited_running: it is edited on disk after the import, and called only then.
    """

    def __init__(self, seed: int, dropped: frozenset[int] = frozenset()) -> None:
        self.seed, self.dropped = seed, dropped
        draw = random.Random(f"program {seed}")
        root = draw.choices([*ROOT_WEIGHTS], [*ROOT_WEIGHTS.values()])[0]
        self.kinds = [*draw.choices([*KINDS], WEIGHTS, k=draw.randint(3, 9)), root]
        self._beside = {n for n in range(len(self.kinds) - 1) if draw.random() < 0.2}
        self._imported = {n: draw.choice([BESIDE, "b"]) for n in self._beside}
        mode = draw.choices(["module", "cells", "cell", "main", "prompt"], [58, 18, 5, 12, 7])[0]
        self.mode = "main" if root == "script" and mode == "module" else mode
        written = self._write(frozenset())
        self._choose(draw, written)

    def _choose(self, draw: random.Random, written: _Written) -> None:
        real = [slot for slot in written.slots if not slot.is_harmless and slot.item in written.reached]
        by_kind: dict[tuple[int, str], list[Slot]] = {}
        for slot in real:
            if self.kinds[-1] != "versioned" or slot.kind == "arguments":
                by_kind.setdefault((slot.item, slot.kind), []).append(slot)
        root = len(self.kinds) - 1
        groups = sorted(by_kind)
        # Any kind of edit of any item is as likely as another; those of the root's arguments more so.
        weights = [3 if kind == "arguments" else 0.5 if item == root else 1 for item, kind in groups]
        self.edit = draw.choice(by_kind[draw.choices(groups, weights)[0]])
        silent = [slot for slot in written.slots if slot.is_harmless and self.kinds[-1] != "versioned"]
        self.harmless = draw.choice(silent) if silent and draw.random() < 0.5 else None
        chance = draw.random()
        self.patch = draw.choice(written.patches) if chance < 0.1 and written.patches else ""
        self.is_edited_running = 0.1 <= chance < 0.25 and self.mode == "module"

    def edited_as(self, other: "RandomProgram") -> Self:
        """Takes the edits of a program of more items: what is drawn depends on how many there are."""
        self.edit, self.harmless, self.patch = other.edit, other.harmless, other.patch
        self.is_edited_running = other.is_edited_running
        return self

    def before(self) -> Version:
        return self._write(frozenset()).version

    def after(self) -> Version:
        """With the real edit; or with the patch."""
        if self.patch:
            before = self.before()
            return Version(before.files, before.entry, before.arguments, before.mode, self.patch, is_kept=True)
        return self._write(frozenset([self.edit])).version

    def unchanged(self) -> Version | None:
        """With the harmless edit."""
        return self._write(frozenset([self.harmless])).version if self.harmless else None

    def reloaded(self) -> Version:
        """The real edit, executed where the program runs; the function that is called is the old one."""
        before, text = self.before(), self.after().files[f"{MODULE}.py"]
        patch = f"exec(compile({text!r}, '<reloaded>', 'exec'), globals())"
        return Version(before.files, before.entry, before.arguments, before.mode, patch, is_kept=True)

    def while_running(self) -> Version | None:
        """The version before in memory, that after it on disk."""
        if not self.is_edited_running:
            return None
        before, after = self.before(), self.after()
        return Version(before.files, after.entry, after.arguments, before.mode, then=after.files)

    @property
    def about(self) -> str:
        """What was edited, in a few words."""
        what = f"patch {self.patch!r}" if self.patch else f"{self.edit.kind} of {self.kinds[self.edit.item]}"
        how = ", edited while it runs" if self.is_edited_running else ""
        return f"{what}; root {self.kinds[-1]}, {self.mode}{how}"

    def _write(self, edited: frozenset[Slot]) -> _Written:
        texts: dict[str, list[str]] = {MODULE: [], BESIDE: []}
        calls: dict[int, str] = {}
        called: dict[int, set[int]] = {}
        written = _Written(Version({}, "", "", ""))
        patches: dict[int, list[str]] = {}
        for n, kind in enumerate(self.kinds):
            is_root, is_beside = n == len(self.kinds) - 1, n in self._beside
            known = {m: call for m, call in calls.items() if not is_beside or m in self._beside}
            if not is_beside:
                known = {m: self._seen(m, call) for m, call in known.items()}
            draw = Draw(self.seed, n, known, edited)
            item = (ROOTS if is_root else KINDS)[kind](draw)
            calls[n] = item.call
            if n in self.dropped:
                calls[n] = "abs({})"
                continue
            called[n] = draw.called
            patches[n] = [] if is_beside else item.patches
            written.slots += draw.slots
            texts[BESIDE if is_beside else MODULE].append(_tidy(item.text) + "\n" + draw.unrelated())
            written.slots += draw.slots[-1:]
        written.reached = _reached(called, len(self.kinds) - 1)
        written.patches = [patch for n in sorted(written.reached) for patch in patches.get(n, [])]
        heads = ["from xpstore import cached\n"]
        if self._beside - self.dropped:
            heads.append(f"import {BESIDE}\nimport {BESIDE} as b\n")
        files = {f"{MODULE}.py": ENDS.join(heads + texts[MODULE]), f"{BESIDE}.py": ENDS.join(texts[BESIDE])}
        written.version = Version(files, item.call, item.arguments, self.mode)
        return written

    def _seen(self, item: int, call: str) -> str:
        """How an item is called from the first module."""
        return f"{self._imported[item]}.{call}" if item in self._beside and item not in self.dropped else call


def _tidy(text: str) -> str:
    """Slots that stand empty leave no line."""
    return "\n".join(line for line in text.strip("\n").split("\n") if line.strip()) + "\n"


def _reached(called: dict[int, set[int]], root: int) -> set[int]:
    reached, left = set[int](), [root]
    while left:
        item = left.pop()
        if item not in reached:
            reached.add(item)
            left += called.get(item, ())
    return reached
