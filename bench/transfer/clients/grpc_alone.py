"""A client of a gRPC server that does nothing: messages of 1 MiB as generated stubs send them, one stream.

With "serve" as its task it is that server: an `aio` one, which discards what comes and sends the same bytes again.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import BytesValue, UInt64Value

from bench.transfer.clients.measured import main

MESSAGE_BYTES = 1 << 20
SERVICE = "bench.Alone"


def prepare(task: dict[str, Any]) -> Callable[[], object]:
    channel = grpc.insecure_channel(task["address"], [("grpc.enable_http_proxy", 0)])
    grpc.channel_ready_future(channel).result(30)
    number = task["size_bytes"] // MESSAGE_BYTES
    send: Any = channel.stream_unary(
        f"/{SERVICE}/Up",
        request_serializer=BytesValue.SerializeToString,
        response_deserializer=UInt64Value.FromString,
    )
    receive: Any = channel.unary_stream(
        f"/{SERVICE}/Down",
        request_serializer=UInt64Value.SerializeToString,
        response_deserializer=BytesValue.FromString,
    )
    data = bytes(MESSAGE_BYTES)

    def up() -> None:
        # A new message each time, as a sender of a file makes them.
        taken = send(BytesValue(value=data) for _ in range(number)).value
        assert taken == number * MESSAGE_BYTES

    def down() -> None:
        taken = sum(len(message.value) for message in receive(UInt64Value(value=number)))
        assert taken == number * MESSAGE_BYTES

    return up if task["action"] == "up" else down


async def _take(messages: AsyncIterator[BytesValue], context: Any) -> UInt64Value:
    taken = 0
    async for message in messages:
        taken += len(message.value)
    return UInt64Value(value=taken)


async def _give(number: UInt64Value, context: Any) -> AsyncIterator[BytesValue]:
    data = bytes(MESSAGE_BYTES)
    for _ in range(number.value):
        yield BytesValue(value=data)


async def serve(address: str) -> None:
    server = grpc.aio.server()
    up: Any = grpc.stream_unary_rpc_method_handler(
        _take,
        request_deserializer=BytesValue.FromString,
        response_serializer=UInt64Value.SerializeToString,
    )
    down: Any = grpc.unary_stream_rpc_method_handler(
        _give,
        request_deserializer=UInt64Value.FromString,
        response_serializer=BytesValue.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Up": up, "Down": down}),))
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(sys.argv[2]))
    else:
        main(prepare)
