"""Alerts: what somebody should look at, said by a program or found by the server."""

import logging
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from xpstore._notebook.glance import Glance
from xpstore._notebook.html import facts, line, shown, table
from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._session.described_model import DescribedModel
from xpstore._session.registry import handle
from xpstore._session.server_version import takes_alerts
from xpstore._values.checks import invalid, to_free_text, to_name, to_step
from xpstore._values.ids import new_id, sent_id
from xpstore._values.times import now_us, to_datetime
from xpstore.v1 import alert_pb2 as pb
from xpstore.v1 import ingest_pb2, model_pb2

__all__ = ["Alert", "Alerts"]

log = logging.getLogger("xpstore")

LEVELS = {"info": pb.ALERT_LEVEL_INFO, "warning": pb.ALERT_LEVEL_WARNING, "error": pb.ALERT_LEVEL_ERROR}
_LEVELS = {number: name for name, number in LEVELS.items()}
_CAUSES = {
    pb.ALERT_CAUSE_CLIENT: "client",
    pb.ALERT_CAUSE_METRIC_NAN: "metric_nan",
    pb.ALERT_CAUSE_RUN_FAILED: "run_failed",
    pb.ALERT_CAUSE_RUN_LOST: "run_lost",
}
_LOGGED = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
# In a page, and in a table of a notebook.
PAGE_SIZE = 100
MOST_SHOWN = 20


class Alert:
    """Something about a model that somebody should look at."""

    def __init__(self, client: ClientBase, wire: pb.Alert) -> None:
        self._client = client
        self._wire = wire

    @property
    def id(self) -> UUID:
        """Its id, unique over all projects."""
        return sent_id(self._wire.id)

    @property
    def model_id(self) -> UUID:
        """The id of its model."""
        return sent_id(self._wire.model_id)

    @property
    def model(self) -> Any:
        """Its model: asks the server.

        Raises:
            NotFound: the model was deleted.
        """
        request = model_pb2.GetModelRequest(model_id=self._wire.model_id)
        return handle(self._client.call(self._client.stubs.models.GetModel, request).model, self._client)

    @property
    def level(self) -> str:
        """How much it matters: "info", "warning" or "error"."""
        return _LEVELS.get(self._wire.level, "warning")

    @property
    def cause(self) -> str:
        """Why there is one: "client", "metric_nan", "run_failed" or "run_lost"; "" if only newer clients know."""
        return _CAUSES.get(self._wire.cause, "")

    @property
    def title(self) -> str:
        """What happened, in one line."""
        return self._wire.title

    @property
    def text(self) -> str:
        """More of it, or ""."""
        return self._wire.text

    @property
    def step(self) -> int | None:
        """The training step it is about, if it is about one."""
        return self._wire.step if self._wire.HasField("step") else None

    @property
    def run_id(self) -> UUID | None:
        """The id of the run it is about, if it is about one."""
        return sent_id(self._wire.run_id) if self._wire.HasField("run_id") else None

    @property
    def at(self) -> datetime:
        """When it happened, UTC, by the clock of the machine that said so."""
        return to_datetime(self._wire.at_us)

    @property
    def created_at(self) -> datetime:
        """When it was stored, UTC: lists are in this order."""
        return to_datetime(self._wire.created_at_us)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alert) and self.id == other.id

    def __hash__(self) -> int:
        return self.id.int

    def __repr__(self) -> str:
        step = f", step={self.step}" if self.step is not None else ""
        return f"Alert(level={self.level!r}, title={self.title!r}{step}, at={self.at}, model_id={str(self.model_id)!r})"

    def _repr_html_(self) -> str:
        """What it says, for notebooks."""
        return shown(lambda: f"{self.level}: {self.title}", self._shown())

    def _shown(self) -> Iterator[str]:
        said = ("text", self.text), ("step", self.step), ("at", self.at), ("cause", self.cause)
        yield facts([*said, ("run", self.run_id), ("model", self.model_id)])


class Alerts:
    """The alerts of a model or of all models of a project, newest first: they are read as they are asked for."""

    def __init__(self, client: ClientBase, **scope: str) -> None:
        self._client = client
        self._scope = scope

    def __iter__(self) -> Iterator[Alert]:
        scope: dict[str, Any] = self._scope
        request, method = pb.ListAlertsRequest(**scope), self._client.stubs.alerts.ListAlerts
        for wire in iterate(self._client, method, request, "alerts", page_size=PAGE_SIZE):
            yield Alert(self._client, wire)

    def list(self, most: int | None = None) -> list[Alert]:
        """Returns the newest of them.

        Args:
            most: at most so many; default all.

        Raises:
            NotFound: the model or project was deleted.
            Unavailable: the server is away, or the client is offline.
            Unimplemented: the server is older than alerts.
        """
        return list(islice(self, most))

    def __repr__(self) -> str:
        return f"Alerts({', '.join(f'{name}={id_!r}' for name, id_ in self._scope.items())})"

    def _repr_html_(self) -> str:
        """The newest of them, for notebooks: asks the server, briefly."""
        return shown(lambda: "Alerts", self._shown())

    def _shown(self) -> Iterator[str]:
        scope: dict[str, Any] = self._scope
        request = pb.ListAlertsRequest(page_size=MOST_SHOWN, **scope)
        response = Glance(self._client).call(self._client.stubs.alerts.ListAlerts, request)
        every = [Alert(self._client, wire) for wire in response.alerts]
        if not every:
            yield line("none")
            return
        yield table(("level", "alert", "step", "at"), ((one.level, one.title, one.step, one.at) for one in every))
        if response.next_page_token:
            yield line("and more")


class LogsAlerts(DescribedModel):
    """What a model has for alerts."""

    def alert(self, title: str, text: str = "", level: str = "warning", step: int | None = None) -> None:
        """Says that somebody should look at the model.

        It is in the spool when this returns, and goes to the server in the background; the logger "xpstore" says it at
        its level. The server keeps 1,000 alerts of a model, and by itself makes one of the first NaN of a metric, of a
        run that fails and of one that is lost.

        Args:
            title: what happened, in one line of 1 to 256 characters.
            text: more of it, at most 16,384 characters.
            level: "info", "warning" or "error".
            step: the training step it is about.

        Raises:
            InvalidArgument: a value is malformed.
        """
        if not isinstance(level, str) or level not in LEVELS:
            raise invalid("level", level, 'must be "info", "warning" or "error"')
        event = ingest_pb2.AlertEvent(
            alert_id=new_id(),
            level=LEVELS[level],
            title=to_name("title", title),
            text=to_free_text("text", text),
            step=to_step("step", step) if step is not None else None,
            at_us=now_us(),
        )
        log.log(_LOGGED[level], "Alert of model %s: %s", self._target.model_id, event.title)
        if takes_alerts(self._client):
            self._client.recorder.event(self._target, ingest_pb2.EventRecord(alert=event))

    @property
    def alerts(self) -> Alerts:
        """The alerts of the model, newest first."""
        return Alerts(self._client, model_id=self._wire.id)
