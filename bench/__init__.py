"""Benchmarks: what a user waits for, beside what the same machine does without us, in one run.

`make bench` prints a table and writes bench/results.json. Figures move with the machine; read the ratios.
"""
