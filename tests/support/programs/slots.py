"""What an item of a program is written with: slots, each with what stands there and what an edit makes of it."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

OPERATORS = ["+", "-", "*", "^", "|"]
BUILTINS = ["abs({})", "int({})", "max(({}), 7)", "min(({}), 5)", "divmod(({}), 7)[1]"]
HARMLESS = frozenset({"comment", "layout", "docstring", "local", "unrelated"})


@dataclass(frozen=True, slots=True)
class Slot:
    """A place that may be edited: the item, the number in it, and which edit it is."""

    item: int
    number: int
    kind: str

    @property
    def is_harmless(self) -> bool:
        return self.kind in HARMLESS


@dataclass(slots=True)
class Item:
    """A piece of a program.

    Attributes:
        text: its source.
        call: an expression that calls it with the argument `{}`.
        patches: statements that make something else of it while it runs, as mocks do.
    """

    text: str
    call: str = ""
    patches: list[str] = field(default_factory=list)
    arguments: str = "(3,)"
    kind: str = ""


Builder = Callable[["Draw"], Item]


class Draw:
    """Draws the slots of one item.

    Both texts of each are drawn, edited or not, so that all others stay as they are.
    """

    def __init__(self, seed: int, item: int, callees: dict[int, str], edited: frozenset[Slot]) -> None:
        self.n = item
        self.slots: list[Slot] = []
        self.called: set[int] = set()
        self._edited = {slot.number for slot in edited if slot.item == item}
        self._callees = callees
        self._random = random.Random(f"{seed}/{item}")

    def either(self, before: str, after: str, kind: str = "override") -> str:
        """A slot with two texts; which of them comes first is drawn too."""
        slot = Slot(self.n, len(self.slots), kind)
        self.slots.append(slot)
        texts = self._random.sample([before, after], 2)
        return texts[slot.number in self._edited]

    def const(self) -> int:
        before, after = self._random.sample(range(2, 99), 2)
        return int(self.either(str(before), str(after), "constant"))

    def op(self) -> str:
        before, after = self._random.sample(OPERATORS, 2)
        return self.either(before, after, "operator")

    def call(self, argument: str) -> str:
        """Calls an earlier item or a builtin."""
        known, draw = [*self._callees.values()], self._random
        if len(known) > 1 and draw.random() < 0.7:
            before, after = draw.sample(known, 2)
        elif known:
            before, after = known[-1], draw.choice(BUILTINS)
        else:
            before, after = draw.sample(BUILTINS, 2)
        called = self.either(before, after, "callee")
        self.called |= {item for item, call in self._callees.items() if call == called}
        return called.format(argument)

    def member(self, text: str) -> str:
        """There or not."""
        return self.either(text, "", kind="member")

    def order(self, *texts: str) -> str:
        return self.either(", ".join(texts), ", ".join(reversed(texts)), kind="order")

    def arguments(self, before: str, after: str) -> str:
        return self.either(before, after, kind="arguments")

    def comment(self) -> str:
        return self.either("# as measured", "", kind="comment")

    def doc(self) -> str:
        return self.either('"""Computes."""', '"""Counts\n\n    what there is."""', kind="docstring")

    def space(self) -> str:
        """Inside brackets."""
        return self.either(" ", "\n        ", kind="layout")

    def local(self) -> str:
        return self.either("total", "result", kind="local")

    def unrelated(self) -> str:
        return self.either(f"def unrelated{self.n}(x):\n    return x + 1\n", "", kind="unrelated")

    def choose(self, *texts: str) -> str:
        """Not to be edited."""
        return self._random.choice(texts)
