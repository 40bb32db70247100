"""Configs of models: what they are known by, and in what two differ."""

import json
import logging
import reprlib
from collections.abc import Mapping
from typing import Any

from xpstore._values.json_text import to_json_object

log = logging.getLogger("xpstore")

MOST_TOLD = 5


def config_hash(config: Mapping[Any, Any]) -> str:
    """The hash of a model that is known by its config alone: the same for equal configs in any order of keys.

    Raises:
        InvalidArgument: the config has what JSON cannot say.
    """
    from blake3 import blake3  # here, as few models are known by their config

    canonical = to_json_object("config", config, is_canonical=True)
    return f"config-1-{blake3(canonical.encode()).hexdigest()}"


def difference(stored: str, given: str) -> str:
    """What a config says other than the one that a model has, both as JSON; "" if nothing."""
    if stored == given:
        return ""
    old, new = json.loads(stored), json.loads(given)
    keys = [key for key in {**old, **new} if _text(old, key) != _text(new, key)]
    told = [f"{key} is {_shown(old, key)}, given {_shown(new, key)}" for key in keys[:MOST_TOLD]]
    return "; ".join(told) + (f"; and {len(keys) - MOST_TOLD} more" if len(keys) > MOST_TOLD else "")


def tell_difference(hash: str, stored: str, given: str) -> None:
    """Warns if a model that is there has another config than the one that was given."""
    if told := difference(stored, given):
        log.warning("Model %r keeps the config it was made with: %s.", hash, told)


def _text(config: dict[str, Any], key: str) -> str:
    return json.dumps(config[key], sort_keys=True) if key in config else ""


def _shown(config: dict[str, Any], key: str) -> str:
    return reprlib.repr(config[key]) if key in config else "not said"
