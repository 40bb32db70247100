"""Callers that take all they can get, and those beside them."""
