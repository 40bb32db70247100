"""A real gRPC server that has one of everything, and says of it in every text what a test says."""

import importlib
import pkgutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import grpc
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

import xpstore.v1
from support.raw import tree_digest

ID = "11111111-1111-4111-8111-111111111111"
# What would not be read if it were any text.
ELSE = {"contract_version": "1.1", "server_version": "0", "next_page_token": "", "type": "directory"}
NUMBERS = {"max_page_size": 1_000, "max_digests": 1_000, "max_chunk_bytes": 1 << 20, "size_bytes": 0, "file_count": 0}


def methods() -> dict[str, MethodDescriptor]:
    """All methods of the contract by their paths on the wire."""
    found: dict[str, MethodDescriptor] = {}
    for module in pkgutil.iter_modules(xpstore.v1.__path__):
        if module.name.endswith("_pb2"):
            file = importlib.import_module(f"xpstore.v1.{module.name}").DESCRIPTOR
            for service in file.services_by_name.values():
                found |= {f"/{service.full_name}/{method.name}": method for method in service.methods}
    return found


class Scribbler(grpc.GenericRpcHandler):
    """Answers every call with a message whose fields are all set.

    Args:
        text: stands wherever there is text, but for ids and the like; in JSON as key and value.
        json: what stands where JSON should.
        id: what stands where an id should.
        time_us: what stands where a time should.
    """

    def __init__(self, text: str, *, json: str = "{}", id: str = ID, time_us: int = 1_000_000) -> None:
        self._text, self._json, self._id, self._time_us = text, json, id, time_us
        self._methods = methods()
        self._server = grpc.server(ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers((self,))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def service(self, details: Any) -> Any:
        """How a method is answered."""
        method = self._methods[details.method]
        answer: bytes = self.filled(method.output_type).SerializeToString()
        if method.client_streaming and method.server_streaming:
            return None

        def single(request: Any, context: grpc.ServicerContext) -> bytes:
            return answer

        def stream(request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
            return iter(())

        if method.client_streaming:
            return grpc.stream_unary_rpc_method_handler(single)
        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(single)

    def filled(self, kind: Descriptor, depth: int = 0) -> Any:
        """A message with everything in it."""
        message = GetMessageClass(kind)()
        for field in kind.fields:
            self._fill(message, field, depth)
        return message

    def _fill(self, message: Any, field: FieldDescriptor, depth: int) -> None:
        is_of_one = field.containing_oneof is not None and field.containing_oneof.fields[0] is not field
        is_optional = field.containing_oneof is not None and field.containing_oneof.name.startswith("_")
        if is_of_one and not is_optional:
            return
        if field.message_type is not None:
            if field.message_type.GetOptions().map_entry or depth > 5:
                return
            inner = self.filled(field.message_type, depth + 1)
            if field.is_repeated:
                getattr(message, field.name).append(inner)
            else:
                getattr(message, field.name).CopyFrom(inner)
        elif field.is_repeated:
            getattr(message, field.name).append(self._value(field))
        else:
            setattr(message, field.name, self._value(field))

    def _value(self, field: FieldDescriptor) -> Any:
        name = field.name
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            if field.type == FieldDescriptor.TYPE_BYTES:
                return tree_digest({}) if name == "digest" else b""
            if name.endswith("_json"):
                return self._json
            is_text = name == "project_id" or field.full_name == "xpstore.v1.Project.id"
            is_id = name.rstrip("s").endswith(("id", "uid")) and not is_text
            return ELSE.get(name, self._id if is_id else self._text)
        if field.cpp_type in (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE):
            return 1.0
        return NUMBERS.get(name, self._time_us if name.endswith("_at_us") or name == "time_us" else 1)

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None)
