"""Models with their modules and points on the wire."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row

from xpstore.v1 import model_pb2 as pb
from xpstore_server.core import limits
from xpstore_server.core.errors import InvalidArgument
from xpstore_server.core.ingesting.whole_models import WholeModel
from xpstore_server.core.model import NewModel
from xpstore_server.core.module import NewModule
from xpstore_server.rpc.fields import a_hash, a_json_object, a_name, a_text, a_time, a_uuid, if_set, tags_of
from xpstore_server.rpc.metric_wire import part_of
from xpstore_server.rpc.models.model_wire import to_wire


def whole_models_of(request: pb.CreateModelsRequest) -> list[WholeModel]:
    """What a request wants to be created."""
    experiment_id = a_uuid("experiment_id", request.experiment_id)
    _at_most("models", len(request.models), limits.IDS, "max_ids", "send several")
    new = [_whole(f"models[{number}]", experiment_id, wire) for number, wire in enumerate(request.models)]
    points = sum(len(part.points) for one in new for part in one.parts)
    _at_most("models", points, limits.BATCH_POINTS, "max_packed_points", "so many points in all: send several")
    _check_ids(new)
    return new


def _whole(path: str, experiment_id: str, wire: pb.NewModel) -> WholeModel:
    new = NewModel(
        experiment_id=experiment_id,
        id=a_uuid(f"{path}.model_id", wire.model_id),
        hash=a_hash(f"{path}.hash", wire.hash),
        name=if_set(wire, "name", a_name, f"{path}."),
        description=if_set(wire, "description", a_text, f"{path}."),
        config_json=a_json_object(f"{path}.config_json", wire.config_json),
        tags=tags_of(f"{path}.tags", wire.tags),
        created_at_us=if_set(wire, "created_at_us", a_time, f"{path}."),
    )
    _at_most(f"{path}.modules", len(wire.modules), limits.NEW_MODULES, "max_new_modules", "log others later")
    _at_most(f"{path}.series", len(wire.series), limits.SERIES, "max_series", "log others later")
    modules = [_module(f"{path}.modules[{number}]", one) for number, one in enumerate(wire.modules)]
    parts = [part_of(one, f"{path}.series[{number}]", 1) for number, one in enumerate(wire.series)]
    return WholeModel(path, new, modules, parts)


def _module(path: str, wire: pb.NewModule) -> NewModule:
    return NewModule(
        a_uuid(f"{path}.module_id", wire.module_id),
        a_name(f"{path}.name", wire.name),
        a_json_object(f"{path}.attributes_json", wire.attributes_json),
    )


def _at_most(field: str, count: int, most: int, limit: str, fix: str) -> None:
    if count > most:
        raise InvalidArgument(field, count, f"must be at most {most}: {fix}", limit=limit, expected=most)


def _check_ids(new: Sequence[WholeModel]) -> None:
    """Refuses what has the id of another one of the request."""
    seen = set[str]()
    for one in new:
        ids = {f"{one.path}.modules[{number}].module_id": each.id for number, each in enumerate(one.modules)}
        for path, id_ in {f"{one.path}.model_id": one.model.id, **ids}.items():
            if id_ in seen:
                raise InvalidArgument(path, id_, "must be the id of one thing: make a random one for each")
            seen.add(id_)


def created_to_wire(made: Sequence[tuple[Row[Any], bool]]) -> pb.CreateModelsResponse:
    """What came of models, as many as fit into a message."""
    wire, size = pb.CreateModelsResponse(), 0
    for row, created in made:
        one = pb.CreatedModel(model=to_wire(row), created=created)
        size += one.ByteSize()
        if wire.models and size > limits.PAGE_BYTES:
            break
        wire.models.append(one)
    return wire
