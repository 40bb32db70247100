"""Attributes of configs and modules, as rows that search finds models by."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, select, tuple_

from xpstore_server.store import tables
from xpstore_server.store.attributes import Row, flatten
from xpstore_server.store.tables import attribute
from xpstore_server.store.transaction import Transaction

# From the few that are seen: a model may have thousands of modules of one name.
_seen = select(tables.module.c.id).join(attribute, attribute.c.module_id == tables.module.c.id)
_seen = _seen.where(attribute.c.model_id.in_(bindparam("keys", expanding=True)))
_is_named = tuple_(tables.module.c.model_id, tables.module.c.name).in_(bindparam("names", expanding=True))
_FORGET = attribute.delete().where(attribute.c.module_id.in_(_seen.where(_is_named).correlate(None)))


class Shown(NamedTuple):
    """An attribute of a model for search: of its config or, with an id, of a module."""

    model_id: str
    module_id: str | None
    row: Row


def show(tx: Transaction, project_uid: str, shown: Iterable[Shown]) -> None:
    """Lets search see attributes of models of a project, none of which it has yet."""
    rows = []
    project_key = tx.as_key(project_uid)
    for model_id, module_id, row in shown:
        keys = (tx.as_key(model_id), row["path"], project_key, module_id and tx.as_key(module_id))
        rows.append((*keys, row["number"], row["text"], row["truth"]))
    tx.insert_many(attribute, rows)


def of_config(model_id: str, config_json: str) -> Iterator[Shown]:
    """The attributes of the config of a model."""
    return (Shown(model_id, None, row) for row in flatten(config_json, "config"))


def of_module(model_id: str, module_id: str, name: str, attributes_json: str) -> Iterator[Shown]:
    """The attributes of a module of a model. Search sees one module of each name."""
    return (Shown(model_id, module_id, row) for row in flatten(attributes_json, "modules", name))


def forget_modules(tx: Transaction, names: Sequence[tuple[str, str]]) -> None:
    """Hides from search all modules of these models and names."""
    tx.execute(_FORGET, {"keys": sorted({model_id for model_id, _ in names}), "names": names})
