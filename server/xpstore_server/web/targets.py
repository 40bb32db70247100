"""What the path of a request for a file names."""

from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from xpstore.v1 import artifact_pb2 as pb
from xpstore_server.core.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Target:
    """A file of a version.

    Attributes:
        project: the caller's own id of the project; "" where `version_id` says which version.
        name: of the artifact.
        selector: number or alias of the version; "" for the newest.
        path: of the file; "" for the only one.
    """

    path: str
    version_id: str = ""
    project: str = ""
    name: str = ""
    selector: str = ""

    @property
    def is_fixed(self) -> bool:
        """Whether it is always the same file."""
        return bool(self.version_id) or self.selector.isdecimal()

    def request(self) -> pb.ReadFileRequest:
        """What is asked for all of it."""
        if self.version_id:
            return pb.ReadFileRequest(version_id=self.version_id, path=self.path)
        name = pb.ArtifactName(project_id=self.project, name=self.name)
        if self.selector.isdecimal():
            name.version = int(self.selector)
        elif self.selector:
            name.alias = self.selector
        return pb.ReadFileRequest(artifact_name=name, path=self.path)


def target_of(path: str) -> Target:
    """The file that is named by /files/PROJECT/ARTIFACT[@VERSION or ALIAS]/PATH or /versions/ID/files/PATH.

    Parts are told apart before their escapes are read: `%2F` and `%40` belong to a name.

    Raises:
        InvalidArgument: it names none.
    """
    _, kind, first, *rest = path.split("/")
    if kind == "versions":
        if not rest or rest[0] != "files":
            raise InvalidArgument("path", path, "must be /versions/VERSION_ID/files/PATH")
        return Target(version_id=_text(first), path=_joined(rest[1:]))
    if not first or not rest or not rest[0]:
        raise InvalidArgument("path", path, "must be /files/PROJECT/ARTIFACT/PATH")
    name, at, selector = rest[0].partition("@")
    if at and (not selector or "@" in selector):
        raise InvalidArgument("path", path, "must have one version or alias behind one @; write %40 for one of a name")
    selector = _text(selector)
    if selector.isdecimal() and not 0 < int(selector[:20]) < 1 << 63:
        raise InvalidArgument("path", path, "the number of a version is 1 to 2^63 - 1")
    return Target(project=_text(first), name=_text(name), selector=selector, path=_joined(rest[1:]))


def _joined(parts: list[str]) -> str:
    return "/".join(map(_text, parts))


def _text(part: str) -> str:
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise InvalidArgument("path", part, "must be UTF-8, percent-encoded") from None
