"""What hangs on one version, or on an artifact, page by page: a row of a version has the first of it alone."""

from typing import Any

from sqlalchemy import Row, select

from xpstore_server.core import artifact
from xpstore_server.core.artifact import named, version
from xpstore_server.core.paging import Key, Page, fetch
from xpstore_server.core.versions.details import LINK_IS_SEEN
from xpstore_server.store import tables
from xpstore_server.store.transaction import Transaction

_alias, _link, _lineage = tables.artifact_alias, tables.artifact_link, tables.artifact_lineage


def list_aliases(tx: Transaction, artifact_id: str, page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the aliases of an artifact, each with the version it points to, and that one's number."""
    artifact.get_artifact(tx, artifact_id=artifact_id)
    number = select(version.c.version).where(version.c.id == _alias.c.version_id).correlate(_alias)
    query = select(_alias.c.alias, _alias.c.version_id, number.scalar_subquery().label("version"))
    return fetch(tx, query.where(_alias.c.artifact_id == artifact_id), [_alias.c.alias], page)


def list_links(tx: Transaction, version_id: str, page: Page) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the links of a version, oldest first."""
    artifact.ensure_live(tx, version_id)
    mine = select(_link).where(_link.c.version_id == version_id, LINK_IS_SEEN)
    return fetch(tx, mine, [_link.c.created_at_us, _link.c.id], page)


def list_lineage(
    tx: Transaction, version_id: str, page: Page, *, is_of_users: bool
) -> tuple[list[Row[Any]], Key | None]:
    """Returns a page of the live versions that a version was made from, or of those made from it, by id."""
    artifact.ensure_live(tx, version_id)
    mine, other = _lineage.c.version_id, _lineage.c.used_version_id
    if is_of_users:
        mine, other = other, mine
    query = (
        select(other.label("id"), named.c.name, named.c.type, version.c.version, other)
        .select_from(_lineage)
        .join(version, version.c.id == other)
        .join(named, named.c.id == version.c.artifact_id)
        .where(mine == version_id, version.c.state == "live")
    )
    return fetch(tx, query, [other], page)
