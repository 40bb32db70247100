"""Clients that do something wrong: the Python client with one fault, which its argument names."""

import os
import sys
from typing import Any

import xpstore
from conformance.clients.python.client import Commands, main


class WrongDigest(Commands):
    """Says another digest than it uploaded."""

    def _upload(self, files: dict[str, Any], *words: Any, **rest: Any) -> dict[str, Any]:
        answer = super()._upload(files, *words, **rest)
        return {**answer, "digest": answer["digest"][::-1]}


class Truncated(Commands):
    """Uploads all but the last byte, and says the digest of the whole."""

    def upload_file(self, path: str, content: list[Any], **rest: Any) -> dict[str, Any]:
        whole = super().upload_file(path, content, **{**rest, "name": "whole"})
        last = {**content[-1], "size_bytes": content[-1]["size_bytes"] - 1}
        return {**super().upload_file(path, [*content[:-1], last], **rest), "digest": whole["digest"]}


class Ignored(Commands):
    """Takes a failed download for a good one."""

    def download(self, **which: Any) -> dict[str, Any]:
        try:
            return super().download(**which)
        except xpstore.Error:
            return {"version_id": which.get("version_id", ""), "folder": "/nonexistent", "seconds": 0.1}


class Twice(Commands):
    """Logs its points twice."""

    def log_metrics(self, *words: Any, **rest: Any) -> dict[str, Any]:
        super().log_metrics(*words, **rest)
        return super().log_metrics(*words, **rest)


class FirstPage(Commands):
    """Takes the first page of a list for all of it."""

    def list_all(self, *words: Any, **rest: Any) -> dict[str, Any]:
        answer = super().list_all(*words, **rest)
        items = answer["items"][: rest.get("page_size", 4)]
        return {"items": items, "count": len(items)}


class Vague(Commands):
    """Says of no error what it was."""

    def get(self, *words: Any, **rest: Any) -> dict[str, Any]:
        try:
            return super().get(*words, **rest)
        except xpstore.Error as error:
            raise xpstore.Error(str(error), reason="INTERNAL") from None


class Chatty(Commands):
    """Writes to standard output."""

    def __init__(self) -> None:
        self._output = os.dup(1)

    def limits(self) -> dict[str, Any]:
        os.write(self._output, b"asking for limits\n")
        return super().limits()


if __name__ == "__main__":
    main(globals()[sys.argv[1]]())
