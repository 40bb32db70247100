"""Clients of other trackers: programs that run in the environments of these."""
