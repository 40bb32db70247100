"""Stands in for the server where artifacts are saved, read and looked up in the cache: they wait in the spool.

It answers the same requests, so that everything above is the same code. What only a server can know, such as the
number of a version, it refuses to say.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from blake3 import blake3

from xpstore._files.manifest import add_entry
from xpstore._offline import contents
from xpstore._offline.caching import LocalCache
from xpstore._offline.record import VersionRecord
from xpstore._offline.store import ArtifactStore, Waiting
from xpstore._spool.record import Target
from xpstore._values.times import now_us
from xpstore.errors import Conflict, InvalidArgument, ResourceExhausted, Unavailable
from xpstore.format.messages import decode_chunks
from xpstore.format.tree import CHUNK_BYTES, TreeHash
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import limits_pb2, project_pb2

# The service's own, so that both cut alike (docs/protocol.md).
LIMITS = limits_pb2.Limits(
    max_chunk_bytes=CHUNK_BYTES,
    max_digests=10_000,
    default_page_size=contents.PAGE_SIZE,
    max_page_size=contents.PAGE_SIZE,
    chunking=limits_pb2.Chunking(
        min_size_bytes=96 << 10, average_size_bytes=192 << 10, max_size_bytes=CHUNK_BYTES, normalization=2
    ),
    max_links=1_000,
    max_aliases=1_000,
    max_used_versions=1_000,
)
_CHUNKS_FIELD = pb.UploadChunksRequest.CHUNKS_FIELD_NUMBER


class Home(Protocol):
    """Whose artifacts they are."""

    @property
    def writer(self) -> tuple[str, str]:
        """Id of the writer in the spool, and the digest of the key: "" offline."""

    @property
    def store(self) -> ArtifactStore:
        """Where they wait."""

    @property
    def iteration_steps(self) -> dict[str, int]:
        """The steps of iterations that links name, by their ids."""

    def project_of(self, project_uid: str) -> tuple[str, project_pb2.CreateProjectRequest | None]:
        """What tells a project from others, and the request that makes it, if it was made offline."""

    def project_uid_of(self, project_id: str) -> str:
        """The uid of a project by the caller's id."""

    def target(self, model_id: str, project_uid: str) -> Target:
        """What records of a model name; raises NotFound."""


class Sent:
    """The end of an upload that goes nowhere: everything is stored already."""

    def result(self) -> pb.UploadChunksResponse:
        """Returns at once."""
        return pb.UploadChunksResponse()

    def cancel(self) -> None:
        """There is nothing to break off."""


class StandIn:
    """Answers for artifacts and the cache.

    Args:
        home: whose they are.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._cache = LocalCache(lambda: home.store, lambda uid: home.project_of(uid)[0], self._shown)
        self._answers: dict[str, Callable[[Any], Any]] = {
            "GetLimitsRequest": lambda _: limits_pb2.GetLimitsResponse(limits=LIMITS),
            "FindMissingChunksRequest": self._find_missing,
            "CommitArtifactRequest": self._commit,
            "GetArtifactVersionRequest": lambda one: pb.GetArtifactVersionResponse(version=self._get(one)),
            "ListArtifactFilesRequest": self._list_files,
            "UpdateArtifactVersionRequest": self._describe,
            "SetArtifactAliasRequest": self._alias,
            "LinkArtifactVersionRequest": self._link,
            "DeleteArtifactVersionRequest": self._delete,
            **self._cache.answers,
        }

    def answer(self, request: Any) -> Any:
        """Answers in the server's place.

        Raises:
            Unavailable: this only a server can answer.
        """
        answer = self._answers.get(request.DESCRIPTOR.name)
        if answer is None:
            raise self.unavailable()
        return answer(request)

    def stream(self, request: Any) -> Iterator[Any]:
        """Yields the messages of a streaming answer; raises as `answer` does."""
        store = self._home.store
        match request.DESCRIPTOR.name:
            case "ReadManifestRequest":
                yield from contents.read_manifest(store, self._root(request.version_id), request.path_prefix)
            case "ReadChunksRequest":
                yield from contents.read_chunks(store, request.digests)
            case "ReadFileRequest":
                yield from contents.read_file(store, self._root(request.version_id), request)
            case _:
                raise self.unavailable()

    @contextlib.contextmanager
    def sending(self, messages: Iterable[bytes]) -> Iterator[Sent]:
        """Takes a stream of chunks, as `Connection.sending` does."""
        self._home.store.put(chunk for message in messages for chunk in decode_chunks(_CHUNKS_FIELD, message))
        yield Sent()

    @staticmethod
    def unavailable() -> Unavailable:
        """The error of what only a server can answer."""
        return Unavailable("Only the server can say that, and this client is offline: `xpstore sync` sends what waits.")

    # Chunks and versions

    def _find_missing(self, request: pb.FindMissingChunksRequest) -> pb.FindMissingChunksResponse:
        return contents.find_missing(self._home.store, request)

    def _commit(self, request: pb.CommitArtifactRequest) -> pb.CommitArtifactResponse:
        draft, store = request.draft, self._home.store
        project, creation = self._home.project_of(request.project_uid)
        targets = {link.model_id: self._home.target(link.model_id, request.project_uid) for link in draft.links}
        known = self._home.iteration_steps
        steps = {one.iteration_id: known[one.iteration_id] for one in draft.links if one.iteration_id in known}
        newest = next(store.newest(project, draft.name), None)
        if newest is not None and newest.type != draft.type:
            raise InvalidArgument(
                f"draft.type = {draft.type!r}: {draft.name!r} has the type {newest.type!r}; a name has one type"
            )
        pages = [reference.digest for reference in request.manifest.pages]
        if missing := [page for page, is_here in zip(pages, store.has(pages), strict=True) if not is_here]:
            return pb.CommitArtifactResponse(missing_digests=missing)
        version, needs = self._version(request)
        if found := self._same(request, newest, version):
            before = VersionRecord.unpacked(found.record)
            before.targets |= targets
            before.steps |= steps
            self._add_to(found, before, draft)
            return pb.CommitArtifactResponse(version=self._shown(before, request.project_uid))
        is_forced = request.cache_completion.token in self._cache.leases.forced
        record = VersionRecord(version, request, creation, targets, steps, is_forced)
        fingerprint = request.cache_completion.fingerprint
        waiting = Waiting(version.id, *self._home.writer, project, draft.name, draft.type, fingerprint, record.packed())
        if missing := store.add(waiting, [*pages, *needs]):
            return pb.CommitArtifactResponse(missing_digests=missing[: LIMITS.max_digests])
        if fingerprint:
            self._cache.leases.end(request.cache_completion.token)
        return pb.CommitArtifactResponse(version=version, created=True)

    def _version(self, request: pb.CommitArtifactRequest) -> tuple[pb.ArtifactVersion, list[bytes]]:
        """How a version looks, and the chunks of its files."""
        draft, tree, needs = request.draft, TreeHash(), set[bytes]()
        size_bytes = file_count = 0
        for entry in contents.entries(self._home.store, request.manifest):
            digests = entry.chunk_digests
            needs.update(digests[start : start + 32] for start in range(0, len(digests), 32))
            if entry.offset:
                continue
            add_entry(tree, entry)
            size_bytes, file_count = size_bytes + entry.size_bytes, file_count + 1
        now = now_us()
        version = pb.ArtifactVersion(
            id=request.version_id,
            project_uid=request.project_uid,
            name=draft.name,
            type=draft.type,
            digest=tree.digest(),
            fingerprint=request.cache_completion.fingerprint or _of_save(tree.digest()),
            size_bytes=size_bytes,
            file_count=file_count,
            description=draft.description if draft.HasField("description") else None,
            metadata_json=draft.metadata_json or "{}",
            created_at_us=now,
            updated_at_us=now,
        )
        version.links.extend(draft.links)
        version.used_version_ids.extend(draft.used_version_ids)
        if request.HasField("cache_completion"):
            version.process.CopyFrom(request.cache_completion.process)
        return version, list(needs)

    def _same(
        self, request: pb.CommitArtifactRequest, newest: Waiting | None, version: pb.ArtifactVersion
    ) -> Waiting | None:
        """What waits already, if the server would take a commit of this content as that version too."""
        if again := self._home.store.get(request.version_id):
            return again
        draft = request.draft
        if newest is None or draft.force or request.HasField("cache_completion") or newest.fingerprint:
            return None
        before = VersionRecord.unpacked(newest.record).version
        is_same = before.digest == version.digest
        if draft.HasField("description"):
            is_same &= draft.description == before.description
        if draft.metadata_json and not draft.metadata_is_implied:
            is_same &= draft.metadata_json == before.metadata_json
        return newest if is_same and not _too_many(VersionRecord.unpacked(newest.record), draft) else None

    def _add_to(self, found: Waiting, record: VersionRecord, more: pb.ArtifactDraft) -> None:
        """Adds links, lineage and aliases to what waits."""
        for draft in (record.version, record.commit.draft):
            draft.links.extend(link for link in more.links if link not in draft.links)
            used = draft.used_version_ids
            used.extend(id_ for id_ in more.used_version_ids if id_ not in used)
        aliases = record.commit.draft.aliases
        aliases.extend(alias for alias in more.aliases if alias not in aliases)
        self._home.store.update(found.number, record.packed())

    # What waits

    def _found(self, version_id: str) -> tuple[Waiting, VersionRecord]:
        found = self._home.store.get(version_id)
        if found is None:
            raise self.unavailable()
        return found, VersionRecord.unpacked(found.record)

    def _root(self, version_id: str) -> pb.ManifestRoot:
        return self._found(version_id)[1].commit.manifest

    def _shown(self, record: VersionRecord, project_uid: str = "") -> pb.ArtifactVersion:
        """A version as this process shall see it: another one may have made its project under another uid."""
        if project_uid:
            record.version.project_uid = project_uid
        return record.version

    def _get(self, request: pb.GetArtifactVersionRequest) -> pb.ArtifactVersion:
        if request.WhichOneof("source") != "artifact_name":
            return self._shown(self._found(request.version_id)[1])
        name = request.artifact_name
        project_uid = self._home.project_uid_of(name.project_id)
        selector = name.WhichOneof("selector")
        for found in self._home.store.newest(self._home.project_of(project_uid)[0], name.name):
            record = VersionRecord.unpacked(found.record)
            aliases = ("latest", *record.commit.draft.aliases)
            if selector is None or (selector == "alias" and name.alias in aliases):
                return self._shown(record, project_uid)
        asked = {"version": f" number {name.version}", "alias": f" with the alias {name.alias!r}"}.get(
            selector or "", ""
        )
        raise Unavailable(f"No version{asked} of {name.name!r} waits here, and this client is offline.")

    def _list_files(self, request: pb.ListArtifactFilesRequest) -> pb.ListArtifactFilesResponse:
        return contents.list_files(self._home.store, self._root(request.version_id), request)

    def _describe(self, request: pb.UpdateArtifactVersionRequest) -> pb.UpdateArtifactVersionResponse:
        with self._lock:
            found, record = self._found(request.version_id)
            for one in (record.version, record.commit.draft):
                one.ClearField("description")
                if request.HasField("description"):
                    one.description = request.description
            self._home.store.update(found.number, record.packed())
        return pb.UpdateArtifactVersionResponse(version=record.version)

    def _alias(self, request: pb.SetArtifactAliasRequest) -> pb.SetArtifactAliasResponse:
        return pb.SetArtifactAliasResponse(
            version=self._more(request.version_id, pb.ArtifactDraft(aliases=[request.alias]))
        )

    def _link(self, request: pb.LinkArtifactVersionRequest) -> pb.LinkArtifactVersionResponse:
        return pb.LinkArtifactVersionResponse(
            version=self._more(request.version_id, pb.ArtifactDraft(links=[request.link]))
        )

    def _more(self, version_id: str, more: pb.ArtifactDraft) -> pb.ArtifactVersion:
        with self._lock:
            found, record = self._found(version_id)
            if field := _too_many(record, more):
                what = f"{field}: version {version_id}, which waits, has as many as one may"
                raise ResourceExhausted(f"{what}. Save it again: that makes a version of the same content.")
            for link in more.links:
                record.targets[link.model_id] = self._home.target(link.model_id, record.version.project_uid)
                if link.iteration_id in self._home.iteration_steps:
                    record.steps[link.iteration_id] = self._home.iteration_steps[link.iteration_id]
            self._add_to(found, record, more)
        return record.version

    def _delete(self, request: pb.DeleteArtifactVersionRequest) -> pb.DeleteArtifactVersionResponse:
        store, number = self._home.store, 0
        found = store.get(request.version_id)
        while other := store.after(number):
            number = other.number
            if request.version_id in VersionRecord.unpacked(other.record).commit.draft.used_version_ids:
                raise Conflict(f"{other.name!r}, which waits too, was made from it: delete that first.")
        if found is not None:
            store.remove(found, None)
        return pb.DeleteArtifactVersionResponse()


def _too_many(record: VersionRecord, more: pb.ArtifactDraft) -> str:
    """The field of a version that would then have more than the server takes, "" if there is none."""
    bounds = {
        "links": LIMITS.max_links,
        "aliases": LIMITS.max_aliases,
        "used_version_ids": LIMITS.max_used_versions,
    }
    for field, bound in bounds.items():
        there = getattr(record.commit.draft, field)
        new = [one for one in getattr(more, field) if one not in there]
        if new and len(there) + len(new) > bound:
            return field
    return ""


def _of_save(digest: bytes) -> str:
    """The fingerprint of saving this content, as the server makes it."""
    return blake3(b"xpstore save v1\n" + digest).hexdigest()
