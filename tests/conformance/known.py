"""The clients of this repository, and what each needs to be run."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("clients")


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of a tool chain.

    Attributes:
        name: of the program.
        oldest: the first number of the oldest version that will do; 0: any.
    """

    name: str
    oldest: int = 0

    def lacking(self) -> str:
        """What is wrong with it here; "" if nothing is."""
        path = shutil.which(self.name)
        if path is None:
            return f"{self.name} is not installed"
        if self.oldest:
            said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
            found = re.search(r"\d+", said)
            if found is None or int(found[0]) < self.oldest:
                return f"{self.name} is {said.strip()}, and {self.oldest} or newer is needed"
        return ""


TOOLS = {
    "go": [Tool("go")],
    "java": [Tool("mvn"), Tool("java")],
    "python": [],
    "rust": [Tool("cargo")],
    "typescript": [Tool("node", 20), Tool("npm")],
}


def lacking(language: str) -> str:
    """What this machine lacks of a language's tool chain; "" if it has all."""
    return "; ".join(filter(None, (tool.lacking() for tool in TOOLS[language])))


def known_clients() -> tuple[list[str], dict[str, str]]:
    """Commands of the clients whose tool chain is here, Python first; of the others what is lacking, by language."""
    found, missing = [], {}
    for language in sorted(TOOLS, key=lambda name: (name != "python", name)):
        command = FOLDER / language / "run"
        if not command.exists():
            continue
        if told := lacking(language):
            missing[language] = told
        else:
            found.append(str(command))
    return found, missing
