"""Searches of models: random ones, and what must come out."""
