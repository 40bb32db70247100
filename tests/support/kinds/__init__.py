"""Kinds of values that cached functions are given and return, and what the cache does with each."""
