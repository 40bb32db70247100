"""Metrics: points appended, read back whole or in buckets, and put together."""
