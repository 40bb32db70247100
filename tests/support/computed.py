"""What cached functions of tests computed, and functions whose hits are checked, with what they depend on unseen."""

from typing import Any

import pytest

import xpstore
from xpstore import cached

calls: list[Any] = []

# What functions depend on and no key has.
world: dict[str, Any] = {}


@cached(name="seen", version=1, verify=1)
def seen(key: str) -> Any:
    calls.append(key)
    value = world[key]
    return value() if callable(value) else value


@cached(name="unchecked", version=1)
def unchecked(key: str) -> Any:
    calls.append(key)
    return world[key]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What this client said so far."""
    return [record.getMessage() for record in caplog.records if record.name == "xpstore"]


def outcomes(project: xpstore.Project) -> dict[str, int]:
    """What came out of checks, of all users."""
    return project.cache.statistics().verifications
