"""What a server must be new enough for."""

from xpstore._session.client import ClientBase
from xpstore.errors import Unimplemented


def check_columns(client: ClientBase) -> None:
    """Whether the server knows columns, totals and lists of what is deleted; an older one would not heed the request.

    Raises:
        Unimplemented: it does not.
        Unavailable: the client is offline.
    """
    if client.offline is not None:
        raise client.offline.unavailable()
    if not client.limits.max_columns:
        version = client.limits.server_version
        raise Unimplemented(f"The server at {client.api_url} is of version {version}, which cannot answer this yet.")
