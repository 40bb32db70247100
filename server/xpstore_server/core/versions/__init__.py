"""Versions: what hangs on them, and how they are listed."""
