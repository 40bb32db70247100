"""A client of xpstore: saves a file or folder, or downloads the newest version of one."""

from collections.abc import Callable
from typing import Any

from bench.transfer.clients.measured import main
from xpstore import Client
from xpstore._artifacts.options import SaveOptions
from xpstore.artifact import DirectoryArtifact


def prepare(task: dict[str, Any]) -> Callable[[], object]:
    client = Client(task["api_key"], task["address"])
    project = client.project("bench")
    project.open()
    path, name = task["path"], task["name"]
    if task["action"] == "down":
        return lambda: DirectoryArtifact.get_by_name(name, project=project).download(path)
    options: SaveOptions = {"project": project}
    if task["reread"]:
        options["reread"] = True
    return lambda: DirectoryArtifact.save(path, name, **options)


if __name__ == "__main__":
    main(prepare)
