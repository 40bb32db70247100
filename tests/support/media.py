"""Media of models, committed by hand."""

import json
from typing import Any

from support.raw import Raw, chunk_of, entry_of, page_of, root_of
from xpstore.v1 import artifact_pb2 as pb


def metadata(kind: str = "image", path: str = "image.png", **more: Any) -> str:
    return json.dumps({"media": {"kind": kind, "path": path, **more}})


def put_medium(
    raw: Raw, model_id: Any, name: str, step: int, data: bytes = b"x", path: str = "image.png", **changes: Any
) -> pb.ArtifactVersion:
    """Commits a medium as the contract says, with `changes` of its draft."""
    page = page_of(entry_of(path, data))
    raw.upload(chunk_of(data), chunk_of(page))
    draft = {
        "type": "model_media",
        "force": True,
        "links": [pb.ArtifactLink(model_id=str(model_id), step=step)],
        "metadata_json": metadata(path=path),
        **changes,
    }
    return raw.commit(root_of(page), f"media/{model_id}/{name}" if "/" not in name else name, **draft).version
