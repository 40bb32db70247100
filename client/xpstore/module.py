"""Modules: named parts of a model or of an iteration, with attributes."""

import json
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._spool.record import Target
from xpstore._values.checks import to_name
from xpstore._values.ids import ordered_id, sent_id
from xpstore._values.json_text import from_json_object, to_json_object
from xpstore.v1 import ingest_pb2
from xpstore.v1 import model_pb2 as pb

__all__ = ["Module", "Modules"]


@dataclass(frozen=True, slots=True, repr=False)
class Module:
    """A named part: a layer, an optimizer, a tokenizer, a data set.

    Attributes:
        id: its id, unique over all projects.
        name: its name, not unique: the newest of a name counts.
        attributes: what was said about it, numbers as they were given.
    """

    id: UUID
    name: str
    attributes: dict[str, Any] = field(hash=False)

    @classmethod
    def _from_wire(cls, wire: pb.ModelModule) -> Self:
        return cls(sent_id(wire.id), wire.name, from_json_object("attributes", wire.attributes_json))

    def __repr__(self) -> str:
        return f"Module(name={self.name!r}, attributes={reprlib.repr(self.attributes)})"


class Modules:
    """The modules of a model, or of an iteration: then it has a step, and an id that may have to be asked for."""

    def __init__(
        self,
        client: ClientBase,
        target: Target,
        *,
        step: int | None = None,
        iteration_id: Callable[[], str] | None = None,
    ) -> None:
        self._client = client
        self._target = target
        self._step = step
        self._iteration_id = iteration_id

    @property
    def _parent(self) -> dict[str, Any]:
        if self._iteration_id is None:
            return {"model_id": self._target.model_id}
        return {"iteration_id": self._iteration_id()}

    def log(self, name: str, attributes: Mapping[Any, Any] | None = None) -> Module:
        """Records a module. Several may have one name.

        It is in the spool when this returns, and goes to the server in the background. That of a model or iteration
        that was deleted is dropped, with a warning.

        Args:
            name: 1 to 256 characters.
            attributes: JSON-like dictionary; scalars of numpy and torch count as numbers, keys that are numbers, True,
                False or None become text.

        Raises:
            InvalidArgument: the name is malformed, or `attributes` has what JSON cannot say.
        """
        text = to_json_object("attributes", attributes)
        event = ingest_pb2.ModuleEvent(module_id=ordered_id(), name=to_name("name", name), attributes_json=text)
        if self._step is not None:
            event.iteration_step = self._step
        self._client.recorder.event(self._target, ingest_pb2.EventRecord(module=event))
        return Module(UUID(event.module_id), event.name, json.loads(text))

    add = log

    def remove(self, module: Module) -> None:
        """Deletes a module. Does nothing when it is gone."""
        self._client.call(self._client.stubs.models.DeleteModule, pb.DeleteModuleRequest(module_id=str(module.id)))

    def clear(self) -> None:
        """Deletes all modules of the model or iteration; a model's iterations keep theirs."""
        self._client.call(self._client.stubs.models.ClearModules, pb.ClearModulesRequest(**self._parent))

    def list(self) -> list[Module]:
        """Returns all modules of the model or iteration in the order they were recorded.

        Raises:
            NotFound: the model or iteration was deleted.
        """
        request = pb.ListModulesRequest(**self._parent)
        wires = iterate(self._client, self._client.stubs.models.ListModules, request, "modules")
        return [Module._from_wire(wire) for wire in wires]

    def __repr__(self) -> str:
        step = f", step={self._step}" if self._step is not None else ""
        return f"Modules(model_id={self._target.model_id!r}{step})"
