"""Attributes of configs and modules, as rows that search finds models by."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import BindParameter, bindparam, exists, select, tuple_

from xpstore_server.store import tables
from xpstore_server.store.attributes import Row, flatten, path_of
from xpstore_server.store.tables import attribute
from xpstore_server.store.transaction import Transaction

_MODULES = "modules"
# From the few that are seen: a model may have thousands of modules of one name.
_KEYS: BindParameter[str] = bindparam("keys", expanding=True)
_seen = select(tables.module.c.id).join(attribute, attribute.c.module_id == tables.module.c.id)
_seen = _seen.where(attribute.c.model_id.in_(_KEYS))
_is_named = tuple_(tables.module.c.model_id, tables.module.c.name).in_(bindparam("names", expanding=True))
_FORGET = attribute.delete().where(attribute.c.module_id.in_(_seen.where(_is_named).correlate(None)))

# Between these are the paths of all modules: "/" comes next to ".".
_of_modules = (attribute.c.path > path_of(_MODULES, ""), attribute.c.path < _MODULES + "/")
_SHOWING = select(tables.model.c.id).where(
    tables.model.c.id.in_(_KEYS), exists().where(attribute.c.model_id == tables.model.c.id, *_of_modules)
)


class Shown(NamedTuple):
    """An attribute of a model for search: of its config or, with an id, of a module."""

    model_id: str
    module_id: str | None
    row: Row


def show(tx: Transaction, project_uid: str, shown: Iterable[Shown]) -> None:
    """Lets search see attributes of models of a project, none of which it has yet."""
    rows = []
    project_key = tx.as_key(project_uid)
    for model_id, module_id, (path, *value) in shown:
        rows.append((tx.as_key(model_id), path, project_key, module_id and tx.as_key(module_id), *value))
    tx.insert_many(attribute, rows)


def of_config(model_id: str, config_json: str) -> Iterator[Shown]:
    """The attributes of the config of a model."""
    return (Shown(model_id, None, row) for row in flatten(config_json, "config"))


def of_module(model_id: str, module_id: str, name: str, attributes_json: str) -> Iterator[Shown]:
    """The attributes of a module of a model. Search sees one module of each name."""
    return (Shown(model_id, module_id, row) for row in flatten(attributes_json, _MODULES, name))


def forget_modules(tx: Transaction, names: Sequence[tuple[str, str]]) -> None:
    """Hides from search all modules of these models and names."""
    ids = {model_id for model_id, _ in names}
    # Most have just been made. To look for their modules by name takes several times as long.
    showing = set(tx.execute(_SHOWING, {"keys": sorted(ids)}).scalars())
    if old := [name for name in names if name[0] in showing]:
        tx.execute(_FORGET, {"keys": sorted(showing), "names": old})
