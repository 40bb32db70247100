"""Clients of all contestants, each a process of its own for each measurement, so that CPU and memory are theirs."""
