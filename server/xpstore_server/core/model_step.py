"""The live step of a model: advanced by many at once, and set back to resume from a checkpoint."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, select

from xpstore_server.core import iteration, limits, model, revision
from xpstore_server.core.errors import AlreadyExists, InvalidArgument
from xpstore_server.core.metrics import metric
from xpstore_server.store import tables
from xpstore_server.store.tables import step_advance
from xpstore_server.store.transaction import Transaction

_KNOWN = select(step_advance).where(step_advance.c.id == bindparam("key"))
_PRUNE = step_advance.delete().where(
    step_advance.c.model_id == bindparam("key"), step_advance.c.created_at_us < bindparam("oldest_us")
)


@dataclass(frozen=True, slots=True)
class Rewound:
    """What a step of a rewind took, and the model if it was the last."""

    model: Row[Any] | None
    removed_points: int
    removed_iterations: int


def advance(tx: Transaction, principal: str, *, model_id: str, advance_id: str, delta: int) -> int:
    """Adds to the step, once for each `advance_id`. Returns the step after it."""
    row = model.lock(tx, model_id)
    known = tx.execute(_KNOWN, {"key": advance_id}).first()
    if known is not None:
        if known.model_id != model_id or known.delta not in (delta, None):
            raise AlreadyExists("advance", "advance_id", advance_id, "Make a new random id.")
        return int(known.step)
    step: int = row.step + delta
    if not 0 <= step <= limits.STEP:
        raise InvalidArgument("delta", delta, f"the step would be {step}, and must be between 0 and {limits.STEP}")
    now = tx.now_us()
    tx.execute(_PRUNE, {"key": model_id, "oldest_us": now - limits.ADVANCE_KEPT_US})
    made = {"id": advance_id, "model_id": model_id, "step": step, "delta": delta, "created_at_us": now}
    tx.insert(step_advance, made)
    revision.change(tx, tables.model, row, {"step": step}, principal)
    return step


def set_to(tx: Transaction, principal: str, *, model_id: str, step: int) -> None:
    """Sets the step."""
    revision.change(tx, tables.model, model.lock(tx, model_id), {"step": step}, principal)


def rewind(tx: Transaction, principal: str, *, model_id: str, step: int) -> Rewound:
    """Removes some points and iterations after a step, the newest first; sets it when there are no more."""
    row = model.lock(tx, model_id)
    points, is_all = metric.remove_some_after(tx, model_id=model_id, step=step)
    if not is_all:
        return Rewound(None, points, 0)
    iterations = iteration.clear_some(tx, model_id, step)
    if iterations == iteration.BATCH:
        return Rewound(None, points, iterations)
    revision.change(tx, tables.model, row, {"step": step}, principal)
    return Rewound(model.get(tx, model_id), points, iterations)
