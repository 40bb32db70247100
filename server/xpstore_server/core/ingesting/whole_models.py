"""Models made with their first modules and points: as few statements for a hundred of them as for one."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from sqlalchemy import Row

from xpstore_server.core import attribute, experiment, limits, model, module
from xpstore_server.core.attribute import Shown
from xpstore_server.core.errors import Conflict, renamed, shown
from xpstore_server.core.metrics import appending
from xpstore_server.core.metrics.metric import SeriesPart
from xpstore_server.core.model import NewModel
from xpstore_server.core.module import NewModule
from xpstore_server.core.paging import weigh
from xpstore_server.store import tables
from xpstore_server.store.batches import batches
from xpstore_server.store.transaction import Transaction

# Rows of one transaction: some tens of milliseconds of SQLite's only writer.
ROWS = 2_400
# Models that were there and are read at once: each may have 2 MiB.
FOUND = 16


@dataclass(frozen=True, slots=True)
class WholeModel:
    """A model to create, with what is recorded of it at once. What search shall know of it is read beforehand.

    Attributes:
        path: where in the request it is.
    """

    path: str
    model: NewModel
    modules: Sequence[NewModule]
    parts: Sequence[SeriesPart]
    shown: list[Shown] = field(init=False)

    def __post_init__(self) -> None:
        id_ = self.model.id
        newest = {one.name: one for one in self.modules}.values()
        modules = (attribute.of_module(id_, one.id, one.name, one.attributes_json) for one in newest)
        shown = list(chain(attribute.of_config(id_, self.model.config_json), *modules))
        object.__setattr__(self, "shown", shown)

    @property
    def rows(self) -> int:
        """How many it takes."""
        return 1 + len(self.model.tags) + len(self.modules) + 2 * len(self.parts) + len(self.shown)

    def named(self) -> Callable[[str], str]:
        """Says where in the request a field of it is."""
        return lambda name: f"{self.path}.{name}"


def pieces(new: Sequence[WholeModel]) -> Iterator[Sequence[WholeModel]]:
    """Cuts models into what is stored at once: whole models, in their order."""
    start = rows = 0
    for place, one in enumerate(new):
        if place > start and rows + one.rows > ROWS:
            yield new[start:place]
            start, rows = place, 0
        rows += one.rows
    if start < len(new):
        yield new[start:]


def create(
    tx: Transaction, principal: str, new: Sequence[WholeModel], *, allow_existing: bool
) -> list[tuple[Row[Any], bool]]:
    """Makes models of one experiment or opens those of their hashes. Returns each, and whether its creation made it.

    Those behind are left out where the answer would be too heavy: whoever asks for them again finds them.

    Raises:
        InvalidArgument: one says that it was created later than it may.
        NotFound: the experiment is gone.
        AlreadyExists: a hash is taken and `allow_existing` is not set, or an id is of something else.
    """
    hold = experiment.hold_in_turn if len(new) > 1 else experiment.hold
    project_uid = hold(tx, new[0].model.experiment_id).project_uid
    now_us = tx.now_us()
    made, found, waiting = dict[str, Row[Any]](), dict[str, str](), new
    while waiting:  # again if one was deleted in between, and its place is free
        made |= _insert(tx, principal, project_uid, waiting, now_us)
        found |= model.find(tx, [one.model for one in waiting if one.model.id not in made])
        waiting = [one for one in waiting if one.model.id not in made and one.model.id not in found]
    for one in new:
        if not allow_existing and found.get(one.model.id, one.model.id) != one.model.id:
            with renamed(one.named()):
                raise model.is_taken(one.model)
    _store(tx, project_uid, [one for one in new if one.model.id in made], now_us)
    return _answers(tx, new, made, found)


def _insert(
    tx: Transaction, principal: str, project_uid: str, new: Sequence[WholeModel], now_us: int
) -> dict[str, Row[Any]]:
    """Inserts those whose ids and hashes are free, the first of each hash. Returns them by their ids."""
    rows, firsts = [], {one.model.hash: one for one in reversed(new)}.values()
    for one in firsts:
        points = sum(len(part.points) for part in one.parts)
        with renamed(one.named()):
            rows.append(model.row_of(one.model, project_uid, principal, now_us, points))
    # Sorted: the sums of models that a trigger keeps go by the last digits of ids, and two who lock these in different
    # orders deadlock.
    ids = tx.insert_new(tables.model, sorted(rows, key=lambda row: row["id"][-1]))
    both = [(row, one.model) for row, one in zip(rows, firsts, strict=True) if row["id"] in ids]
    return {row.id: row for row in model.as_made(both)}


def _store(tx: Transaction, project_uid: str, made: Sequence[WholeModel], now_us: int) -> None:
    """Stores what new models have. One that was there has had it since it was made."""
    model.create_tags(tx, [one.model for one in made])
    modules = [(one.model.id, each) for one in made for each in one.modules]
    if not module.create_first(tx, modules, now_us):
        _refuse_modules(tx, made)
    appending.create(tx, project_uid, {one.model.id: one.parts for one in made}, now_us)
    attribute.show(tx, project_uid, chain.from_iterable(one.shown for one in made))


def _refuse_modules(tx: Transaction, made: Sequence[WholeModel]) -> None:
    owners = module.there(tx, [each.id for one in made for each in one.modules])
    for one in made:
        for number, each in enumerate(one.modules):
            if owners[each.id] != one.model.id:
                with renamed(one.named()), renamed(f"modules[{number}].{{}}".format):
                    raise module.is_taken(each.id)


def _answers(
    tx: Transaction, new: Sequence[WholeModel], made: dict[str, Row[Any]], found: dict[str, str]
) -> list[tuple[Row[Any], bool]]:
    rows, weight = dict(made), 0
    for some in batches([found[one.model.id] for one in new if one.model.id in found], FOUND):
        rows |= model.read_many(tx, some)
        weight += sum(weigh(rows[id_]) for id_ in some if id_ in rows)
        if weight > limits.PAGE_BYTES:
            break
    answers = list[tuple[Row[Any], bool]]()
    for one in new:
        id_ = found.get(one.model.id, one.model.id)
        if id_ not in rows:
            break
        if one.model.id in found and id_ == one.model.id:
            with renamed(one.named()):
                model.check_same(rows[id_], one.model)
        answers.append((rows[id_], id_ == one.model.id))
    if not answers:
        raise Conflict(f"The model {shown(new[0].model.hash)!r} was purged at the same moment. Repeat the call.")
    return answers
