"""What scenarios say: values with `${names}` and `$functions` in them, and what answers are compared with."""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from blake3 import blake3

from conformance.content import blake3_of, content, digest_of_tree, tree_of, tree_on_disk

NAME = re.compile(r"\$\{([^}]+)\}")


class Values:
    """The names of one run of a scenario.

    Args:
        is_slow: which one of two values `$slow` takes.
    """

    def __init__(self, *, is_slow: bool) -> None:
        self._is_slow = is_slow
        self._known: dict[str, Any] = {"run": uuid.uuid4().hex[:12]}

    def keep(self, name: str, value: Any) -> None:
        self._known[name] = value

    def fill(self, value: Any) -> Any:
        """A value of a scenario as it is meant."""
        if isinstance(value, str):
            whole = NAME.fullmatch(value)
            return self._look(whole[1]) if whole else NAME.sub(lambda found: str(self._look(found[1])), value)
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        if not isinstance(value, dict):
            return value
        filled = {self.fill(name): self.fill(one) for name, one in value.items()}
        (name,) = filled if len(filled) == 1 else ("",)
        return self._call(name, filled[name]) if name.startswith("$") else filled

    def _look(self, path: str) -> Any:
        """`v.version_id`: a field of an answer; `uuid.1`: an id made at its first use."""
        name, *fields = path.split(".")
        if name == "uuid":
            return self._known.setdefault(path, str(uuid.uuid4()))
        found = self._known[name]
        for field in fields:
            found = found[field]
        return found

    def _call(self, name: str, argument: Any) -> Any:
        match name:
            case "$slow":
                slow, quick = argument
                return slow if self._is_slow else quick
            case "$blake3":
                return blake3_of(argument)
            case "$tree":
                return digest_of_tree(argument)
            case "$part":
                part = content(argument["content"])[argument["offset"] :][: argument["length"]]
                return blake3(part).hexdigest()
            case "$pad":
                return json.dumps({"pad": "x" * argument})
            case "$texts":
                return [f"{argument['prefix']}{number}" for number in range(argument["count"])]
        raise ValueError(f"scenarios have no function {name!r}")


def differences(found: Any, expected: Any, path: str = "") -> list[str]:
    """How an answer differs from what was expected of it; fields that are not expected do not count."""
    if isinstance(expected, Mapping):
        if len(expected) == 1 and (test := TESTS.get(next(iter(expected)))):
            (argument,) = expected.values()
            is_so = found is not MISSING and test(found, argument)
            return [] if is_so else [f"{path}: {_shown(found)}, expected {_shown(expected)}"]
        fields = found if isinstance(found, Mapping) else {}
        return [
            text
            for name, one in expected.items()
            for text in differences(fields.get(name, MISSING), one, f"{path}.{name}" if path else name)
        ]
    is_same = found is not MISSING and type(found) is type(expected) and found == expected
    return [] if is_same else [f"{path}: {_shown(found)}, expected {_shown(expected)}"]


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:200]} ... {text[-80:]}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same_json(found: Any, expected: Any) -> bool:
    """Whether a text is that JSON: 1, 1.0 and true are three values."""
    try:
        parsed = json.loads(found)
    except (TypeError, ValueError):
        return False
    return json.dumps(parsed, sort_keys=True) == json.dumps(expected, sort_keys=True)


def _are_numbers(found: Any, expected: Mapping[str, Any]) -> bool:
    """Whether texts are so many numbers, each 1 more than the one before."""
    first, count = expected["first"], expected["count"]
    try:
        return bool([type(first)(text) for text in found] == [first + place for place in range(count)])
    except (TypeError, ValueError):
        return False


def _are_floats(found: Any, expected: list[str]) -> bool:
    try:
        return [repr(float(text)) for text in found] == [repr(float(text)) for text in expected]
    except (TypeError, ValueError):
        return False


def _are_json(found: Any, expected: list[Any]) -> bool:
    return len(found) == len(expected) and all(map(_same_json, found, expected))


def _holds(folder: Any, tree: Mapping[str, Any]) -> bool:
    return isinstance(folder, str) and tree_on_disk(Path(folder)) == tree_of(tree)


TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "least": lambda found, bound: _is_number(found) and found >= bound,
    "most": lambda found, bound: _is_number(found) and found <= bound,
    "not": lambda found, other: found != other,
    "length": lambda found, count: len(found) == count,
    "starts": lambda found, begin: str(found).startswith(begin),
    "json": _same_json,
    "jsons": _are_json,
    "numbers": _are_numbers,
    "floats": _are_floats,
    "holds": _holds,
    "any": lambda found, choices: found in choices,
}
