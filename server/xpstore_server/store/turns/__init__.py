"""Turns: what waits for the database is served caller by caller, within bounds."""
