"""The vectors of docs/, asked of a client one by one."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conformance.command import Command, Fault, Refused

DOCS = Path(__file__).parents[2] / "docs"
# Types of values that every full client has; others it may not know.
PORTABLE = {"none", "bool", "int", "float", "str", "bytes", "list", "tuple", "dict"}


def check_vectors(command: Command, of: str) -> None:
    """Asks for all vectors of a kind: "cuts", "trees", "values" or "processes".

    Raises:
        Fault: some answers are others.
    """
    faults = [f"{name}: {fault}" for name, fault in _faults(command, of)]
    if faults:
        raise Fault(f"{len(faults)} vectors differ. " + "; ".join(faults[:3]))


def _faults(command: Command, of: str) -> Iterator[tuple[str, str]]:
    fingerprints = of in ("values", "processes")
    vectors = json.loads((DOCS / f"{'fingerprint' if fingerprints else 'protocol'}-vectors.json").read_text())
    for vector in vectors[of]:
        if vector.get("is_global"):  # only a client that reads code has variables
            continue
        do, parameters, expected = _asked(of, vector)
        try:
            answer = command.ask(do, parameters)
        except Refused as refused:
            if not (refused.reason == "UNSUPPORTED" and of == "values" and not is_portable(vector["value"])):
                yield vector["name"], f"refused: {refused}"
            continue
        found = {name: answer.get(name) for name in expected}
        if found != expected:
            yield vector["name"], f"{found}, expected {expected}"
    for vector in vectors.get(f"refused_{of}", []):
        if of == "processes":
            yield from _refused(command, vector)


def _refused(command: Command, vector: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    try:
        answer = command.ask("fingerprint", {"process": vector["process"], "parts": vector["parts"]})
    except Refused as refused:
        if refused.reason != "INVALID_ARGUMENT":
            yield vector["name"], f"refused with {refused.reason}, INVALID_ARGUMENT was expected"
    else:
        yield vector["name"], f"{answer}, expected an error"


def _asked(of: str, vector: Mapping[str, Any]) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """A command, its parameters, and what it should answer."""
    match of:
        case "cuts":
            fields = ("chunk_sizes", "chunk_digests_blake3")
            return "cut", {"content": vector["content"]}, {name: vector[name] for name in fields}
        case "trees":
            asked = ("path", "type", "executable", "size_bytes", "blake3")
            entries = [{name: entry[name] for name in asked} for entry in reversed(vector["entries"])]
            return "tree_digest", {"entries": entries}, {"digest": vector["digest"]}
        case "values":
            return "fingerprint", {"value": vector["value"]}, {"fingerprint": vector["fingerprint"]}
        case "processes":
            parameters = {"process": vector["process"], "parts": vector["parts"]}
            return "fingerprint", parameters, {"fingerprint": vector["fingerprint"]}
    raise ValueError(f"there are no vectors {of!r}")


def is_portable(value: Any) -> bool:
    """Whether every client must know a value of the notation, and all that is in it."""
    if isinstance(value, list):
        return all(map(is_portable, value))
    if not isinstance(value, dict):
        return True
    # Text with half of a surrogate pair: most languages have no such text.
    return value.get("type", "none") in PORTABLE and "utf16_hex" not in value and all(map(is_portable, value.values()))
