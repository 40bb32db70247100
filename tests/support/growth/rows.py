"""Rows of everything, for a database that grows: those of a number."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

Row = dict[str, Any]

# Kinds of ids: those of one kind are numbered from its first on.
(
    PROJECT,
    EXPERIMENT,
    MODEL,
    ARTIFACT,
    VERSION,
    MANY,
    LINK,
    RUN,
    MODULE,
    ITERATION,
    LEASE,
    PACK,
    SERIES,
    ALERT,
    MEDIUM,
) = (kind << 64 for kind in range(1, 16))
MANY_MEDIA = 1 << 32
MOST = 1_000  # links of a version, and versions that one uses
STAMPS = {"created_by": "", "updated_by": "", "revision": 1}


def uuid(number: int) -> str:
    """An id as messages have it."""
    return str(UUID(int=number))


def _stamped(number: int) -> Row:
    return {**STAMPS, "created_at_us": 10 + number, "updated_at_us": 10 + number}


def _version(as_id: Callable[[int], str], kind: int, number: int, owner: int, version: int) -> Row:
    told = {"media": {"kind": "image", "path": "image.png"}}
    return {
        "id": as_id(kind + number),
        "project_uid": as_id(PROJECT),
        "artifact_id": as_id(ARTIFACT + owner),
        "version": version,
        "state": "live",
        "digest": number.to_bytes(32),
        "fingerprint": "",
        "manifest": b"",
        "size_bytes": 7,
        "file_count": 0,
        "metadata_json": json.dumps(told) if kind == MEDIUM else "{}",
        "process_json": json.dumps({"name": "p", "parts": []}) if kind == VERSION else None,
        **_stamped(number),
    }


ROWS: dict[str, Callable[[Callable[[int], str], int], list[Row]]] = {
    "project": lambda as_id, n: [
        {
            "uid": as_id(PROJECT + n),
            "id": f"p {n}",
            "name": "",
            "description": "",
            "tags": "",
            "creation_id": as_id(PROJECT + n),
            **_stamped(n),
        }
    ],
    "experiment": lambda as_id, n: [
        {
            "id": as_id(EXPERIMENT + n),
            "project_uid": as_id(PROJECT),
            "name": f"e {n}",
            "description": "",
            "tags": "",
            **_stamped(n),
        }
    ],
    "model": lambda as_id, n: [
        {
            "id": as_id(MODEL + n),
            "experiment_id": as_id(EXPERIMENT),
            "project_uid": as_id(PROJECT),
            "hash": f"hash {n}",
            "step": 0,
            "config_json": "{}",
            "next_ordinal": 0,
            **_stamped(n),
        }
    ],
    "model_tag": lambda as_id, n: [{"model_id": as_id(MODEL + n), "tag": "a", "position": 0}],
    "run": lambda as_id, n: [
        {
            "id": as_id(RUN + n),
            "model_id": as_id(MODEL + 1),
            "started_at_us": n,
            "heartbeat_at_us": n,
            "rank": 0,
            "git_dirty": 0,
            "packages_json": "{}",
            **dict.fromkeys(("host", "user", "command", "python", "git_commit", "error"), ""),
        }
    ],
    "alert": lambda as_id, n: [
        {
            "id": as_id(ALERT + n),
            "model_id": as_id(MODEL + 1),
            "project_uid": as_id(PROJECT),
            "level": "error",
            "cause": "run_failed",
            "title": "out of memory",
            "text": "",
            "at_us": n,
            "created_at_us": n,
        }
    ],
    "iteration": lambda as_id, n: [
        {"id": as_id(ITERATION + n), "model_id": as_id(MODEL + 1), "step": n, "created_at_us": n}
    ],
    # One name of a model again and again; and one in each iteration of another model.
    "module": lambda as_id, n: [
        {
            "id": as_id(MODULE + 2 * n + of),
            "model_id": as_id(MODEL + of),
            "iteration_id": as_id(ITERATION + n) if of else None,
            "name": "encoder",
            "attributes_json": "{}",
            "created_at_us": n,
        }
        for of in range(2)
    ],
    # Artifact 0 has as many versions as there are others, and each of those has one.
    "artifact": lambda as_id, n: [
        {
            "id": as_id(ARTIFACT + n),
            "project_uid": as_id(PROJECT),
            "name": {0: "many", 1: "same"}.get(n, f"name {n}"),
            "type": "dataset" if n == 3 else "directory",
            "last_version": 1 if n else 10**6,
            **_stamped(n),
        },
        # Media: of two models one each for each number, all before what lists show; of the second under one name.
        *(
            {
                "id": as_id(ARTIFACT + MANY_MEDIA * (of + 1) + n),
                "project_uid": as_id(PROJECT),
                "name": f"media/{uuid(MODEL + of)}/{n:07}",
                "type": "model_media",
                "last_version": 1,
                **_stamped(-1 - n),
            }
            for of in range(2)
            if not of or not n
        ),
    ],
    "artifact_version": lambda as_id, n: [
        _version(as_id, MANY, n, 0, n + 1),
        *([_version(as_id, VERSION, n, n, 1)] if n else []),
        _version(as_id, MEDIUM, n, MANY_MEDIA + n, 1),
        _version(as_id, MEDIUM, MANY_MEDIA + n, 2 * MANY_MEDIA, n + 1),
    ],
    "artifact_alias": lambda as_id, n: [
        {"artifact_id": as_id(ARTIFACT), "alias": "best" if n == 5 else f"a{n}", "version_id": as_id(MANY + n)}
    ],
    # Each version of artifact 0 is of model 0, which has all, and of one other. Another version is of all models.
    "artifact_link": lambda as_id, n: (
        [
            {
                "id": as_id(LINK + 3 * n + of),
                "version_id": as_id(MANY + n if of < 2 else VERSION + 1),
                "model_id": as_id(MODEL + (n if of else 0)),
                "iteration_id": None,
                "step": n if of == 1 else None,
                "created_at_us": n,
            }
            for of in range(3 if 0 < n < MOST else 2)
        ]
        + [
            {
                "id": as_id(LINK + MANY_MEDIA * (of + 1) + n),
                "version_id": as_id(MEDIUM + MANY_MEDIA * of + n),
                "model_id": as_id(MODEL + of),
                "iteration_id": None,
                "step": n,
                "created_at_us": n,
            }
            for of in range(2)
        ]
    ),
    # One version is used by many, and another uses many.
    "artifact_lineage": lambda as_id, n: (
        [
            {"version_id": as_id(MANY + n), "used_version_id": as_id(VERSION + 1)},
            *([{"version_id": as_id(VERSION + 2), "used_version_id": as_id(VERSION + n)}] if 2 < n < MOST else []),
        ]
        if n
        else []
    ),
    # Two models have as many series as there are models.
    "series": lambda as_id, n: [
        {
            "id": as_id(SERIES + 2 * n + of),
            "model_id": as_id(MODEL + of),
            "project_uid": as_id(PROJECT),
            "name": f"m {n}",
            "phase": "",
            "points": 1,
            "last_ordinal": n,
            "last_kind": "int",
            "last_text": "1",
            "last_time_us": 1,
            "min_number": 1.0,
            "max_number": 1.0,
            "small_blocks": 1,
        }
        for of in range(2)
    ],
    "cache_entry": lambda as_id, n: (
        [
            {
                "project_uid": as_id(PROJECT),
                "fingerprint": f"{n:064x}",
                "version_id": as_id(VERSION + n),
                "lease_id": as_id(LEASE + n),
                "process_name": "rare" if n == 4 else "usual",
                "completed_at_us": n,
                "completed_by": "",
                "duration_us": 5,
                "hits": 1,
                "fingerprint_format": 2,
            }
        ]
        if n
        else []
    ),
    "pack": lambda as_id, n: [
        {"id": as_id(PACK + n), "pool": as_id(PROJECT), "size_bytes": 5, "created_at_us": n, "touched_at_us": n}
    ],
    "artifact_pack": lambda as_id, n: [{"version_id": as_id(MANY + n), "pack_id": as_id(PACK + n)}],
}
