"""Packs as objects: immutable, and what their keys are. `xpstore.format.packs` says how they look."""

# Below this a pack is merged with others.
SMALL_BYTES = 4 << 20


def pack_key(pool: str, pack_id: str) -> str:
    """The object's key: spread over folders, so that no directory grows without bound."""
    return f"packs/{pool}/{pack_id[:2]}/{pack_id}"
