"""Scenarios as data: what scenarios.json has, and which commands each role needs."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("scenarios.json")
CORE = [
    *("hello", "limits", "project", "model", "run", "log_metrics", "series", "list_all"),
    *("upload_file", "download", "read_range", "get", "alias", "bye"),
]
FULL = [*CORE, "ingest", "upload_tree", "cut", "tree_digest", "fingerprint", "get_or_compute"]
PROFILES = {"core": CORE, "full": FULL}
# What vectors are asked by.
VECTORS = {"cuts": "cut", "trees": "tree_digest", "values": "fingerprint", "processes": "fingerprint"}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One of them.

    Attributes:
        name: says what happens and when.
        profile: "core" or "full": clients of a lesser one need not have it.
        roles: who takes part.
        steps: what happens, in order: something that a role does, or the runner.
        is_slow: takes minutes.
        needs_own_server: cannot be run against a server of somebody else.
        is_timed: says how fast something is, so nothing runs beside it.
    """

    name: str
    profile: str
    roles: list[str]
    steps: list[dict[str, Any]]
    is_slow: bool
    needs_own_server: bool
    is_timed: bool

    def commands_of(self, role: str) -> set[str]:
        """What whoever plays a role must offer."""
        steps = [step for step in self.steps if step.get("role") == role]
        return {step["do"] for step in steps if "do" in step} | {VECTORS[step["of"]] for step in steps if "of" in step}


OWN = {"own_server", "tls", "fake", "nginx"}


def scenarios(file: Path = FILE) -> list[Scenario]:
    """All scenarios of a file."""
    return [
        Scenario(
            name=one["name"],
            profile=one["profile"],
            roles=one["roles"],
            steps=one["steps"],
            is_slow=one.get("slow", False),
            needs_own_server=any(step.get("runner") in OWN for step in one["steps"]),
            is_timed=any("rate" in step for step in one["steps"]),
        )
        for one in json.loads(file.read_text())
    ]
