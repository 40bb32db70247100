"""How a place in an artifact is written: `project/artifact@version/path`.

A slash or a percent sign in a name, and an @ in that of an artifact, are written percent-encoded. The path is not: it
is written as it is in the artifact.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from xpstore.v1 import artifact_pb2 as pb

_VERSION = re.compile(r"v?([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class ArtifactPath:
    """What a path names; parts that it does not have are "".

    Attributes:
        project: the caller's id of the project.
        artifact: name of the artifact.
        selector: which version: a number, "latest" or an alias; "" for the newest.
        path: the file or directory in that version.
        head: project, artifact and selector as they were written.
    """

    project: str
    artifact: str
    selector: str
    path: str
    head: str

    @classmethod
    def of(cls, path: str) -> "ArtifactPath":
        """Reads a path that `canonical` wrote."""
        project, _, rest = path.partition("/")
        named, _, inner = rest.partition("/")
        artifact, selector = _split_selector(named)
        head = f"{project}/{named}" if rest else project
        return cls(unquote(project), unquote(artifact), unquote(selector), inner, head)

    @property
    def is_project(self) -> bool:
        """Whether it names no artifact."""
        return "/" not in self.head

    def written(self, inner: str) -> str:
        """The path of another file of this version."""
        return f"{self.head}/{inner}" if inner else self.head

    def artifact_name(self) -> pb.ArtifactName:
        """Names the version on the wire."""
        name = pb.ArtifactName(project_id=self.project, name=self.artifact)
        if number := _VERSION.fullmatch(self.selector):
            name.version = int(number[1])
        elif self.selector not in ("", "latest"):
            name.alias = self.selector
        return name


def canonical(path: str) -> str:
    """The one way to write a path, so that what was asked for and what is listed can be compared."""
    project, *rest = path.lstrip("/").split("/", 2)
    if rest:
        artifact, selector = _split_selector(rest[0])
        rest[0] = quote_artifact(unquote(artifact)) + (f"@{quote(unquote(selector))}" if selector else "")
    return "/".join([quote(unquote(project)), *rest])


def quote(part: str) -> str:
    """Writes a project's id, or a selector."""
    # "::" chains file systems in the URLs of fsspec.
    return part.replace("%", "%25").replace("/", "%2F").replace("::", ":%3A")


def quote_artifact(name: str) -> str:
    """Writes the name of an artifact."""
    return quote(name).replace("@", "%40")


def _split_selector(named: str) -> tuple[str, str]:
    artifact, at, selector = named.rpartition("@")
    return (artifact, selector) if at else (selector, "")
