"""This machine: its settings, folders, files and locks, and what a run records of it."""
