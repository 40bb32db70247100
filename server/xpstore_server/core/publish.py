"""Publishing: a checked tree becomes a version of an artifact, atomically, or nothing is seen of it.

1. Read the manifest's pages, check the tree, and resolve every chunk to its pack: no lock is held.
2. Add the edges version -> pack, to a version in state `committing`. The foreign key refuses a pack that was swept.
3. In one short transaction under the artifact's row lock: number, links, lineage, aliases, state, and the cache entry
   if a lease on one came with the commit.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from blake3 import blake3
from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from xpstore.format.tree import PageRef
from xpstore_server.core import artifact, lease, limits, project
from xpstore_server.core.cache import EntryKey
from xpstore_server.core.errors import AlreadyExists, Conflict, InvalidArgument, Stale, shown
from xpstore_server.core.lease import Completion
from xpstore_server.core.manifest import Entry, ManifestCodec, Tree, check_digest
from xpstore_server.core.versions import attach, media
from xpstore_server.store import tables
from xpstore_server.store.batches import batches
from xpstore_server.store.chunks import ChunkStore
from xpstore_server.store.database import Database
from xpstore_server.store.encoded import Place
from xpstore_server.store.errors import MissingChunks
from xpstore_server.store.transaction import Transaction

OnPublish = Callable[[Transaction, str], None]

# A transaction with more edges than this would hold SQLite's writer for long: the rest goes in batches of its own.
EDGES = 5_000
# As for edges. A link is in five indexes.
LINKS = 250
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Draft:
    """What a version shall be, apart from its bytes. Empty `metadata_json` and None `description` mean "not said".

    Implied metadata is what a new version gets and nobody said: it makes no version new. `newest_id` is what must be
    the newest version until then ("": none is); None: whatever is.
    """

    name: str
    type: str
    description: str | None = None
    metadata_json: str = ""
    more: attach.More = field(default_factory=attach.More)
    force: bool = False
    metadata_is_implied: bool = False
    newest_id: str | None = None


class _LostEdges(Conflict):
    """The sweep took the commit for abandoned, and the edges of its earlier batches with it."""


@dataclass(slots=True)
class _Checked:
    """A tree that is sound and whose chunks are all there."""

    digest: bytes
    size_bytes: int
    file_count: int
    first_path: str
    pack_ids: set[str] = field(default_factory=set)


class Publisher:
    """Commits trees."""

    def __init__(self, database: Database, chunks: ChunkStore, codec: ManifestCodec) -> None:
        self._database = database
        self._chunks = chunks
        self._codec = codec

    def commit(
        self,
        principal: str,
        *,
        project_uid: str,
        version_id: str,
        draft: Draft,
        pages: Sequence[PageRef],
        completion: Completion | None = None,
        on_publish: OnPublish = lambda tx, version_id: None,
    ) -> tuple[Row[Any], bool]:
        """Publishes a tree; returns the version and whether this commit made it.

        Args:
            completion: the cache entry to complete with it, under a lease that must run until then.
            on_publish: runs in the transaction that publishes, with the version's id; what it raises undoes that.

        Raises:
            MissingChunks: some chunks are not there (any more); nothing was published.
            AlreadyExists: the id is that of a version with another name or tree.
            Stale: the lease is lost; nothing was published.
            Conflict: another version is the newest than the draft says; nothing was published.
        """
        root = self._codec.encode_root(list(pages))
        if found := self._database.read(lambda tx: _prepare(tx, principal, project_uid, version_id, draft, completion)):
            if found.id == version_id and not self._is_repeated(principal, found, draft, root, pages):
                raise _taken(version_id)
            self._database.write(lambda tx: on_publish(tx, found.id))
            return found, found.id == version_id
        # Others may be waiting for what the cache makes: no principal alone vouches for that.
        vouching = "" if completion is not None else principal
        for attempt in range(ATTEMPTS):
            checked = self._check(vouching, project_uid, pages)
            if draft.type == tables.MEDIA_TYPE:
                media.check_content(draft.metadata_json, checked.file_count, checked.first_path)
            version = _Version(principal, project_uid, version_id, draft, checked, root, completion)
            try:
                return self._publish(version, on_publish)
            except (IntegrityError, _LostEdges):
                # A pack was condemned or repacked after it was resolved. Resolve again: what is gone shows as missing.
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def _is_repeated(
        self, principal: str, found: Row[Any], draft: Draft, root: bytes, pages: Sequence[PageRef]
    ) -> bool:
        """Whether a commit is that of a version which is there: of this name and tree, however it is cut."""
        if found.name != draft.name:
            return False
        known = self._database.read(lambda tx: artifact.manifest(tx, found.id))
        return known == root or self._check(principal, found.project_uid, pages).digest == found.digest

    def _publish(self, version: "_Version", on_publish: OnPublish) -> tuple[Row[Any], bool]:
        def unit(tx: Transaction) -> tuple[Row[Any], bool]:
            row, created = version.finish(tx, edges[:EDGES])
            on_publish(tx, row.id)
            return row, created

        edges = sorted(version.checked.pack_ids)
        for some in batches(edges[EDGES:], EDGES):
            self._database.write(partial(version.add_edges, pack_ids=some))
        if len(links := version.draft.more.links) > LINKS and self._database.read(version.is_news):
            for some_links in batches(links, LINKS):
                self._database.write(partial(version.add_links, links=some_links))
        try:
            return self._database.write(unit)
        except (Stale, Conflict):
            self._database.write(version.abandon)
            raise

    def _check(self, principal: str, pool: str, pages: Sequence[PageRef]) -> _Checked:
        tree = Tree()
        pack_ids: set[str] = set()
        missing: list[bytes] = []
        first_path = ""
        places = self._resolved(principal, pool, [page.digest for page in pages], missing)
        if missing:
            raise MissingChunks(missing)
        pack_ids.update(row.pack_id for row in places.values())
        for entries in self._read_pages(principal, pool, pages):
            sizes: dict[bytes, int] = {}
            for entry in entries:
                first_path = first_path or entry.path
                tree.add(entry)
                check_digest(entry)
                for digest, size in zip(entry.chunk_digests, entry.chunk_sizes, strict=True):
                    if sizes.setdefault(digest, size) != size:
                        raise InvalidArgument("chunk_sizes", size, f"chunk {digest.hex()} cannot have two sizes")
            found = self._resolved(principal, pool, list(sizes), missing)
            for digest, row in found.items():
                if row.raw_size != sizes[digest]:
                    raise InvalidArgument(
                        "chunk_sizes", sizes[digest], f"chunk {digest.hex()} has {row.raw_size} bytes"
                    )
            pack_ids.update(row.pack_id for row in found.values())
            if len(missing) >= limits.DIGESTS:
                break
        if missing:
            raise MissingChunks(missing[: limits.DIGESTS])
        return _Checked(tree.finish(), tree.size_bytes, tree.file_count, first_path, pack_ids)

    def _resolved(self, principal: str, pool: str, digests: list[bytes], missing: list[bytes]) -> dict[bytes, Place]:
        try:
            return self._chunks.resolve(pool, digests, principal)
        except MissingChunks as error:
            missing.extend(error.digests)
            lost = set(error.digests)
            return self._resolved(principal, pool, [digest for digest in digests if digest not in lost], missing)

    def _read_pages(self, principal: str, pool: str, pages: Sequence[PageRef]) -> Iterator[list[Entry]]:
        last_path = ""
        read = self._chunks.read(pool, [page.digest for page in pages], principal)
        for page, data in zip(pages, read, strict=True):
            entries = self._codec.decode_page(data)
            first_path = page.first_path or last_path
            if len(data) != page.size_bytes or not entries:
                raise InvalidArgument("manifest.pages", page.size_bytes, "must be the size of a page with entries")
            if (entries[0].path, entries[0].offset) != (first_path, page.first_offset):
                raise InvalidArgument("manifest.pages", first_path, "does not say where its page starts")
            last_path = first_path
            yield entries


@dataclass(frozen=True, slots=True)
class _Version:
    """A version on its way in."""

    principal: str
    project_uid: str
    id: str
    draft: Draft
    checked: _Checked
    root: bytes
    completion: Completion | None

    def add_edges(self, tx: Transaction, pack_ids: Sequence[str]) -> None:
        row = {"id": self.id, "project_uid": self.project_uid, "state": "committing", **self._content(tx)}
        tx.insert_ignore(tables.artifact_version, row)
        edges = ({"version_id": self.id, "pack_id": pack_id} for pack_id in pack_ids)
        tx.insert_ignore(tables.artifact_pack, *edges)

    def is_news(self, tx: Transaction) -> bool:
        """Whether it is a version by itself, as far as can be seen before it is published."""
        newest = artifact.newest_named(tx, self.project_uid, self.draft.name)
        return self.draft.force or newest is None or newest.digest != self.checked.digest

    def add_links(self, tx: Transaction, links: Sequence[attach.Link]) -> None:
        """Adds some of the links. Nobody sees those of a version that is not published."""
        attach.check(tx, self.project_uid, attach.More(links))
        self.add_edges(tx, ())
        if artifact.hold_committing(tx, self.id):
            attach.add_links(tx, self.id, links)

    def finish(self, tx: Transaction, pack_ids: Sequence[str]) -> tuple[Row[Any], bool]:
        draft = self.draft
        project.get(tx, project_uid=self.project_uid)
        owner = artifact.lock_named(tx, self.principal, self.project_uid, draft.name, draft.type)
        if made := _made(
            tx, self.principal, self.project_uid, self.id, self.completion
        ):  # by another try of this commit, meanwhile
            if made.id == self.id and (made.name, made.digest) != (draft.name, self.checked.digest):
                raise _taken(self.id)
            return made, made.id == self.id
        if self.completion is not None:
            lease.hold(tx, self.principal, self.project_uid, self.completion)
        self.add_edges(tx, pack_ids)
        self._check_edges(tx)
        newest = artifact.newest(tx, owner.id)
        _check_newest(draft, newest)
        artifact.check_type(tx, self.project_uid, draft.name, draft.type)
        same_id = None if draft.force else self._same(tx, owner, newest)
        # Who saves the same for each of many models shall not fail at the last: a full version is followed by another.
        if same_id is not None and not attach.has_room(tx, same_id, draft.more):
            same_id = None
        version_id = same_id or self.id
        if same_id is not None:
            self.abandon(tx)
        else:
            self._number(tx, owner)
        attach.check(tx, self.project_uid, draft.more)
        attach.add(tx, owner.id, version_id, draft.more)
        if self.completion is not None:
            lease.complete(tx, self.principal, self.project_uid, version_id, self.completion)
        return artifact.get(tx, version_id), same_id is None

    def abandon(self, tx: Transaction) -> None:
        """Takes the version back, with the edges that batches before have added."""
        version = tables.artifact_version
        tx.execute(delete(version).where(version.c.id == self.id, version.c.state == "committing"))

    def _content(self, tx: Transaction) -> dict[str, Any]:
        now = tx.now_us()
        done = self.completion
        saved = blake3(b"xpstore save v1\n" + self.checked.digest).hexdigest()
        return {
            "digest": self.checked.digest,
            "fingerprint": saved if done is None else done.fingerprint,
            "process_json": None if done is None else done.process.to_json(),
            "manifest": self.root,
            "size_bytes": self.checked.size_bytes,
            "file_count": self.checked.file_count,
            "description": self.draft.description,
            "metadata_json": self.draft.metadata_json or "{}",
            "created_at_us": now,
            "created_by": self.principal,
            "updated_at_us": now,
            "updated_by": self.principal,
            "revision": 1,
        }

    def _check_edges(self, tx: Transaction) -> None:
        # Batches before this transaction are gone if the sweep deleted the version in between.
        mine = select(func.count()).where(tables.artifact_pack.c.version_id == self.id)
        if tx.execute(mine).scalar_one() < len(self.checked.pack_ids):
            raise _LostEdges("The commit took too long. Repeat it.")

    def _number(self, tx: Transaction, owner: Row[Any]) -> None:
        number = owner.last_version + 1
        tx.execute(
            update(tables.artifact)
            .where(tables.artifact.c.id == owner.id)
            .values(last_version=number, type=self.draft.type)
        )
        version = tables.artifact_version
        live = update(version).where(version.c.id == self.id, version.c.state == "committing")
        # The content again: a try before this one, of another tree, may have left the row.
        done = live.values(state="live", artifact_id=owner.id, version=number, **self._content(tx))
        if tx.execute(done).rowcount != 1:
            raise _taken(self.id)

    def _same(self, tx: Transaction, owner: Row[Any], newest: Row[Any] | None) -> str | None:
        """The version that makes a new one needless."""
        if self.completion is None:
            return newest.id if newest is not None and self._says_nothing_new(newest) else None
        # The newest of this content may be that of another entry: each has a version of its own.
        key = EntryKey(self.project_uid, self.completion.fingerprint)
        return lease.replaced_version(tx, key, owner.id, self.checked.digest)

    def _says_nothing_new(self, newest: Row[Any]) -> bool:
        draft = self.draft
        if newest.digest != self.checked.digest:
            return False
        if draft.description is not None and draft.description != newest.description:
            return False
        if not draft.metadata_json or draft.metadata_is_implied:
            return True
        return _parsed(draft.metadata_json) == _parsed(newest.metadata_json)


def _parsed(text: str) -> object:
    return json.loads(text, parse_int=Decimal)  # int() refuses numbers of thousands of digits


def _taken(version_id: str) -> AlreadyExists:
    return AlreadyExists("version", "version_id", version_id, "Make a fresh id for every version.")


def _prepare(
    tx: Transaction, principal: str, project_uid: str, version_id: str, draft: Draft, completion: Completion | None
) -> Row[Any] | None:
    """Refuses early what the last step would refuse; returns the version if this commit has been made."""
    project.get(tx, project_uid=project_uid)
    if made := _made(tx, principal, project_uid, version_id, completion):
        return made
    attach.check(tx, project_uid, draft.more)
    artifact.check_type(tx, project_uid, draft.name, draft.type)
    if draft.newest_id is not None:
        _check_newest(draft, artifact.newest_named(tx, project_uid, draft.name))
    if completion is not None:
        lease.hold(tx, principal, project_uid, completion)
    return None


def _check_newest(draft: Draft, newest: Row[Any] | None) -> None:
    found = "" if newest is None else newest.id
    if draft.newest_id is not None and draft.newest_id != found:
        told = (
            f"The newest version of {shown(draft.name)} is {found} by now." if found else "The artifact has no version."
        )
        raise Conflict(told, field="draft.newest_version_id", value=draft.newest_id)


def _made(
    tx: Transaction, principal: str, project_uid: str, version_id: str, completion: Completion | None
) -> Row[Any] | None:
    """The version of this id if it has been published, or that of the entry if this commit has completed it."""
    version = tables.artifact_version
    columns = (version.c.state, version.c.project_uid, version.c.fingerprint)
    found = tx.execute(select(*columns).where(version.c.id == version_id)).first()
    if found is None or found.state == "committing":
        done_id = None if completion is None else lease.completed_version(tx, principal, project_uid, completion)
        return None if done_id is None else artifact.get(tx, done_id)
    is_another = completion is not None and found.fingerprint != completion.fingerprint
    if found.project_uid != project_uid or is_another:
        raise _taken(version_id)
    return artifact.get(tx, version_id)  # a deleted one is not found, and not made again
