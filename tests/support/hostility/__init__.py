"""Servers that lie, and requests as they should be for tests to spoil."""
