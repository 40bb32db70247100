"""The cookie of a session, and whether a request that has one comes from this server's own page."""

import re
from collections.abc import Collection

from xpstore_server.core.errors import PermissionDenied
from xpstore_server.core.roles.session import LONGEST_US
from xpstore_server.web.outcomes import Headers
from xpstore_server.web.requests import Request

READS = ("GET", "HEAD")
LONGEST_SECONDS = LONGEST_US // 1_000_000
# How a browser uses what somebody saved. Not as scripts or styles: that of one user would act as another.
SHOWN = ("", "empty", "document", "iframe", "image", "audio", "video", "track")


def _name(request: Request) -> str:
    """With the port as the browser sees it: it gives the cookies of one port of a machine to all others too."""
    port = re.search(r":([0-9]{1,5})$", request.header("host"))
    return f"xpstore_session_{port[1]}" if port else "xpstore_session"


def _framed_name(request: Request) -> str:
    return f"{_name(request)}_framed"


def token_of(request: Request) -> str | None:
    """The token of the session that a request has; None where it has none."""
    found = _cookies(request)
    return found.get(_name(request), found.get(_framed_name(request)))


def _cookies(request: Request) -> dict[str, str]:
    parts = (part.strip().partition("=") for part in request.header("cookie").split(";"))
    return {name: value for name, _, value in reversed(list(parts))}


def cookie(request: Request, token: str) -> tuple[bytes, bytes]:
    """The header by which a browser keeps a token."""
    # Before a proxy that encrypts the browser says in its Origin what it sees.
    is_encrypted = request.scheme == "https" or request.header("origin").startswith("https://")
    return _cookie(_name(request), token, "; SameSite=Strict; Secure" if is_encrypted else "; SameSite=Strict")


def framed_cookie(request: Request, token: str) -> tuple[bytes, bytes]:
    """The same for a page in a frame of a notebook on this machine, whose origin is another.

    The browser keeps it apart for the site of that notebook (Partitioned), and sends it in its frames alone. It takes
    Secure from this machine without TLS too.
    """
    return _cookie(_framed_name(request), token, "; SameSite=None; Secure; Partitioned")


def forgotten(request: Request) -> Headers:
    """The headers by which a browser forgets what it sent."""
    made = ((_name(request), cookie), (_framed_name(request), framed_cookie))
    return [make(request, "") for name, make in made if name in _cookies(request)]


def _cookie(name: str, token: str, rest: str) -> tuple[bytes, bytes]:
    seconds = LONGEST_SECONDS if token else 0
    return b"set-cookie", f"{name}={token}; Path=/; Max-Age={seconds}; HttpOnly{rest}".encode()


def is_framed(request: Request) -> bool:
    """Whether a page is asked for in a frame that was let in."""
    return request.header("sec-fetch-dest") == "iframe" and _framed_name(request) in _cookies(request)


def check_origin(request: Request, named: Collection[str], *, has_session: bool = True) -> None:
    """Only this server's own page acts by a session, whatever else a browser sends the cookie with.

    Args:
        named: origins of the settings: one of them may be this server's own, behind a proxy.
        has_session: whether it comes with one; else what is no browser's says nothing of its origin, and may come.

    Raises:
        PermissionDenied: it comes from elsewhere, or does not say from where.
    """
    site, origin = request.header("sec-fetch-site"), request.header("origin")
    if site:
        # "none": by the address line, a bookmark, or a link outside of the browser.
        if site == "same-origin" or (site == "none" and request.verb in READS):
            return
    elif origin:
        host = request.header("host").lower()
        is_named = origin in named and origin.partition("://")[2] == host
        if origin == f"{request.scheme}://{host}" or is_named:
            return
    elif not has_session:
        return
    else:
        message = "A session is for this server's own page, and this request does not say that it comes from there"
        raise PermissionDenied(f"{message}: browsers do over HTTPS, and on this machine. Programs send a key.")
    said = origin or f"Sec-Fetch-Site {site}"
    raise PermissionDenied(f"A session is for this server's own page, and not for another's ({said[:100]!r}).")
