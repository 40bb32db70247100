"""What cached functions of tests computed."""

from typing import Any

calls: list[Any] = []
