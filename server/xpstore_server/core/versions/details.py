"""What hangs on a version: aliases, links and versions it was made from. Of each the first are told, and how many.

All of them are lists of their own (`core/versions/neighbours.py`).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Table, func, select, true

from xpstore_server.core import limits
from xpstore_server.core.paging import first
from xpstore_server.store import limbo, tables
from xpstore_server.store.batches import batches
from xpstore_server.store.transaction import Transaction

# Versions whose details are asked for at once, and rows of a kind that this may give: else fewer are asked for.
BATCH = 200
MANY = 5_000


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of what hangs on versions.

    Attributes:
        of: the column with the version's id.
        order: what its rows are ordered by; an index has them so.
        bound: how many a version may have.
        seen: which of its rows are shown.
    """

    table: Table
    of: ColumnElement[str]
    order: tuple[ColumnElement[Any], ...]
    bound: int
    seen: ColumnElement[bool]

    def rows(self, version_ids: Sequence[str], limit: int) -> Select[Any]:
        """The first rows of these versions, in order."""
        mine = select(self.table).where(self.of.in_(version_ids), self.seen)
        return mine.order_by(self.of, *self.order).limit(first(limit))

    def count(self, tx: Transaction, version_id: str, limit: int) -> int:
        """How many a version has, with those that are not shown; if there are more than `limit`, that."""
        return self._count(tx, select(self.of).where(self.of == version_id).limit(first(limit)))

    def count_seen(self, tx: Transaction, version_id: str) -> int:
        """How many of a version are shown."""
        return self._count(tx, select(self.of).where(self.of == version_id, self.seen))

    def _count(self, tx: Transaction, some: Select[Any]) -> int:
        return int(tx.execute(select(func.count()).select_from(some.subquery())).scalar_one())


_alias, _link, _lineage = tables.artifact_alias, tables.artifact_link, tables.artifact_lineage
# Links to a model that is deleted wait with it. As a value, as PostgreSQL would make a join of `exists`.
_owner = select(tables.model.c.experiment_id).where(tables.model.c.id == _link.c.model_id).correlate(_link)
LINK_IS_SEEN = _owner.scalar_subquery().not_in(limbo.HIDDEN_EXPERIMENTS)
ALIASES = Kind(_alias, _alias.c.version_id, (_alias.c.alias,), limits.ALIASES, true())
LINKS = Kind(_link, _link.c.version_id, (_link.c.created_at_us, _link.c.id), limits.LINKS, LINK_IS_SEEN)
USED = Kind(_lineage, _lineage.c.version_id, (_lineage.c.used_version_id,), limits.USED_VERSIONS, true())
KINDS = (ALIASES, LINKS, USED)


@dataclass(frozen=True, slots=True)
class Some:
    """The first rows of a kind, and how many there are in all."""

    rows: Sequence[Row[Any]]
    count: int


@dataclass(frozen=True, slots=True)
class Details:
    """What hangs on a version."""

    aliases: Some
    links: Some
    used: Some


def details(tx: Transaction, version_ids: Sequence[str]) -> Iterator[Details]:
    """Yields what hangs on each of these versions, read as it is asked for: a page ends before all is in memory."""
    for ids in batches(version_ids, BATCH):
        yield from _details(tx, ids)


def _details(tx: Transaction, ids: Sequence[str]) -> Iterator[Details]:
    if len(ids) == 1:
        yield Details(*(_of_one(tx, kind, ids[0]) for kind in KINDS))
        return
    found = [_by_version(tx, kind, ids) for kind in KINDS]
    if None in found:
        middle = len(ids) // 2
        yield from _details(tx, ids[:middle])
        yield from _details(tx, ids[middle:])
        return
    for id_ in ids:
        yield Details(*(_some(of[id_]) for of in found if of is not None))


def _of_one(tx: Transaction, kind: Kind, version_id: str) -> Some:
    some = _some(tx.execute(kind.rows([version_id], limits.FIRST + 1)).all())
    return some if some.count <= limits.FIRST else Some(some.rows, kind.count_seen(tx, version_id))


def _by_version(tx: Transaction, kind: Kind, ids: Sequence[str]) -> dict[str, list[Row[Any]]] | None:
    """All rows of these versions; None if they are too many."""
    rows = tx.execute(kind.rows(ids, MANY + 1)).all()
    if len(rows) > MANY:
        return None
    found = defaultdict[str, list[Row[Any]]](list)
    for row in rows:
        found[row.version_id].append(row)
    return found


def _some(rows: Sequence[Row[Any]]) -> Some:
    return Some(rows[: limits.FIRST], len(rows))
