"""Runs scenarios with clients, each in its roles, and says what came of it."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.command import Command, Fault, Refused
from conformance.play import NotOffered, Play, Pool, Rate, Role
from conformance.scenario import PROFILES, Scenario
from conformance.world import Lacking, World

BUILD_SECONDS = 1_200.0  # of the first hello: a command builds what it needs
AT_ONCE = 4  # scenarios: most of their time they wait, as for a line that is thin or a server that is away


@dataclass(frozen=True, slots=True)
class Client:
    """A command under test.

    Attributes:
        words: how it is started.
        name: its language, with a number where two say the same.
        profile: "core" or "full".
        commands: what it offers.
    """

    words: str
    name: str
    profile: str
    commands: frozenset[str]

    def lacks(self, scenario: Scenario, role: str) -> set[str]:
        """Commands of a role that it does not offer."""
        return scenario.commands_of(role) - self.commands


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one run.

    Attributes:
        outcome: "ok", "FAILED", "-" (not offered) or "lacking" (this machine lacks something).
        text: why it is not ok.
        rates: how fast bytes went.
    """

    outcome: str
    text: str = ""
    rates: list[Rate] = field(default_factory=list)


def meet(commands: Sequence[str], pool: Pool) -> list[Client]:
    """Asks each command who it is.

    Raises:
        Fault: one is no client.
    """

    def greet(words: str, command: Command) -> dict[str, Any]:
        try:
            hello = command.ask("hello", {}, BUILD_SECONDS)
        except (Fault, Refused) as error:
            command.kill()
            raise Fault(f"{words}: hello: {error}") from None
        return hello

    clients: list[Client] = []
    started = [pool.take(words) for words in commands]  # here: they end with the thread that starts them
    with ThreadPoolExecutor(max(len(commands), 1)) as threads:  # tool chains are fetched at the same time
        hellos = list(threads.map(greet, commands, started))
    for words, command, hello in zip(commands, started, hellos, strict=True):
        pool.give_back(words, command)
        name, profile = str(hello.get("language")), str(hello.get("profile"))
        if profile not in PROFILES:
            raise Fault(f"{words}: hello: profile = {profile!r}: must be one of {', '.join(PROFILES)}")
        same = sum(client.name.partition(" ")[0] == name for client in clients)
        offered = frozenset(map(str, hello.get("commands", ())))
        if lacking := sorted({*PROFILES[profile]} - offered):
            raise Fault(f"{words}: hello: its profile is {profile}, and it lacks {', '.join(lacking)}")
        clients.append(Client(words, f"{name} {same + 1}" if same else name, profile, offered))
    return clients


def casts(scenario: Scenario, clients: Sequence[Client], number: int, *, is_full: bool) -> Iterator[list[Client]]:
    """Who plays which role, a client the first, those beside it that can the others; with `is_full` each once."""
    others = scenario.roles[1:]
    around = [clients[(number + step) % len(clients)] for step in range(1, len(clients) + 1)]
    if not others:
        yield [clients[number]]
        return
    able = [client for client in around if not any(client.lacks(scenario, role) for role in others)]
    for place in range(len(able) if is_full else min(len(able), 1)):
        yield [clients[number], *(able[(place + step) % len(able)] for step in range(len(others)))]


def run(
    scenario: Scenario,
    clients: Sequence[Client],
    number: int,
    world: World,
    pool: Pool,
    *,
    is_full: bool = False,
    is_slow: bool = False,
) -> Result:
    """Runs a scenario with a client in its first role."""
    client = clients[number]
    if lacking := client.lacks(scenario, scenario.roles[0]):
        return Result("-", f"{client.name} has no {', '.join(sorted(lacking))}")
    rates: list[Rate] = []
    for cast in casts(scenario, clients, number, is_full=is_full):
        roles = {role: Role(one.words, one.name) for role, one in zip(scenario.roles, cast, strict=True)}
        play = Play(scenario, roles, world, pool, is_slow=is_slow)
        try:
            play.run()
        except Fault as fault:
            return Result("FAILED", str(fault))
        except NotOffered as reason:
            return Result("-", str(reason))
        except Lacking as reason:
            return Result("lacking", str(reason))
        rates += play.rates
    return Result("ok", rates=rates)


@dataclass(slots=True)
class Report:
    """All results: of each scenario that of each client.

    Attributes:
        clients: in the order of their columns.
        rows: scenarios and results, in order.
        faults: what else was wrong.
    """

    clients: list[Client]
    rows: list[tuple[Scenario, list[Result]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing failed."""
        return not self.faults and not any(one.outcome == "FAILED" for _, results in self.rows for one in results)

    def lacking(self) -> list[str]:
        """Programs that this machine lacks."""
        return sorted({one.text for _, results in self.rows for one in results if one.outcome == "lacking"})

    def table(self) -> str:
        """Scenarios and clients, and under it what failed."""
        width = max(len(scenario.name) for scenario, _ in self.rows)
        lines = [" ".join([" " * width, *(f"{client.name:>10}" for client in self.clients)])]
        for scenario, results in self.rows:
            cells = " ".join(f"{one.outcome:>10}" for one in results)
            lines.append(f"{scenario.name:{width}} {cells}")
        for scenario, results in self.rows:
            for client, one in zip(self.clients, results, strict=True):
                if one.outcome == "FAILED":
                    lines.append(f"\nFAILED {scenario.name}, {client.name} first:\n  {one.text}")
        lines += [f"\nFAILED {fault}" for fault in self.faults]
        return "\n".join([*lines, *self._speeds()])

    def _speeds(self) -> Iterator[str]:
        speeds = {
            client.name: {rate.name: rate.bytes_per_second for rate in one.rates}
            for _, results in self.rows
            for client, one in zip(self.clients, results, strict=True)
            if one.rates
        }
        compared = speeds.get("python", {})
        for client, found in speeds.items():
            told = ", ".join(
                f"{name} {speed / 1e6:.0f} MB/s" + (f" ({speed / compared[name]:.2f} of Python's)" if compared else "")
                for name, speed in found.items()
            )
            yield f"{client}: {told}"


def run_all(
    scenarios: Sequence[Scenario],
    commands: Sequence[str],
    folder: Path,
    world: World,
    *,
    is_full: bool = False,
    is_slow: bool = False,
) -> Report:
    """Runs scenarios with commands, and prints a line for each.

    Raises:
        Fault: a command is no client.
    """
    pool = Pool(world, folder / "clients")
    report = Report([])
    threads = ThreadPoolExecutor(AT_ONCE)  # until the end: commands end with the thread that starts them
    try:
        report.clients = meet(commands, pool)
        numbers = range(len(report.clients))

        def play(scenario: Scenario) -> tuple[Scenario, list[Result]]:
            began = time.monotonic()
            results = [
                run(scenario, report.clients, number, world, pool, is_full=is_full, is_slow=is_slow)
                for number in numbers
            ]
            outcomes = ", ".join(f"{report.clients[number].name} {results[number].outcome}" for number in numbers)
            told = [f"          {result.text}" for result in results if result.outcome == "FAILED"]
            print("\n".join([f"{time.monotonic() - began:6.1f} s  {scenario.name}: {outcomes}", *told]), flush=True)
            return scenario, results

        report.rows += threads.map(play, [one for one in scenarios if not one.is_timed])
        report.rows += map(play, [one for one in scenarios if one.is_timed])
    finally:
        report.faults += pool.close()
        threads.shutdown()
    return report
