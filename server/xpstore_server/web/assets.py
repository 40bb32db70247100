"""The page: files that were built beforehand, all in memory, so that no path leads to any other."""

import hashlib
import re
from dataclasses import dataclass
from mimetypes import MimeTypes
from pathlib import Path

from xpstore_server.core.errors import InvalidArgument, NotFound
from xpstore_server.web.conditions import names
from xpstore_server.web.cookies import is_framed
from xpstore_server.web.exchanges import accepts_gzip
from xpstore_server.web.outcomes import Headers, failed
from xpstore_server.web.requests import Request

INDEX = "index.html"
FOLDER = "/page/"
# The page looks itself at the path that it was asked for.
_VIEWS = re.compile(r"/|/login|/[pm]/[^\\]*")
NOTHING = b"This server has no page: it was built without one. Calls and files are served.\n"
_POLICY = b"content-security-policy"
POLICY = (
    b"default-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    b"base-uri 'none'; form-action 'self'; object-src 'none'; frame-ancestors "
)
# Where a notebook on this machine shows it, which has a token: Jupyter in a browser, Visual Studio Code.
NOTEBOOKS = b"http://localhost:* http://127.0.0.1:* https://localhost:* https://127.0.0.1:* vscode-webview:"
SAFE: Headers = [
    (_POLICY, POLICY + b"'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
TEXT = "; charset=utf-8"
# Not those of the machine, which differ.
_TYPES = MimeTypes(filenames=())


@dataclass(frozen=True, slots=True)
class File:
    """A file of the page.

    Attributes:
        packed: the same by gzip; b"" where that is not there.
    """

    data: bytes
    packed: bytes
    head: Headers


def is_view(path: str) -> bool:
    """Whether a path is one that the page shows something at."""
    return _VIEWS.fullmatch(path) is not None


class Assets:
    """The files of the page, and the views that it shows.

    Args:
        folder: `index.html`, and files whose names change with their content; each may have a `.gz` beside it.
    """

    def __init__(self, folder: Path) -> None:
        found = {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()} if folder.is_dir() else {}
        self._files = {
            name: File(data, found.get(f"{name}.gz", b""), _head(name, data))
            for name, data in found.items()
            if not name.endswith(".gz")
        }

    async def serve(self, request: Request) -> None:
        """Answers a request for a view or a file.

        Raises:
            NotFound: there is no such file.
        """
        if request.verb not in ("GET", "HEAD"):
            failure = InvalidArgument("method", request.verb, f"must be GET for {request.path}")
            await request.fail(failed(failure, request.request_id), 405, [(b"allow", b"GET, HEAD")])
            return
        name = request.path.removeprefix(FOLDER) if request.path.startswith(FOLDER) else INDEX
        file = self._files.get(name)
        if file is not None:
            await _send(request, file, _framed(file.head) if is_framed(request) else file.head)
        elif name == INDEX:
            await request.respond(404, [(b"content-type", f"text/plain{TEXT}".encode()), *SAFE], NOTHING)
        else:
            raise NotFound("page", request.path)


async def _send(request: Request, file: File, head: Headers) -> None:
    etag = dict(head)[b"etag"].decode()
    if names(request.header("if-none-match"), etag.removeprefix("W/"), is_weak=True):
        await request.respond(304, [one for one in head if one[0] != b"content-type"])
    elif file.packed and accepts_gzip(request.header("accept-encoding")):
        await request.respond(200, [*head, (b"content-encoding", b"gzip")], file.packed)
    else:
        await request.respond(200, head, file.data)


def _framed(head: Headers) -> Headers:
    return [*((name, value) for name, value in head if value != POLICY + b"'none'"), (_POLICY, POLICY + NOTEBOOKS)]


def _head(name: str, data: bytes) -> Headers:
    kind = _TYPES.guess_type(name)[0] or "application/octet-stream"
    kind = f"{kind}{TEXT}" if kind.startswith("text/") or kind.endswith("javascript") else kind
    kept = b"no-cache" if name == INDEX else b"public, max-age=31536000, immutable"
    return [
        (b"content-type", kind.encode()),
        (b"cache-control", kept),
        (b"etag", f'W/"{hashlib.sha256(data).hexdigest()[:32]}"'.encode()),
        (b"vary", b"accept-encoding"),
        *SAFE,
    ]
