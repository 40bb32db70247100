"""How services come into a server of gRPC."""

from typing import Any

import grpc


class Entry:
    """Where services are added to a server, as generated code does it, but for the registration of each method.

    gRPC waits for a call of each registered method in a task of its own, and walks through all of these at each call:
    through a hundred in 0.07 ms. What is not registered is found by its name in a dictionary.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        """Does nothing."""
