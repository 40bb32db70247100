"""What each method needs of its caller, by the option `access` in the contract (proto/xpstore/v1/access.proto)."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import FileDescriptor

from xpstore.v1 import (
    access_pb2,
    artifact_pb2,
    cache_pb2,
    experiment_pb2,
    ingest_pb2,
    iteration_pb2,
    limits_pb2,
    metric_pb2,
    model_pb2,
    project_pb2,
    run_pb2,
)
from xpstore_server.core.roles.acting import Role

_FILES: tuple[FileDescriptor, ...] = tuple(
    module.DESCRIPTOR
    for module in (
        artifact_pb2,
        cache_pb2,
        experiment_pb2,
        ingest_pb2,
        iteration_pb2,
        limits_pb2,
        metric_pb2,
        model_pb2,
        project_pb2,
        run_pb2,
    )
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a method needs.

    Attributes:
        role: in the project that the call acts in.
        project: the fields of the request that say which that is, each as the names that lead there.
        max_entries: of a request, at all depths.
    """

    role: Role
    project: tuple[str, ...]
    max_entries: int


@cache
def rules() -> dict[str, Rule]:
    """The rule of each method of the contract, by its path, such as "/xpstore.v1.ModelService/GetModel"."""
    return {
        f"/{service.full_name}/{method.name}": _rule(method)
        for file in _FILES
        for service in file.services_by_name.values()
        for method in service.methods
    }


def _rule(method: Any) -> Rule:
    access = method.GetOptions().Extensions[access_pb2.access]
    if not access.role or access.max_entries < 1:
        raise ValueError(f"{method.full_name} says no role or no bound of its requests")
    return Rule(Role(access.role), tuple(access.project), access.max_entries)
