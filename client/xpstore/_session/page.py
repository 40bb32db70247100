"""Where the page of the embedded service is.

It is said on its own socket, which is its user's alone, to who has its key: the address has a token that logs in once,
within a minute. It is asked by a call that is in no contract, as it goes to this installation's own server, with the
bounds, the log and the errors of all calls; no other door is needed.
"""

from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import StringValue

from xpstore._session.client import ClientBase

METHOD = "/xpstore.embedded.Page/GetAddress"


def ticket_address(client: ClientBase) -> str:
    """The address of the start of the page, with a token. The service listens for HTTP from then on.

    Raises:
        Unimplemented: the client's service is no embedded one.
    """
    method = client.stubs.channel.unary_unary(METHOD, Empty.SerializeToString, StringValue.FromString)
    return str(client.call(method, Empty()).value)
