"""The rows of deleted models go, and nothing else."""

from sqlalchemy import insert, select

from support.operation.many_models import many_models
from support.stores import NOW, Store
from xpstore_server.core import experiment
from xpstore_server.store import tables


def test_model_whose_id_comes_back_while_the_old_one_goes_stays(store: Store) -> None:
    """A purge goes through many transactions: what it saw in the first is another model's by the second."""
    id_, kept = many_models(store, 1), many_models(store, 1, "kept")
    old = select(tables.model).where(tables.model.c.experiment_id == id_)
    row = store.database.read(lambda tx: tx.execute(old).one())
    again = {**row._mapping, "experiment_id": kept}
    store.database.write(lambda tx: experiment.delete(tx, "me", id_))
    is_back = list[bool]()

    def look() -> bool:
        there = select(tables.model.c.id).where(tables.model.c.id == row.id)
        if not is_back and store.database.read(lambda tx: tx.execute(there).first()) is None:
            store.database.write(lambda tx: tx.execute(insert(tables.model), [again]))
            is_back.append(True)
        return False

    store.collector.collect(NOW, is_stopped=look)
    assert is_back == [True]
    mine = select(tables.model.c.experiment_id).where(tables.model.c.id == row.id)
    assert store.database.read(lambda tx: tx.execute(mine).scalar()) == kept
