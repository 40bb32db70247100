"""Shows the case of a number, made as small as it still fails: `python -m support.programs N`, in the folder `tests`.

With two numbers: all from the first up to the second, a line for each that fails.
"""

import difflib
import sys
import tempfile
from pathlib import Path

from support.programs.case import Outcome, Tally, run_case
from support.programs.random_program import RandomProgram
from support.programs.running import Warm


def is_bad(outcome: Outcome) -> bool:
    return bool(outcome.faults or outcome.raised) and not outcome.broken


def smallest(outcome: Outcome, warm: list[Warm], folder: Path) -> Outcome:
    """Drops items while it fails in the same way."""
    for item in reversed(range(len(outcome.program.kinds) - 1)):
        if item == outcome.program.edit.item:
            continue
        fewer = RandomProgram(outcome.program.seed, outcome.program.dropped | {item}).edited_as(outcome.program)
        smaller = run_case(fewer, warm, folder)
        if (
            not smaller.broken
            and bool(smaller.faults) == bool(outcome.faults)
            and bool(smaller.raised) == bool(outcome.raised)
        ):
            outcome = smaller
    return outcome


def show(outcome: Outcome) -> None:
    before, after = (outcome.seen[name][0] for name in ("before", "after"))
    for name, text in before.files.items():
        if text:
            print(f"=== {name}\n{text}")
        diff = difflib.unified_diff(
            text.splitlines(), after.files[name].splitlines(), "before", "after", lineterm="", n=1
        )
        print("\n".join(diff))
    for version in (before, after):
        print(f"calls {version.entry} with {version.arguments} {version.patch}")
    print(outcome)


def main() -> None:
    numbers = [*map(int, sys.argv[1:])]
    with tempfile.TemporaryDirectory() as name, Warm(1) as one, Warm(2) as other:
        warm, folder = [one, other], Path(name)
        if len(numbers) == 1:
            outcome = run_case(RandomProgram(numbers[0]), warm, folder)
            show(smallest(outcome, warm, folder) if is_bad(outcome) else outcome)
            return
        tally = Tally()
        for seed in range(*numbers):
            outcome = run_case(RandomProgram(seed), warm, folder)
            tally.add(outcome)
            if outcome.faults or outcome.broken:
                print(outcome, flush=True)
        print(tally)


if __name__ == "__main__":
    main()
