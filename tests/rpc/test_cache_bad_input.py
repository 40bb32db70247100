"""Bad input to CacheService: the right typed error, and the field."""

from typing import Any

import pytest

import xpstore
from support.raw_cache import RawCache, new_fingerprint, new_token
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.v1 import artifact_pb2
from xpstore.v1 import cache_pb2 as pb

FINGERPRINT, TOKEN, ID = "a" * 64, b"t" * 16, new_id()
PROCESS: dict[str, Any] = {"name": "f"}
PART: dict[str, Any] = {"kind": 1, "name": "a", "fingerprint": FINGERPRINT, "text": "1"}


def with_part(**changes: Any) -> dict[str, Any]:
    return {"name": "f", "parts": [{**PART, **changes}]}


BAD_PROCESSES: list[tuple[str, dict[str, Any]]] = [
    (".name", {}),
    (".name", {"name": "x" * 257}),
    (".name", {"name": "\x00"}),
    (".parts", {"name": "f", "parts": [{**PART, "name": str(number)} for number in range(1_001)]}),
    ("", {"name": "f", "parts": [{**PART, "name": str(n), "text": "ü" * 256} for n in range(1_000)]}),
    (".parts.kind", with_part(kind=0)),
    (".parts.kind", with_part(kind=6)),
    (".parts.name", with_part(name="")),
    (".parts.name", with_part(name="n" * 513)),
    (".parts.name", {"name": "f", "parts": [PART, PART]}),
    (".parts.fingerprint", with_part(fingerprint="")),
    (".parts.fingerprint", with_part(fingerprint="A" * 64)),
    (".parts.text", with_part(text="t" * 257)),
    (".parts.text", with_part(text="\x00")),
]
BAD_FINGERPRINTS = ["", "A" * 64, "a" * 63, "a" * 65, "g" * 64, "a" * 64 + "\n"]
BAD_COMPLETIONS: list[tuple[str, dict[str, Any]]] = [
    *(("token", {"token": token}) for token in (b"", b"x" * 15, b"x" * 17)),
    *(("fingerprint", {"fingerprint": one}) for one in BAD_FINGERPRINTS),
    *(("duration_us", {"duration_us": one}) for one in (-1, (1 << 63) - 1)),
    *(("ttl_us", {"ttl_us": one}) for one in (0, -1, (1 << 63) - 1)),
    *(("fingerprint_format", {"fingerprint_format": one}) for one in (0, -1, -(1 << 31))),
    *((f"process{field}", {"process": process}) for field, process in BAD_PROCESSES),
]


@pytest.mark.parametrize(("field", "changes"), BAD_COMPLETIONS, ids=[row[0] for row in BAD_COMPLETIONS])
@pytest.mark.client
def test_bad_completion_names_its_field(field: str, changes: dict[str, Any], cache: RawCache) -> None:
    fingerprint, token = new_fingerprint(), new_token()
    cache.reserve(fingerprint, token)
    if "process" in changes:
        changes = {"process": artifact_pb2.ArtifactProcess(**changes["process"])}
    completion = {"fingerprint": fingerprint, "token": token, **changes}
    with pytest.raises(errors.InvalidArgument) as caught:
        cache.commit(completion.pop("fingerprint"), completion.pop("token"), **completion)
    assert caught.value.metadata["field"] == f"cache_completion.{field}"
    assert cache.raw.versions() == []


KEY = {"project_uid": ID, "fingerprint": FINGERPRINT}
MANY: dict[str, Any] = {"project_uid": ID, "fingerprints": [FINGERPRINT]}
REPORT: dict[str, Any] = {**KEY, "id": ID, "outcome": pb.CACHE_VERIFICATION_SAME}
# Each row: the RPC, the field it must name, and a request.
BAD: list[tuple[str, str, dict[str, Any]]] = [
    *(("LookupCacheEntry", "fingerprint", {**KEY, "fingerprint": one}) for one in BAD_FINGERPRINTS),
    ("LookupCacheEntry", "project_uid", {**KEY, "project_uid": "x"}),
    ("LookupCacheEntry", "max_age_us", {**KEY, "max_age_us": -1}),
    ("LookupCacheEntries", "project_uid", {**MANY, "project_uid": "x"}),
    *(("LookupCacheEntries", "fingerprints", {**MANY, "fingerprints": [FINGERPRINT, one]}) for one in BAD_FINGERPRINTS),
    ("LookupCacheEntries", "fingerprints", {**MANY, "fingerprints": [FINGERPRINT] * 1_001}),
    ("LookupCacheEntries", "max_age_us", {**MANY, "max_age_us": -1}),
    ("ReserveCacheEntry", "project_uid", {**KEY, "project_uid": "", "token": TOKEN}),
    ("ReserveCacheEntry", "fingerprint", {**KEY, "fingerprint": "", "token": TOKEN}),
    ("ReserveCacheEntry", "token", KEY),
    ("ReserveCacheEntry", "token", {**KEY, "token": b"x" * 32}),
    ("ReserveCacheEntry", "holder", {**KEY, "token": TOKEN, "holder": "x" * 257}),
    ("ReserveCacheEntry", "holder", {**KEY, "token": TOKEN, "holder": "\x00"}),
    ("ReserveCacheEntry", "max_age_us", {**KEY, "token": TOKEN, "max_age_us": -1}),
    ("RenewCacheLeases", "tokens", {"tokens": [TOKEN, b"x"]}),
    ("RenewCacheLeases", "tokens", {"tokens": [TOKEN] * 1_001}),
    ("WaitForCacheEntry", "project_uid", {**KEY, "project_uid": "x", "lease_id": ID}),
    ("WaitForCacheEntry", "fingerprint", {**KEY, "fingerprint": "x", "lease_id": ID}),
    ("WaitForCacheEntry", "lease_id", KEY),
    ("WaitForCacheEntry", "timeout_us", {**KEY, "lease_id": ID, "timeout_us": -1}),
    ("WaitForCacheEntry", "held_tokens", {**KEY, "lease_id": ID, "held_tokens": [b"x"]}),
    ("WaitForCacheEntry", "held_tokens", {**KEY, "lease_id": ID, "held_tokens": [TOKEN] * 1_001}),
    ("FailCacheLease", "token", {"token": b"x"}),
    ("FailCacheLease", "error", {"token": TOKEN, "error": "x" * 4_097}),
    ("FailCacheLease", "error", {"token": TOKEN, "error": "\x00"}),
    ("ReleaseCacheLease", "token", {"token": b""}),
    ("ReportCacheVerification", "id", {**REPORT, "id": "x"}),
    ("ReportCacheVerification", "project_uid", {**REPORT, "project_uid": "x"}),
    ("ReportCacheVerification", "fingerprint", {**REPORT, "fingerprint": "x"}),
    *(("ReportCacheVerification", "outcome", {**REPORT, "outcome": one}) for one in (0, 6, -1)),
    ("InvalidateCacheEntries", "project_uid", {"project_uid": "x", "all": True}),
    ("InvalidateCacheEntries", "selector", {"project_uid": ID}),
    ("InvalidateCacheEntries", "selector", {"project_uid": ID, "all": False}),
    ("InvalidateCacheEntries", "selector", {"project_uid": ID, "outdated": False}),
    ("InvalidateCacheEntries", "fingerprint", {"project_uid": ID, "fingerprint": "x"}),
    ("InvalidateCacheEntries", "process_name", {"project_uid": ID, "process_name": ""}),
    ("ListCacheEntries", "project_uid", {"project_uid": "x"}),
    ("ListCacheEntries", "process_name", {"project_uid": ID, "process_name": ""}),
    ("ListCacheEntries", "page_size", {"project_uid": ID, "page_size": -1}),
    ("ListCacheEntries", "page_token", {"project_uid": ID, "page_token": "nonsense"}),
    ("ExplainCacheEntry", "project_uid", {**KEY, "project_uid": "x", "process": PROCESS}),
    ("ExplainCacheEntry", "fingerprint", {**KEY, "fingerprint": "x", "process": PROCESS}),
    ("ExplainCacheEntry", "max_age_us", {**KEY, "process": PROCESS, "max_age_us": -1}),
    ("ExplainCacheEntry", "process.name", KEY),
    *(("ExplainCacheEntry", f"process{field}", {**KEY, "process": one}) for field, one in BAD_PROCESSES),
    ("GetCacheStatistics", "project_uid", {"project_uid": "x"}),
]


@pytest.mark.parametrize(("rpc", "field", "fields"), BAD, ids=[f"{row[0]}-{row[1]}" for row in BAD])
@pytest.mark.client
def test_bad_input_names_its_field(rpc: str, field: str, fields: dict[str, Any], cache: RawCache) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        cache.call(rpc, getattr(pb, f"{rpc}Request")(**fields))
    assert caught.value.metadata["field"] == field
    assert "xxxxxxxxxxxxxxxx" not in str(caught.value) or field != "token"  # no error shows a token


UNKNOWN: list[tuple[str, dict[str, Any]]] = [
    ("LookupCacheEntry", KEY),
    ("LookupCacheEntries", MANY),
    ("LookupCacheEntries", {**MANY, "fingerprints": []}),
    ("LookupCacheEntries", {**MANY, "fingerprints": ["b" * 64, FINGERPRINT]}),
    ("ReportCacheVerification", REPORT),
    ("ReserveCacheEntry", {**KEY, "token": TOKEN}),
    ("WaitForCacheEntry", {**KEY, "lease_id": ID}),
    ("InvalidateCacheEntries", {"project_uid": ID, "all": True}),
    ("ListCacheEntries", {"project_uid": ID}),
    ("ExplainCacheEntry", {**KEY, "process": PROCESS}),
    ("GetCacheStatistics", {"project_uid": ID}),
]


@pytest.mark.parametrize(("rpc", "fields"), UNKNOWN, ids=[row[0] for row in UNKNOWN])
def test_unknown_and_deleted_projects_are_not_found(
    rpc: str, fields: dict[str, Any], cache: RawCache, project: xpstore.Project
) -> None:
    make = getattr(pb, f"{rpc}Request")
    project.delete()
    for uid in (ID, cache.project_uid):
        with pytest.raises(errors.NotFound) as caught:
            cache.call(rpc, make(**{**fields, "project_uid": uid}))
        assert caught.value.metadata["resource"] == "project"
