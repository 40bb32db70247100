"""Values that are no number: the first NaN of a series is told to somebody, in whatever language it was logged."""

from collections.abc import Mapping, Sequence

import numpy as np

from xpstore_server.core import alert, limits
from xpstore_server.core.alert import NewAlert
from xpstore_server.store.points import Points
from xpstore_server.store.transaction import Transaction

CAUSE = "metric_nan"


def has_nan(some: Sequence[Points]) -> bool:
    """Whether there is a NaN. All are looked at together: by itself each series would take ten times as long."""
    floats = [points.values for points in some if points.kind == "float"]
    if floats and np.isnan(np.concatenate(floats)).any():
        return True
    return any(("float", "nan") in points.values for points in some if isinstance(points.values, list))


def tell(tx: Transaction, model_id: str, project_uid: str, found: Mapping[tuple[str, str], Points]) -> None:
    """Makes an alert of the first NaN of each series that had none before: name and phase, and its new points.

    The caller holds the row of the model.
    """
    new = [
        _alert(model_id, name, phase, points, place)
        for (name, phase), points in found.items()
        if (place := _first(points)) is not None
    ]
    alert.add(tx, model_id, project_uid, new, limits.NAN_ALERTS)


def _first(points: Points) -> int | None:
    """The place of the first NaN."""
    if isinstance(points.values, list):
        return points.values.index(("float", "nan")) if ("float", "nan") in points.values else None
    places = np.flatnonzero(np.isnan(points.values)) if points.kind == "float" else ()
    return int(places[0]) if len(places) else None


def _alert(model_id: str, name: str, phase: str, points: Points, place: int) -> NewAlert:
    step = points.step(place)
    what = f"{name} [{phase}]" if phase else name
    where = "" if step is None else f" at step {step}"
    text = f"{what} is NaN{where}"
    title = alert.one_line(text)
    id_ = alert.id_of(model_id, CAUSE, name, phase)
    at_us = int(points.times[place])
    return NewAlert(id_, "warning", CAUSE, title, "" if title == text else text, step, at_us=at_us)
