"""The xpstore server: a gRPC service over SQL metadata and a blob store."""

__version__ = "0.1.0"
