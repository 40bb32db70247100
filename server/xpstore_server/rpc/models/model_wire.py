"""Models and modules on the wire."""

from typing import Any

from sqlalchemy import Row

from xpstore.v1 import model_pb2 as pb
from xpstore_server.core import model
from xpstore_server.rpc.run import STATUS


def to_wire(row: Row[Any]) -> pb.Model:
    return pb.Model(
        id=row.id,
        experiment_id=row.experiment_id,
        project_uid=row.project_uid,
        hash=row.hash,
        name=row.name,
        description=row.description,
        step=row.step,
        config_json=row.config_json,
        tags=row.tags.split(model.TAG_SEPARATOR) if row.tags else (),
        tag_count=row.tag_count,
        status=STATUS[row.status],
        created_at_us=row.created_at_us,
        created_by=row.created_by,
        updated_at_us=row.updated_at_us,
        updated_by=row.updated_by,
        etag=str(row.revision),
        deleted_at_us=row.deleted_at_us if "deleted_at_us" in row._mapping else None,
    )


def module_to_wire(row: Row[Any]) -> pb.ModelModule:
    return pb.ModelModule(
        id=row.id,
        model_id=row.model_id,
        iteration_id=row.iteration_id,
        name=row.name,
        attributes_json=row.attributes_json,
        created_at_us=row.created_at_us,
    )
