"""The rules and queries of each feature: synchronous, knowing neither gRPC nor protobuf."""
