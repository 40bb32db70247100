"""What there is of many models: a row for each series, page by page."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, select, tuple_

from xpstore_server.core import limits, model
from xpstore_server.core.paging import BATCH, Key, Page, first, weigh
from xpstore_server.store.tables import series
from xpstore_server.store.transaction import Transaction

# Rows of the first query: each may have a value of 1 MiB. Models of the last: SQLite looks into the index for each.
FIRST = 10
MOST_MODELS = 128


class Summary(NamedTuple):
    """A series, and what a page of them is ordered by: the place of its model in the request, its name and phase."""

    place: int
    name: str
    phase: str
    row: Row[Any]


def list_page(
    tx: Transaction, model_ids: Sequence[str], names: Sequence[str], page: Page
) -> tuple[list[Summary], Key | None]:
    """Returns a page of the series of some models, in the order of these, then by name and phase."""
    found, weight = list[Summary](), 0
    for one in _walk(tx, model_ids, names, page.after):
        weight += weigh(one.row)
        if found and (len(found) == page.size or weight > limits.PAGE_BYTES):
            return found, found[-1][:3]
        found.append(one)
    return found, None


def _walk(tx: Transaction, model_ids: Sequence[str], names: Sequence[str], after: Key | None) -> Iterator[Summary]:
    """Yields series from a key on, read as they are asked for: those of one model, then of ever more at once."""
    place, behind = (0, None) if after is None else (int(after[0]), (str(after[1]), str(after[2])))
    count, limit = 1, FIRST
    while place < len(model_ids):
        some = model_ids[place : place + count]
        rows = _rows(tx, some, names, behind, limit)
        is_all = len(rows) < limit
        if not is_all and count > 1:
            count = 1  # they are many: one after the other
            continue
        places = {model_id: at for at, model_id in enumerate(some, place)}
        found = [Summary(places[row.model_id], row.name, row.phase, row) for row in rows]
        yield from sorted((one for one in found if tx.admits(one.row.project_uid)), key=lambda one: one[:3])
        if is_all:
            place, behind, count = place + count, None, min(2 * count, MOST_MODELS)
        else:
            behind = (rows[-1].name, rows[-1].phase)
        limit = min(2 * limit, BATCH)


def _rows(
    tx: Transaction, model_ids: Sequence[str], names: Sequence[str], behind: tuple[str, str] | None, limit: int
) -> Sequence[Row[Any]]:
    # Of one model by itself: of a list SQLite takes no order for granted.
    is_one = len(model_ids) == 1
    mine = series.c.model_id == model_ids[0] if is_one else series.c.model_id.in_(model_ids)
    query = select(series).where(mine, model.is_live(series.c.model_id))
    if names:
        query = query.where(series.c.name.in_(names))
    if behind is not None:
        query = query.where(tuple_(series.c.name, series.c.phase) > tuple_(*behind))
    return tx.execute(query.order_by(series.c.model_id, series.c.name, series.c.phase).limit(first(limit))).all()
