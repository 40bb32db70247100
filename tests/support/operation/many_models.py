"""Many models at once, as rows."""

import uuid

from sqlalchemy import insert

from support.stores import Store
from xpstore_server.store import tables
from xpstore_server.store.transaction import Transaction

STAMPS = {"created_at_us": 1, "created_by": "me", "updated_at_us": 1, "updated_by": "me", "revision": 1}


def many_models(store: Store, count: int, name: str = "e") -> str:
    """An experiment with so many models, each with a tag, a run and a point."""
    id_ = str(uuid.uuid4())
    ids = [str(uuid.uuid4()) for _ in range(count)]
    owner = {"project_uid": store.pool, **STAMPS}
    fixed = {"experiment_id": id_, "step": 0, "config_json": "{}", "next_ordinal": 1, **owner}
    series = {"project_uid": store.pool, "name": "loss", "phase": "", "points": 1, "last_ordinal": 0, "small_blocks": 1}
    last = {"last_time_us": 1, "last_kind": "int", "last_text": "1"}

    def unit(tx: Transaction) -> None:
        tx.execute(insert(tables.experiment), [{"id": id_, "name": name, **owner}])
        tx.execute(insert(tables.model), [{"id": one, "hash": one, **fixed} for one in ids])
        tx.execute(insert(tables.model_tag), [{"model_id": one, "tag": "t", "position": 0} for one in ids])
        tx.execute(insert(tables.series), [{"id": one, "model_id": one, **series, **last} for one in ids])

    store.database.write(unit)
    return id_
