"""Notebooks on real kernels: cells are run one by one, as a user does."""

import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest import mock

import nbformat
from nbclient import NotebookClient


class Notebook:
    """A kernel of this Python, and the cells that are run on it.

    Args:
        folder: where it works.
        environment: its whole environment.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder = folder
        self._home = {"HOME": os.environ.get("HOME", str(folder))}  # Jupyter does not run without one
        self._environment = self._home | environment
        empty = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
        self._client = NotebookClient(empty, timeout=120, kernel_name="python3", shutdown_kernel="immediate")

    def __enter__(self) -> Self:
        with mock.patch.dict(os.environ, self._home):
            self._client.create_kernel_manager()
            self._client.start_new_kernel(cwd=str(self._folder), env=self._environment)
            self._client.start_new_kernel_client()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client._cleanup_kernel()

    def run(self, source: str) -> str:
        """Runs a cell. Returns what it printed; raises what it raised."""
        return "".join(output.text for output in self._outputs(source) if output.get("name") == "stdout").strip()

    def displayed(self, source: str) -> dict[str, str]:
        """Runs a cell. Returns what it shows, by the types of media."""
        shown: dict[str, str] = {}
        for output in self._outputs(source):
            shown |= output.get("data", {})
        return shown

    def _outputs(self, source: str) -> list[Any]:
        cell = nbformat.v4.new_code_cell(source.strip())  # type: ignore[no-untyped-call]
        self._client.nb.cells.append(cell)
        self._client.execute_cell(cell, len(self._client.nb.cells) - 1)
        return list(cell.outputs)

    def restart(self) -> None:
        """Ends the kernel and begins another one, which has run nothing."""
        self.__exit__(None, None, None)
        self.__enter__()
