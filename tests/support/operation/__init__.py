"""Servers as an operator runs them."""
