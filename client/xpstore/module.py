"""Modules: named parts of a model or of an iteration, with attributes."""

import json
import reprlib
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from xpstore.client import Client, new_id
from xpstore.paging import iterate
from xpstore.v1 import model_pb2 as pb
from xpstore.wire import to_json_object

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
    def _from_wire(cls, wire: pb.Module) -> Self:
        return cls(UUID(wire.id), wire.name, json.loads(wire.attributes_json))

    def __repr__(self) -> str:
        return f"Module(name={self.name!r}, attributes={reprlib.repr(self.attributes)})"


class Modules:
    """The modules of a model or of an iteration."""

    def __init__(self, client: Client, *, model_id: str | None = None, iteration_id: str | None = None) -> None:
        self._client = client
        self._parent: dict[str, Any] = {"model_id": model_id, "iteration_id": iteration_id}

    def log(self, name: str, attributes: dict[str, Any] | None = None) -> Module:
        """Records a module. Several may have one name.

        Args:
            name: 1 to 256 characters.
            attributes: JSON-like dictionary; scalars of numpy and torch count as numbers.

        Raises:
            InvalidArgument: the name is malformed, or `attributes` has what JSON cannot say.
            NotFound: the model or iteration was deleted.
        """
        request = pb.CreateModuleRequest(
            **self._parent,
            module_id=new_id(),
            name=name,
            attributes_json=to_json_object("attributes", attributes),
        )
        return Module._from_wire(self._client.call(self._client.stubs.models.CreateModule, request).module)

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
        return "Modules({})".format(", ".join(f"{key}={id_!r}" for key, id_ in self._parent.items() if id_))
