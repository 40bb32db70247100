"""Reflection in both of its versions: their messages are the same on the wire, and the library has the first alone."""

import grpc
from google.protobuf import descriptor_pool, text_format
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

FIRST = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]
METHOD = "ServerReflectionInfo"


def versions() -> list[ServiceDescriptor]:
    """The services of both versions. The second is put beside the first, so that it can be described too."""
    first = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(first)
    pool, name = descriptor_pool.Default(), first.name.replace("v1alpha", "v1")
    try:
        second = pool.FindFileByName(name)
    except KeyError:
        text = text_format.MessageToString(first).replace("reflection.v1alpha", "reflection.v1")
        copy = text_format.Parse(text, FileDescriptorProto())
        copy.name = name
        pool.AddSerializedFile(copy.SerializeToString())
        second = pool.FindFileByName(name)
    return [FIRST, second.services_by_name[FIRST.name]]


def add(server: grpc.aio.Server, names: list[str]) -> None:
    """Serves reflection of these services."""
    servicer = ReflectionServicer(names)
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for service in versions():
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, {METHOD: handler}),))
