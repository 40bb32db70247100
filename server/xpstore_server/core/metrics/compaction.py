"""Compaction: small blocks of a series become large, so what was logged bit by bit is read as fast as any other."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Row, bindparam, func, select

from xpstore_server.core import limits, model
from xpstore_server.core.metrics.metric import block_row, delete_blocks, insert_blocks
from xpstore_server.store.database import Database
from xpstore_server.store.ids import NIL, new_id, ordered_id
from xpstore_server.store.points import BLOCK_POINTS, BLOCK_SPAN, from_row, join
from xpstore_server.store.tables import block, series
from xpstore_server.store.transaction import Transaction

# Series that are looked at in one turn of the janitor, and how many of them are compacted at most.
LOOKED_AT = 10_000
COMPACTED = 500
# Since when ids of series are in the order of time.
ORDERED_SINCE_NS = 1_795_000_000 * 10**9
# To a series that nobody appended to for so long nobody does soon.
QUIET_US = 600 * 1_000_000
_BLOCKS = select(block).order_by(block.c.first_ordinal)
_SIZES = (
    select(block.c.first_ordinal, block.c.last_ordinal, block.c.points, block.c.kind)
    .add_columns(func.length(block.c.data).label("size_bytes"))
    .where(block.c.series_id == bindparam("key"))
    .order_by(block.c.first_ordinal)
)


def compact(tx: Transaction, series_id: str) -> int:
    """Replaces small neighbouring blocks of a series by fewer. Returns how many there are less."""
    model_id = tx.execute(select(series.c.model_id).where(series.c.id == series_id)).scalar()
    if model_id is None:
        return 0
    if model.lock_if_there(tx, model_id) is None:
        return 0
    less = 0
    for group in _groups_to_join(tx.execute(_SIZES, {"key": series_id}).all()):
        first, last = group[0].first_ordinal, group[-1].first_ordinal
        here = (block.c.series_id == series_id, block.c.first_ordinal.between(first, last))
        rows = tx.execute(_BLOCKS.where(*here)).all()
        delete_blocks(tx, rows)
        points = join([from_row(row) for row in rows])
        insert_blocks(tx, [(block_row(tx, model_id, series_id, points), points)])
        less += len(group) - 1
    tx.execute(series.update().where(series.c.id == series_id).values(small_blocks=0))
    return less


class EndedSeries:
    """Goes through all series, some each time, and puts the blocks of those together to which nobody appends any more.

    An append does it after every 32 blocks: what came after the last of these is left to this.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._after = _somewhere()

    def compact_some(self, is_stopped: Callable[[], bool] = lambda: False) -> int:
        """Looks at some series. Returns how many blocks there are less."""
        less = 0
        for series_id in self._database.read(self._next):
            if is_stopped():
                break
            less += self._database.write(partial(compact, series_id=series_id))
        return less

    def _next(self, tx: Transaction) -> Sequence[str]:
        """Those that have ended of the next series in the order of ids; after the last the first."""
        columns = (series.c.id, series.c.small_blocks, series.c.last_time_us)
        some = select(*columns).where(series.c.id > self._after).order_by(series.c.id).limit(LOOKED_AT).subquery()
        # By clients' clocks, which may be wrong: then it is done too early, or a time in a turn to come.
        is_quiet = ~some.c.last_time_us.between(tx.now_us() - QUIET_US, tx.now_us() + QUIET_US)
        ended = select(some.c.id).where(some.c.small_blocks > 1, is_quiet).order_by(some.c.id).limit(COMPACTED)
        found = tx.execute(ended).scalars().all()
        if len(found) == COMPACTED:
            self._after = found[-1]
        else:
            self._after = tx.execute(select(some.c.id).order_by(some.c.id.desc()).limit(1)).scalar() or NIL
        return found


def _somewhere() -> str:
    """The id of a series to begin after, drawn: a server that restarts often comes everywhere too."""
    if random.getrandbits(1):
        return new_id()  # as those of earlier releases are
    now_ns = max(time.time_ns(), ORDERED_SINCE_NS + 1)
    return ordered_id(random.randrange(ORDERED_SINCE_NS, now_ns))


@dataclass(slots=True)
class _Group:
    """Neighbours that become one block."""

    rows: list[Row[Any]] = field(default_factory=list)
    points: int = 0
    size_bytes: int = 0
    kinds: set[str] = field(default_factory=set)

    def add(self, row: Row[Any]) -> None:
        self.rows.append(row)
        self.points += row.points
        self.size_bytes += row.size_bytes
        self.kinds.add(row.kind)

    def has_room(self, row: Row[Any]) -> bool:
        if not self.rows:
            return True
        is_near = row.last_ordinal - self.rows[0].first_ordinal < BLOCK_SPAN
        # Kinds are mixed only in small blocks: those take more room and time.
        most = BLOCK_POINTS if self.kinds == {row.kind} else limits.MIXED_POINTS
        is_light = self.size_bytes + row.size_bytes <= limits.PAGE_BYTES
        return bool(is_near and is_light and self.points + row.points <= most)


def _groups_to_join(rows: Sequence[Row[Any]]) -> Iterator[list[Row[Any]]]:
    group = _Group()
    for row in rows:
        if not group.has_room(row):
            yield from _without_a_large_start(group.rows)
            group = _Group()
        group.add(row)
    yield from _without_a_large_start(group.rows)


def _without_a_large_start(group: list[Row[Any]]) -> Iterator[list[Row[Any]]]:
    """Without a large block at the start that would be written again for little."""
    while len(group) > 1 and group[0].points > 8 * sum(row.points for row in group[1:]):
        group = group[1:]
    if len(group) > 1:
        yield group
