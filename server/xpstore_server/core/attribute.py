"""Attributes of configs and modules, as rows that search finds models by."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, Select, bindparam, select

from xpstore_server.store import tables
from xpstore_server.store.attributes import flatten
from xpstore_server.store.database import Transaction
from xpstore_server.store.tables import attribute

_PROJECT = select(tables.model.c.project_uid).where(tables.model.c.id == bindparam("key"))


def show_config(tx: Transaction, *, model_id: str, project_uid: str, config_json: str) -> None:
    """Lets search see the config of a new model."""
    of = {"model_id": model_id, "project_uid": project_uid, "module_id": None}
    tx.insert(attribute, *({**of, **row} for row in flatten(config_json, "config")))


def show_module(tx: Transaction, module: Row[Any]) -> None:
    """Lets search see a module of a model. No other of its name may be seen."""
    project_uid = tx.execute(_PROJECT, {"key": module.model_id}).scalar_one()
    of = {"model_id": module.model_id, "project_uid": project_uid, "module_id": module.id}
    tx.insert(attribute, *({**of, **row} for row in flatten(module.attributes_json, "modules", module.name)))


def forget_modules(tx: Transaction, ids: Select[Any], values: Mapping[str, Any]) -> None:
    """Hides modules from search: those whose ids a query with these values gives."""
    tx.execute(attribute.delete().where(attribute.c.module_id.in_(ids)), values)
