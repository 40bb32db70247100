"""Packs that a repack looks at, in batches of bounded size, and which of them are worth a rewrite."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, bindparam, func, or_, select, text, tuple_, update

from xpstore.format.packs import PACK_BYTES, footer_size
from xpstore_server.store.packs import SMALL_BYTES
from xpstore_server.store.sweep import few_chunks
from xpstore_server.store.tables import SMALL_PACK, chunk, pack
from xpstore_server.store.transaction import Transaction

# So many small packs of one pool are merged.
MERGED = 8
# A pack of which less than this is needed is rewritten: dead bytes stay below a quarter of the needed ones.
WORTH = 0.8
# What is looked at at once: 50,000 digests are 5 MB of memory.
BATCH_PACKS = 500
BATCH_CHUNKS = 50_000
# What one transaction moves: SQLite's writer is held for less than a second.
GROUP_PACKS = 100
GROUP_CHUNKS = 10_000
POOLS = 100

_is_small: ColumnElement[bool] = text(SMALL_PACK)  # type: ignore[assignment]
_LOOKED_AT = (
    update(pack)
    .where(pack.c.id == bindparam("looked_at"), pack.c.suspect_at_us == bindparam("suspected_at"))
    .values(suspect_at_us=None)
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A pack as it was when it was looked at, and how much of it is needed."""

    pack: Row[Any]
    chunks: int
    needed_bytes: int

    @property
    def is_small(self) -> bool:
        return bool(self.pack.size_bytes < SMALL_BYTES)

    def is_worth(self, everything: bool) -> bool:
        """Whether a rewrite saves enough; of `everything` any byte is enough."""
        size: int = self.pack.size_bytes
        return self.needed_bytes < size if everything else self.needed_bytes < WORTH * size


@dataclass(frozen=True, slots=True)
class Candidates:
    """Which packs are looked at: of those untouched since a time the suspect ones, and the small if many; or all."""

    untouched_since_us: int
    everything: bool = False
    # For a preview, which may not mark anything: further suspects, and a condition on all candidates.
    suspects: ColumnElement[bool] | None = None
    only: ColumnElement[bool] | None = None

    def pools(self, tx: Transaction, after: str) -> Sequence[str]:
        """The next pools that have any, in order."""
        if self.everything or self.suspects is not None:
            any_ = select(pack.c.pool).where(*self._old(), pack.c.pool > after).distinct()
            return tx.execute(any_.order_by(pack.c.pool).limit(POOLS)).scalars().all()
        further = select(pack.c.pool).where(*self._old(), pack.c.pool > after).group_by(pack.c.pool)
        suspect, many = further.where(pack.c.suspect_at_us.is_not(None)), further.where(_is_small)
        both = suspect.union(many.having(func.count() >= MERGED)).subquery()
        return tx.execute(select(both.c.pool).order_by(both.c.pool).limit(POOLS)).scalars().all()

    def batch(self, tx: Transaction, pool: str, after: Row[Any] | None, merges: bool) -> Sequence[Row[Any]]:
        """The next packs of a pool, oldest first: neighbours share versions."""
        query = select(pack).where(pack.c.pool == pool, *self._old())
        if not self.everything:
            which = [pack.c.suspect_at_us.is_not(None), *([_is_small] if merges else [])]
            query = query.where(or_(*which, *([self.suspects] if self.suspects is not None else [])))
        if after is not None:
            query = query.where(tuple_(pack.c.created_at_us, pack.c.id) > (after.created_at_us, after.id))
        rows = tx.execute(query.order_by(pack.c.created_at_us, pack.c.id).limit(BATCH_PACKS)).all()
        return few_chunks(tx, rows, BATCH_CHUNKS)

    def merges(self, tx: Transaction, pool: str) -> bool:
        """Whether a pool has so many small packs that they are merged."""
        count = select(func.count()).select_from(pack).where(pack.c.pool == pool, *self._old(), _is_small)
        return int(tx.execute(count).scalar_one()) >= (2 if self.everything else MERGED)

    def _old(self) -> list[ColumnElement[bool]]:
        which = [pack.c.touched_at_us <= self.untouched_since_us, pack.c.vouched_by.is_(None)]
        return which if self.only is None else [*which, self.only]


def digests(tx: Transaction, packs: Sequence[Row[Any]]) -> set[bytes]:
    """The digests of all chunks of these packs."""
    ids = [row.id for row in packs]
    return set(tx.execute(select(chunk.c.digest).where(chunk.c.pack_id.in_(ids))).scalars())


def plan(tx: Transaction, row: Row[Any], needed: Container[bytes]) -> Plan:
    """Sums up what is needed of a pack. What no row points to (the copy of a chunk that is elsewhere too) is not."""
    sizes = select(chunk.c.digest, chunk.c.stored_size).where(chunk.c.pack_id == row.id)
    live = [found.stored_size for found in tx.execute(sizes) if found.digest in needed]
    return Plan(row, len(live), sum(live) + footer_size(len(live)) if live else 0)


def choose(plans: Sequence[Plan], everything: bool, merges: bool) -> list[Plan]:
    """Which packs are rewritten."""
    mergeable = [plan for plan in plans if plan.is_small] if merges else []
    merged = {plan.pack.id for plan in mergeable} if len(mergeable) > 1 else set()
    return [plan for plan in plans if plan.pack.id in merged or plan.is_worth(everything)]


def groups(plans: Iterable[Plan]) -> Iterator[list[Plan]]:
    """Puts packs together whose needed bytes fit in one; those of which nothing is needed go by themselves."""
    dead: list[Plan] = []
    group: list[Plan] = []
    for one in plans:
        fitting = dead if not one.chunks else group
        total = sum(plan.needed_bytes for plan in fitting) + one.needed_bytes
        chunks = sum(plan.chunks for plan in fitting) + one.chunks
        if fitting and (total > PACK_BYTES or chunks > GROUP_CHUNKS or len(fitting) == GROUP_PACKS):
            yield fitting.copy()
            fitting.clear()
        fitting.append(one)
    yield from (rest for rest in (dead, group) if rest)


def looked_at(tx: Transaction, packs: Iterable[Row[Any]]) -> None:
    """Clears the marks of packs, unless another version let go of them since."""
    seen = [{"looked_at": row.id, "suspected_at": row.suspect_at_us} for row in packs if row.suspect_at_us is not None]
    if seen:
        tx.execute(_LOOKED_AT, seen)
