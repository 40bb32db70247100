"""What each method needs of its caller, read from the contract's own option once at start."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import ServiceDescriptorProto

from xpstore.v1 import access_pb2 as pb
from xpstore_server.core import limits
from xpstore_server.door.weight import Plan, plan_of
from xpstore_server.settings import StartError

SECOND_US = 1_000_000
OPEN_BYTES = 4_096  # the name of a service
OPEN_SERVICE = "grpc.health.v1.Health"
# Of services that are not ours and have no such option: reflection asks for any key, and names one thing a message.
REFLECTED_ENTRIES = 100
LONGER_US = {"CommitArtifact": limits.COMMIT_CALL_US, "WaitForCacheEntry": limits.WAIT_CALL_US}


@dataclass(frozen=True, slots=True)
class Rule:
    """What one method needs.

    Attributes:
        method: its path, as "/xpstore.v1.ModelService/GetModel".
        role: the least role of its caller in the project that the call acts in.
        project: paths of the fields of a request that say which project that is.
        max_entries: most entries of one request; see `weight`.
        max_bytes: most bytes of one.
        seconds: how long a call of one request and one answer may take.
        plan: how a request is weighed and parsed.
        is_stream: whether its requests stream.
        is_waiting: whether it only waits, and is counted apart.
        is_open: whether callers need no key.
    """

    method: str
    role: int
    project: tuple[str, ...]
    max_entries: int
    seconds: float
    plan: Plan
    is_stream: bool = False
    is_waiting: bool = False
    is_open: bool = False
    max_bytes: int = limits.MESSAGE_BYTES

    @property
    def name(self) -> str:
        """The name of the method alone."""
        return self.method.rpartition("/")[2]


def rules_of(services: Iterable[ServiceDescriptor]) -> Mapping[str, Rule]:
    """The rules of all methods of these services, by path.

    Raises:
        StartError: a method of ours says no role or no bound.
    """
    return {rule.method: rule for service in services for rule in _of(service)}


def same_as(rule: Rule, service: ServiceDescriptor) -> Rule:
    """The rule of the same method of another service that has the same messages."""
    return replace(rule, method=f"/{service.full_name}/{rule.name}")


def _of(service: ServiceDescriptor) -> Iterator[Rule]:
    wire = ServiceDescriptorProto()
    service.CopyToProto(wire)
    is_stream = {method.name: method.client_streaming for method in wire.method}
    for method in service.methods:
        access: Any = method.GetOptions().Extensions[cast(Any, pb.access)]
        if service.full_name.startswith("grpc."):
            access = pb.Access(role=pb.ROLE_VIEWER, max_entries=REFLECTED_ENTRIES)
        yield _rule(method, access, is_stream[method.name])


def _rule(method: MethodDescriptor, access: pb.Access, is_stream: bool) -> Rule:
    path = f"/{method.containing_service.full_name}/{method.name}"
    for lacks, what in ((not access.role, "role"), (access.max_entries <= 0, "max_entries")):
        if lacks:
            raise StartError(f"{path} has no {what}: say it by the option (xpstore.v1.access) of the method")
    is_open = method.containing_service.full_name == OPEN_SERVICE
    return Rule(
        method=path,
        role=access.role,
        project=tuple(access.project),
        max_entries=access.max_entries,
        seconds=LONGER_US.get(method.name, limits.CALL_US) / SECOND_US,
        plan=plan_of(method.input_type),
        is_stream=is_stream,
        is_waiting=method.name == "WaitForCacheEntry",
        is_open=is_open,
        max_bytes=OPEN_BYTES if is_open else limits.MESSAGE_BYTES,
    )


# Of what is asked for and does not exist.
UNKNOWN = Rule("", pb.ROLE_VIEWER, (), 0, limits.CALL_US / SECOND_US, Plan("", None, 0))
