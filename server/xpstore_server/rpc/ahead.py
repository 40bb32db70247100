"""Large JSON in a request is read in a thread, before the method asks for it on the event loop."""

import asyncio
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import Message

from xpstore_server.core import limits
from xpstore_server.json_text import LARGE
from xpstore_server.rpc.fields import know_json, outcome_of_json

# Where requests have JSON. Those of Ingest, LogMetrics and CreateModels are read in a thread as a whole.
_FIELDS = {
    "CreateModelRequest": ("config_json",),
    "CreateModuleRequest": ("attributes_json",),
    "CreateRunRequest": ("environment.packages_json",),
    "CommitArtifactRequest": ("draft.metadata_json",),
    "UpdateArtifactVersionRequest": ("metadata_json",),
}


async def read_ahead(request: Any) -> None:
    """Reads the large JSON of a request, if there is any."""
    texts = list(_large(request)) if isinstance(request, Message) else []
    if texts:
        know_json(await asyncio.to_thread(_outcomes, texts))


def _large(request: Message) -> Iterator[str]:
    for path in _FIELDS.get(request.DESCRIPTOR.name, ()):
        value: Any = request
        for name in path.split("."):
            value = getattr(value, name)
        if LARGE < len(value) <= limits.JSON_BYTES:
            yield value


def _outcomes(texts: list[str]) -> dict[str, bool | str]:
    return {text: outcome_of_json(text) for text in texts}
