"""Benchmarks: what a user waits for, beside what others need for it on the same machine in the same run.

`make bench` prints a table and writes bench/results.json and bench/results.png. Figures move with the machine; read the
ratios.
"""
