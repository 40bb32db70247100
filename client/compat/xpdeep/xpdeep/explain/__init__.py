"""Explanations, under the name of xpdeep."""
