"""What a model is: what it was given when it was made, and its name and description, which may be given later."""

from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from xpstore._session.client import ClientBase
from xpstore._session.stamped import Stamped
from xpstore._spool.record import Target
from xpstore._values.checks import to_free_text, to_name
from xpstore._values.display_names import display_name
from xpstore._values.ids import sent_id
from xpstore._values.json_text import from_json_object
from xpstore._values.times import to_datetime
from xpstore.v1 import model_pb2 as pb


class DescribedModel(Stamped):
    """The fields of a model, as they were when it was last heard of."""

    def __init__(self, client: ClientBase, wire: pb.Model) -> None:
        self._client = client
        self._wire = wire

    def _read(self) -> pb.Model:
        request = pb.GetModelRequest(model_id=self._wire.id)
        self._wire = self._client.call(self._client.stubs.models.GetModel, request).model
        return self._wire

    @cached_property
    def _target(self) -> Target:
        """What is logged of it names it by this."""
        if self._client.offline is not None:
            return self._client.offline.target(self._wire.id)
        return self._client.recorder.target(self._wire.id, self._wire.project_uid)

    @property
    def id(self) -> UUID:
        """Its id, unique over all projects."""
        return sent_id(self._wire.id)

    @property
    def experiment_id(self) -> UUID:
        """The id of its experiment."""
        return sent_id(self._wire.experiment_id)

    @property
    def project_uid(self) -> str:
        """The `uid` of its project."""
        return self._wire.project_uid

    @property
    def deleted_at(self) -> datetime | None:
        """When it was deleted, UTC, of one that `models.deleted()` returned; else None."""
        return to_datetime(self._wire.deleted_at_us) if self._wire.HasField("deleted_at_us") else None

    @property
    def hash(self) -> str:
        """Its identity, unique in the experiment."""
        return self._wire.hash

    @property
    def name(self) -> str | None:
        """The name it was given, not unique, None if none was, as it was when this object last heard of the server."""
        return self._wire.name if self._wire.HasField("name") else None

    @name.setter
    def name(self, name: str | None) -> None:
        self._update(name=to_name("name", name) if name is not None else None)

    @property
    def display_name(self) -> str:
        """What it is called: its name, else one made of its id, such as "brisk-fox-17", which is stored nowhere."""
        return display_name(self.name, self.id)

    @property
    def description(self) -> str | None:
        """Free text, None if none was given."""
        return self._wire.description if self._wire.HasField("description") else None

    @description.setter
    def description(self, description: str | None) -> None:
        self._update(description=to_free_text("description", description) if description is not None else None)

    def _update(self, **fields: Any) -> None:
        request = pb.UpdateModelRequest(model_id=self._wire.id, **fields)
        request.update_mask.paths.extend(fields)
        self._wire = self._client.call(self._client.stubs.models.UpdateModel, request).model

    @property
    def config(self) -> dict[str, Any]:
        """What it was made with, `{}` if nothing was said. A copy: changing it changes nothing else."""
        return from_json_object("a config", self._wire.config_json)
