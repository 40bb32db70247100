"""Calls that no client should make: each method by spoilt messages and by raw bytes, `make fuzz`."""
