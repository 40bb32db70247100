"""The xpstore server: a gRPC service over SQL metadata and a blob store."""
