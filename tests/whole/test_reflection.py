"""What a server says about itself to a caller that knows nothing of it: its services, and the health of each."""

import importlib
import pkgutil
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2 as pb

import xpstore.v1
from support.services import Server

pytestmark = pytest.mark.client

VERSIONS = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.address) as channel:
        yield channel


def services_of_the_contract() -> set[str]:
    """The full names of all services in the generated code."""
    names = (module.name for module in pkgutil.iter_modules(xpstore.v1.__path__) if module.name.endswith("_pb2"))
    files = [importlib.import_module(f"xpstore.v1.{name}").DESCRIPTOR for name in names]
    return {service.full_name for file in files for service in file.services_by_name.values()}


@pytest.mark.parametrize("version", VERSIONS)
def test_reflection_lists_and_describes_every_service_of_the_contract(
    version: str, server: Server, channel: grpc.Channel
) -> None:
    contract = services_of_the_contract()
    assert "xpstore.v1.IngestService" in contract
    ask = channel.stream_stream(
        f"/{version}/ServerReflectionInfo",
        request_serializer=pb.ServerReflectionRequest.SerializeToString,
        response_deserializer=pb.ServerReflectionResponse.FromString,
    )
    expected = sorted({*contract, health.SERVICE_NAME, *VERSIONS})
    asked = [pb.ServerReflectionRequest(file_containing_symbol=name) for name in expected]
    requests = [pb.ServerReflectionRequest(list_services=""), *asked]
    with pytest.raises(grpc.RpcError) as stranger:
        list(ask(iter(requests), timeout=10))
    assert stranger.value.code() == grpc.StatusCode.UNAUTHENTICATED
    first, *described = ask(iter(requests), metadata=(("authorization", f"Bearer {server.api_key}"),), timeout=10)
    assert sorted(service.name for service in first.list_services_response.service) == expected
    for name, answer in zip(expected, described, strict=True):
        files = map(FileDescriptorProto.FromString, answer.file_descriptor_response.file_descriptor_proto)
        assert name in {f"{file.package}.{service.name}" for file in files for service in file.service}


def test_each_service_has_a_health_of_its_own_name_and_no_other_has(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for name in ("", *services_of_the_contract(), *VERSIONS):
        assert stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10).status == SERVING
    with pytest.raises(grpc.RpcError) as unknown:
        stub.Check(health_pb2.HealthCheckRequest(service="xpstore.v1.Nonsense"), timeout=10)
    assert unknown.value.code() == grpc.StatusCode.NOT_FOUND
