"""What a server must be new enough for."""

import logging

from xpstore._session.client import ClientBase
from xpstore.errors import Unimplemented

log = logging.getLogger("xpstore")


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


def takes_alerts(client: ClientBase) -> bool:
    """Whether the server takes alerts, by what it said last: nobody is asked. One that does not is told of once.

    What is logged offline goes to a server that is not known yet; one that does not take it says so then.
    """
    limits = client.known_limits
    if client.offline is not None or limits is None or limits.max_alerts:
        return True
    if not client.kept(_Told).is_said:
        client.kept(_Told).is_said = True
        version = limits.server_version
        log.info("The server at %s is of version %s, which takes no alerts: they stay here.", client.api_url, version)
    return False


class _Told:
    """Whether it was said that a server takes no alerts."""

    def __init__(self, client: ClientBase) -> None:
        self.is_said = False
