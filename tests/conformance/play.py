"""One run of a scenario: roles, steps, and what came of them."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from conformance.command import ANSWER_SECONDS, Command, Fault, Refused
from conformance.line import Line
from conformance.scenario import Scenario
from conformance.values import Values, differences
from conformance.vectors import check_vectors
from conformance.world import OwnServer, Place, World, fake_server

WAIT_SECONDS = 60.0
UNSUPPORTED = "UNSUPPORTED"


class NotOffered(Exception):
    """A client does not offer what is optional."""


@dataclass(slots=True)
class Rate:
    """How fast bytes went.

    Attributes:
        name: what went, "upload_file" or "download".
        bytes_per_second: by the client's own clock.
    """

    name: str
    bytes_per_second: float


@dataclass(slots=True)
class Role:
    """Who plays a role, and how.

    Attributes:
        words: the command.
        name: of its client.
        settings: variables that are other than the place says.
        line: between it and the server, if there is one.
        command: as it runs.
        is_plain: whether another scenario may go on with it.
        begun: what it was asked in the background.
    """

    words: str
    name: str
    settings: dict[str, str] = field(default_factory=dict)
    line: Line | None = None
    command: Command | None = None
    is_plain: bool = True
    begun: Mapping[str, Any] = field(default_factory=dict)


class Pool:
    """Commands that wait for another scenario: some take seconds to start.

    Args:
        world: where they are pointed to.
        folder: for what they write.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self._world = world
        self._folder = folder
        self._numbers = count(1)
        self._idle: dict[str, list[Command]] = {}

    def start(self, words: str, settings: Mapping[str, str]) -> Command:
        """Starts a command."""
        return Command(words, settings, self._folder / str(next(self._numbers)))

    def take(self, words: str) -> Command:
        """A command that is pointed to the server of all scenarios."""
        with suppress(IndexError):
            return self._idle.setdefault(words, []).pop()
        return self.start(words, self._world.place.settings)

    def give_back(self, words: str, command: Command) -> None:
        self._idle.setdefault(words, []).append(command)

    def close(self) -> list[str]:
        """Ends all. Returns what was wrong with that."""
        faults = []
        for words, commands in self._idle.items():
            for command in commands:
                try:
                    command.bye()
                except Fault as fault:
                    faults.append(f"{words}: {fault}")
        return faults


class Play:
    """Plays a scenario once.

    Args:
        scenario: which one.
        roles: who plays them.
        world: servers.
        pool: commands.
        is_slow: whether values are those that take long.
    """

    def __init__(self, scenario: Scenario, roles: dict[str, Role], world: World, pool: Pool, *, is_slow: bool) -> None:
        self._scenario = scenario
        self._roles = roles
        self._world = world
        self._pool = pool
        self._values = Values(is_slow=is_slow)
        self._stack = ExitStack()
        self._place: Place | None = None
        self._server: OwnServer | None = None
        self._calls: dict[str, int] = {}
        self.rates: list[Rate] = []

    def run(self) -> None:
        """Raises:
        Fault: a client failed; the text says where.
        NotOffered: a client does not offer what is optional.
        Lacking: this machine lacks a program.
        """
        is_done = False
        with self._stack:
            try:
                for number, step in enumerate(self._scenario.steps, 1):
                    for place in range(step.get("repeat", 1)):
                        self._values.keep("n", place)
                        self._step(number, step)
                is_done = True
            finally:
                for role in self._roles.values():
                    if role.command is not None and is_done and role.is_plain:
                        self._pool.give_back(role.words, role.command)
                    elif role.command is not None:
                        role.command.kill()

    def _step(self, number: int, step: Mapping[str, Any]) -> None:
        what = step.get("do") or step["runner"]
        role = self._roles[step["role"]] if "role" in step else None
        by = f" by {role.name}" if role else ""
        try:
            if "do" in step:
                assert role is not None
                self._ask(role, step)
            else:
                self._of_runner(role, step)
        except Fault as fault:
            raise Fault(f"step {number}, {what}{by}: {fault}") from None

    def _ask(self, role: Role, step: Mapping[str, Any]) -> None:
        command = self._command(role)
        command.begin(step["do"], self._values.fill(step.get("with", {})))
        role.begun = step
        if not step.get("background"):
            self._finish(role, step)

    def _command(self, role: Role) -> Command:
        if role.command is None:
            role.is_plain = self._place is None and role.line is None and not role.settings
            if role.is_plain:
                role.command = self._pool.take(role.words)
            else:
                settings = self._where().settings | role.settings
                if role.line is not None:
                    settings["XPSTORE_API_URL"] = role.line.address
                role.command = self._pool.start(role.words, settings)
        return role.command

    def _finish(self, role: Role, step: Mapping[str, Any]) -> None:
        assert role.command is not None
        expected = self._values.fill(step.get("expect", {}))
        within = self._values.fill(step.get("within", ANSWER_SECONDS))
        try:
            answer = role.command.finish(within)
        except Refused as refused:
            if refused.reason == UNSUPPORTED and step.get("optional"):
                raise NotOffered(f"{role.name}: {refused}") from None
            if "error" not in expected:
                raise Fault(f"refused: {refused}") from None
            found = {"error": refused.reason, "metadata": refused.metadata}
            self._compare(found, expected)
            return
        if "error" in expected:
            raise Fault(f"answered {answer}, and error {expected['error']} was expected")
        self._compare(answer, expected)
        self._values.keep(step.get("as", "last"), answer)
        if size := self._values.fill(step.get("rate")):
            seconds = answer.get("seconds")
            if not isinstance(seconds, int | float) or seconds <= 0:
                raise Fault(f"seconds = {seconds!r}: must be a number above 0")
            self.rates.append(Rate(step.get("do") or step["of_what"], size / seconds))

    @staticmethod
    def _compare(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
        if told := differences(found, expected):
            raise Fault("; ".join(told))

    def _where(self) -> Place:
        return self._place or self._world.place

    def _of_runner(self, role: Role | None, step: Mapping[str, Any]) -> None:
        match step["runner"]:
            case "own_server":
                self._server = self._stack.enter_context(self._world.own_server())
                self._place = self._server.place
            case "tls":
                self._place = self._stack.enter_context(self._world.with_tls())
            case "fake":
                self._place = self._stack.enter_context(fake_server(step["answers"], self._calls))
            case "nginx":
                nginx = self._world.behind_nginx(self._where(), step.get("settings", ""))
                self._place = self._stack.enter_context(nginx)
            case "kill_server" | "start_server" | "damage" as what:
                assert self._server is not None
                actions: dict[str, Callable[[], None]] = {
                    "kill_server": self._server.kill,
                    "start_server": self._server.start,
                    "damage": self._server.damage,
                }
                actions[what]()
            case "sleep":
                time.sleep(step["seconds"])
            case "calls":
                self._compare(self._calls, step["expect"])
            case _:
                assert role is not None
                self._with_role(role, step)

    def _with_role(self, role: Role, step: Mapping[str, Any]) -> None:
        match step["runner"]:
            case "line":
                if role.line is None:
                    assert role.command is None, "a line comes before the first step of its role"
                    role.line = self._stack.enter_context(Line(self._where().url))
                role.line.become(self._values.fill(step))
            case "traffic":
                assert role.line is not None
                found = role.line.traffic()
                self._compare(found, self._values.fill(step.get("expect", {})))
            case "wait":
                assert role.line is not None
                self._wait(role, role.line, self._values.fill(step["up"]))
            case "finish":
                self._finish(role, step)
            case "kill":
                assert role.command is not None
                role.command.kill()
                role.command = None
            case "bye":
                self._command(role).bye()
                role.command = None
            case "settings":
                role.settings |= self._values.fill(step["settings"])
            case "vectors":
                check_vectors(self._command(role), step["of"])
            case other:
                raise ValueError(f"scenarios have no step {other!r}")

    def _wait(self, role: Role, line: Line, size: int) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while line.ways[0].carried_bytes < size:
            if role.command is not None and role.command.has_answered:
                self._finish(role, role.begun)
                raise Fault(f"was done after {line.ways[0].carried_bytes} bytes, and {size} were expected")
            if time.monotonic() > deadline:
                raise Fault(f"sent {line.ways[0].carried_bytes} bytes in {WAIT_SECONDS:g} s, and {size} were expected")
            time.sleep(0.01)
