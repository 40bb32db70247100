"""Scenarios that every client must pass, in any language: see README.md beside this file."""

import os
import sys
from pathlib import Path

os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # clients that are killed are no news

# Servers of tests stand on it, and `python -m conformance` is told of tests/ alone.
if (_examples := str(Path(__file__).parents[2] / "examples")) not in sys.path:
    sys.path.append(_examples)
