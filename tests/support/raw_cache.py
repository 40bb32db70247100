"""The cache's protocol spoken by hand, like `raw` that of artifacts."""

import os
import secrets
from collections.abc import Mapping
from typing import Any

from support.raw import Raw, chunk_of, digest_of, entry_of, page_of, root_of
from xpstore._session.client import ClientBase
from xpstore._values.ids import new_id
from xpstore.v1 import artifact_pb2
from xpstore.v1 import cache_pb2 as pb
from xpstore.v1.cache_pb2_grpc import CacheServiceStub

PARAMETER = artifact_pb2.ARTIFACT_PROCESS_PART_KIND_PARAMETER
CODE = artifact_pb2.ARTIFACT_PROCESS_PART_KIND_CODE
SECOND_US = 1_000_000


# The process of each fingerprint that was made here.
_PROCESSES: dict[str, artifact_pb2.ArtifactProcess] = {}


def new_fingerprint() -> str:
    """That of a process that is nobody else's."""
    return fingerprint_of(process_of(nobody_else=secrets.token_hex(8)))


def fingerprint_of(process: artifact_pb2.ArtifactProcess, format: int = 1) -> str:
    """The fingerprint of a process as docs/fingerprint.md says it, from nothing of ours."""
    text = f"xpstore process v{format}\n".encode() + _sealed(b"\x06" + process.name.encode())
    for part in sorted(process.parts, key=lambda part: (part.kind, part.name.encode())):
        digest = bytes.fromhex(part.fingerprint)
        name, digest = _sealed(b"\x06" + part.name.encode()), _sealed(b"\x07" + digest)
        text += _sealed(b"\x11" + _sealed(bytes((3, part.kind))) + name + digest)
    found = digest_of(text).hex()
    _PROCESSES[found] = process
    return found


def _sealed(node: bytes) -> bytes:
    return bytes((len(node),)) + node if len(node) <= 64 else b"\0" + digest_of(node)


def new_token() -> bytes:
    return os.urandom(16)


def part_of(name: str, value: str, kind: Any = PARAMETER) -> artifact_pb2.ArtifactProcessPart:
    """A part whose fingerprint tells its value."""
    return artifact_pb2.ArtifactProcessPart(
        kind=kind, name=name, fingerprint=value.encode().hex().zfill(64), text=value
    )


def process_of(name: str = "module.f", /, **parameters: str) -> artifact_pb2.ArtifactProcess:
    """A process with parameters."""
    return artifact_pb2.ArtifactProcess(name=name, parts=[part_of(*item) for item in parameters.items()])


def made_by(fingerprint: str) -> artifact_pb2.ArtifactProcess:
    """The process that a fingerprint is of."""
    return _PROCESSES.get(fingerprint, process_of())


class RawCache:
    """The cache of one project, as one client sees it through one replica."""

    def __init__(self, client: ClientBase, project_uid: str) -> None:
        self.client = client
        self.project_uid = project_uid
        self.raw = Raw(client, project_uid)
        self.stub = CacheServiceStub(client.stubs.channel)

    def call(self, rpc: str, request: Any, timeout_seconds: float = 60) -> Any:
        """Makes a call; raises the typed error."""
        return self.client.call(getattr(self.stub, rpc), request, timeout_seconds=timeout_seconds)

    def lookup(self, fingerprint: str, **fields: Any) -> pb.CacheEntry | None:
        """The entry if it is a hit."""
        request = pb.LookupCacheEntryRequest(project_uid=self.project_uid, fingerprint=fingerprint, **fields)
        answer = self.call("LookupCacheEntry", request)
        return answer.entry if answer.HasField("entry") else None

    def lookup_many(self, *fingerprints: str, **fields: Any) -> list[pb.CacheHit]:
        """The hits among them."""
        request = pb.LookupCacheEntriesRequest(project_uid=self.project_uid, fingerprints=fingerprints, **fields)
        return list(self.call("LookupCacheEntries", request).hits)

    def verified(self, outcome: Any, id_: str = "") -> None:
        """Reports what came out when a hit was computed again."""
        fields = {"id": id_ or new_id(), "project_uid": self.project_uid, "fingerprint": new_fingerprint()}
        self.call("ReportCacheVerification", pb.ReportCacheVerificationRequest(**fields, outcome=outcome))

    def reserve(self, fingerprint: str, token: bytes, **fields: Any) -> pb.ReserveCacheEntryResponse:
        fields = {"project_uid": self.project_uid, "fingerprint": fingerprint, "token": token, **fields}
        answer: pb.ReserveCacheEntryResponse = self.call("ReserveCacheEntry", pb.ReserveCacheEntryRequest(**fields))
        return answer

    def renew(self, *tokens: bytes) -> list[int]:
        """Positions of those that are lost."""
        return list(self.call("RenewCacheLeases", pb.RenewCacheLeasesRequest(tokens=tokens)).lost_positions)

    def fail(self, token: bytes, error: str = "ValueError: no rows") -> bool:
        return bool(self.call("FailCacheLease", pb.FailCacheLeaseRequest(token=token, error=error)).ended)

    def release(self, token: bytes) -> bool:
        return bool(self.call("ReleaseCacheLease", pb.ReleaseCacheLeaseRequest(token=token)).ended)

    def wait(
        self, fingerprint: str, lease_id: str, seconds: float = 20, held: tuple[bytes, ...] = ()
    ) -> pb.WaitForCacheEntryResponse:
        request = self.wait_request(fingerprint, lease_id, seconds, held)
        answer: pb.WaitForCacheEntryResponse = self.call("WaitForCacheEntry", request)
        return answer

    def wait_request(
        self, fingerprint: str, lease_id: str, seconds: float = 20, held: tuple[bytes, ...] = ()
    ) -> pb.WaitForCacheEntryRequest:
        return pb.WaitForCacheEntryRequest(
            project_uid=self.project_uid,
            fingerprint=fingerprint,
            lease_id=lease_id,
            timeout_us=int(seconds * SECOND_US),
            held_tokens=held,
        )

    def commit(
        self,
        fingerprint: str,
        token: bytes,
        data: bytes = b"result",
        name: str = "results",
        *,
        version_id: str = "",
        draft: Mapping[str, Any] | None = None,
        **completion: Any,
    ) -> artifact_pb2.CommitArtifactResponse:
        """Stores a file of these bytes, and commits it under a lease."""
        page = page_of(entry_of("value", data))
        self.raw.upload(chunk_of(data), chunk_of(page))
        return self.commit_root(
            fingerprint, token, root_of(page), name, version_id=version_id, draft=draft, **completion
        )

    def commit_root(
        self,
        fingerprint: str,
        token: bytes,
        root: artifact_pb2.ManifestRoot,
        name: str = "results",
        *,
        version_id: str = "",
        draft: Mapping[str, Any] | None = None,
        **completion: Any,
    ) -> artifact_pb2.CommitArtifactResponse:
        """Commits what may or may not be stored."""
        made = {"fingerprint": fingerprint, "process": made_by(fingerprint), "duration_us": 7}
        fields = {"token": token, **made, **completion}
        request = artifact_pb2.CommitArtifactRequest(
            project_uid=self.project_uid,
            version_id=version_id or new_id(),
            draft=artifact_pb2.ArtifactDraft(**{"name": name, "type": "directory", **(draft or {})}),
            manifest=root,
            cache_completion=artifact_pb2.CacheCompletion(**fields),
        )
        return self.client.call(self.raw.stub.CommitArtifact, request)

    def compute(self, data: bytes = b"result", fingerprint: str = "", **options: Any) -> pb.CacheEntry:
        """Reserves, commits and looks up an entry: of a fingerprint, else of a process, else of a new one."""
        if not fingerprint:
            process = options.get("process") or process_of(nobody_else=secrets.token_hex(8))
            fingerprint = fingerprint_of(process, options.get("fingerprint_format", 1))
        token = new_token()
        assert self.reserve(fingerprint, token, force=True).HasField("granted")
        self.commit(fingerprint, token, data, **options)
        answer = self.reserve(fingerprint, token)
        assert answer.HasField("entry")
        return answer.entry

    def explain(
        self, fingerprint: str, process: artifact_pb2.ArtifactProcess, **fields: Any
    ) -> pb.ExplainCacheEntryResponse:
        fields = {"project_uid": self.project_uid, "fingerprint": fingerprint, "process": process, **fields}
        answer: pb.ExplainCacheEntryResponse = self.call("ExplainCacheEntry", pb.ExplainCacheEntryRequest(**fields))
        return answer

    def list(self, **fields: Any) -> pb.ListCacheEntriesResponse:
        request = pb.ListCacheEntriesRequest(project_uid=self.project_uid, **fields)
        answer: pb.ListCacheEntriesResponse = self.call("ListCacheEntries", request)
        return answer

    def invalidate(self, **fields: Any) -> tuple[int, int]:
        """How many entries were removed, and how many versions deleted."""
        request = pb.InvalidateCacheEntriesRequest(project_uid=self.project_uid, **fields)
        answer = self.call("InvalidateCacheEntries", request)
        return answer.removed_count, answer.deleted_version_count

    def statistics(self) -> pb.GetCacheStatisticsResponse:
        request = pb.GetCacheStatisticsRequest(project_uid=self.project_uid)
        answer: pb.GetCacheStatisticsResponse = self.call("GetCacheStatistics", request)
        return answer
