"""Attributes of configs and modules, as rows that search finds models by."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select, tuple_

from xpstore_server.store import tables
from xpstore_server.store.attributes import flatten
from xpstore_server.store.tables import attribute
from xpstore_server.store.transaction import Transaction

# From the few that are seen: a model may have thousands of modules of one name.
_seen = select(tables.module.c.id).join(attribute, attribute.c.module_id == tables.module.c.id)
_seen = _seen.where(attribute.c.model_id.in_(bindparam("keys", expanding=True)))
_is_named = tuple_(tables.module.c.model_id, tables.module.c.name).in_(bindparam("names", expanding=True))
_FORGET = attribute.delete().where(attribute.c.module_id.in_(_seen.where(_is_named).correlate(None)))
_PROJECTS = select(tables.model.c.id, tables.model.c.project_uid).where(
    tables.model.c.id.in_(bindparam("keys", expanding=True))
)


def show_config(tx: Transaction, *, model_id: str, project_uid: str, config_json: str) -> None:
    """Lets search see the config of a new model."""
    of = {"model_id": model_id, "project_uid": project_uid, "module_id": None}
    tx.insert(attribute, *({**of, **row} for row in flatten(config_json, "config")))


def show_modules(tx: Transaction, modules: Sequence[Mapping[str, Any]]) -> None:
    """Lets search see modules of models. No other of the same model and name may be seen."""
    models = {module["model_id"] for module in modules}
    project_uids = {row.id: row.project_uid for row in tx.execute(_PROJECTS, {"keys": sorted(models)})}
    rows = [
        {**row, "model_id": model_id, "project_uid": project_uids[model_id], "module_id": module["id"]}
        for module in modules
        for model_id in [module["model_id"]]
        for row in flatten(module["attributes_json"], "modules", module["name"])
    ]
    tx.insert(attribute, *rows)


def forget_modules(tx: Transaction, names: Sequence[tuple[str, str]]) -> None:
    """Hides from search all modules of these models and names."""
    tx.execute(_FORGET, {"keys": sorted({model_id for model_id, _ in names}), "names": names})
