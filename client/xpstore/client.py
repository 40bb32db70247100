"""The client of a program: `init()` makes one and keeps it for the session."""

from typing import Any, cast

from xpstore._service.connection import TIMEOUT_SECONDS
from xpstore._session import current, registry
from xpstore._session.client import ClientBase
from xpstore.project import Project


class Client(ClientBase):
    """A connection without globals. `init()` makes one and keeps it for the session.

    Args:
        api_key: the API key; default `XPSTORE_API_KEY`.
        api_url: the server; default `XPSTORE_API_URL`. Without either, that of `xpstore login`; without that too, the
            embedded service is found or started.
        timeout_seconds: how long a call may take in all, repetitions while the server is away included.
        offline: log into the spool only, without any server: `xpstore sync` sends it later.
        strict: raise ResourceExhausted when the spool is full, instead of dropping what is logged.

    Raises:
        Unavailable: the server does not answer.
        Unauthenticated: the server does not know the key.
        InvalidArgument: `api_url` is malformed, or would send the key in plaintext beyond loopback.

    Example:
        ```python
        client = Client("xps_...", "localhost:50051")
        project = client.project("mnist")
        ```
    """

    def __repr__(self) -> str:
        return f"Client({self.api_url!r})"

    def project(self, id: str, name: str | None = None) -> Project:
        """Returns a handle of a project on this connection."""
        return Project(id, name, client=self)


def init(
    api_key: str | None = None,
    api_url: str | None = None,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    offline: bool = False,
    strict: bool = False,
) -> Client:
    """Connects the session to a server, and proves address and key by one call, which waits for a server that is away.

    Without arguments: `XPSTORE_API_KEY` and `XPSTORE_API_URL`, else what `xpstore login` saved, else the embedded
    service, found or started.

    Called again with the same server and key it changes nothing but the options: client, handles, open runs and the
    current project stay. With others it forgets the current project; handles made before go on with the client that
    they have, until somebody closes that.

    Args:
        api_key: the API key; never sent in plaintext beyond loopback.
        api_url: "host:50051", "http(s)://...", "grpc(s)://..." or "unix:...".
        timeout_seconds: how long a call may take in all, repetitions while the server is away included.
        offline: log into the spool only, without any server: `xpstore sync` sends it later.
        strict: raise ResourceExhausted when the spool is full, instead of dropping what is logged.

    Raises:
        Unavailable: the server does not answer in that time; after two seconds the log says what is waited for.
        Unauthenticated: the server does not know the key.
        InvalidArgument: an argument is malformed.
    """
    client = Client(api_key, api_url, timeout_seconds=timeout_seconds, offline=offline, strict=strict)
    return cast(Client, current.set_made(client))


def _a_model(wire: Any, client: ClientBase) -> Any:
    from xpstore.model import Model  # here, as `import xpstore` need not wait for it

    return Model(client, wire)


def _an_artifact(wire: Any, client: ClientBase) -> Any:
    from xpstore.artifact import Artifact  # here, as `import xpstore` need not wait for it

    return Artifact._from_wire(wire, client)


registry.shows("Project", Project._from_wire)
registry.shows("Model", _a_model)
registry.shows("ArtifactVersion", _an_artifact)
