"""What a purge and a sweep would do, without doing it."""

from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, exists, func, or_, select

from xpstore_server.store.limbo import HIDDEN, LIMBO
from xpstore_server.store.purge import due_projects, due_versions, is_due, is_purged
from xpstore_server.store.sweep import Ends, Swept, is_trash
from xpstore_server.store.tables import (
    IS_MEDIA,
    artifact,
    artifact_link,
    artifact_pack,
    artifact_version,
    deleted_experiment,
    deleted_model,
    experiment,
    model,
    pack,
    pack_pending,
    project,
)
from xpstore_server.store.transaction import Transaction

version = artifact_version


def preview(tx: Transaction, ends: Ends) -> Swept:
    """Counts what is due; as freed also what would become trash, and go a while later."""
    is_gone = or_(due_versions(ends), is_purged(version), _is_of_dying_model(ends))
    versions = select(func.count()).select_from(version).where(is_gone, ~_in_dying_project(version, ends))
    is_dying = or_(due_projects(ends), is_purged(project))
    projects = select(func.count()).select_from(project).where(is_dying, project.c.uid.not_in(HIDDEN))
    experiments, models = (
        select(func.count()).select_from(notes).where(is_due(notes, ends), ~_in_dying_project(notes, ends))
        for notes in (deleted_experiment, deleted_model)
    )
    is_old = pack.c.touched_at_us <= ends.condemn_us
    condemned = _sum(tx, pack, [is_old, ~has_edge(~dying_versions(ends))])
    given_up = and_(pack_pending.c.state == "writing", pack_pending.c.created_at_us <= ends.abandon_us)
    trash = _sum(tx, pack_pending, [or_(is_trash, given_up)])
    return Swept(
        purged_versions=tx.execute(versions).scalar_one(),
        purged_projects=tx.execute(projects).scalar_one(),
        purged_experiments=tx.execute(experiments).scalar_one(),
        purged_models=tx.execute(models).scalar_one(),
        condemned_packs=condemned[0],
        removed_objects=condemned[0] + trash[0],
        freed_bytes=condemned[1] + trash[1],
    )


def dying_versions(ends: Ends) -> ColumnElement[bool]:
    """Which versions would be gone."""
    is_abandoned = and_(version.c.state == "committing", version.c.created_at_us <= ends.abandon_us)
    return or_(
        due_versions(ends), is_purged(version), is_abandoned, _in_dying_project(version, ends), _is_of_dying_model(ends)
    )


def has_edge(of: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a pack has an edge from one of these versions."""
    edges = select(artifact_pack.c.pack_id).join(version, version.c.id == artifact_pack.c.version_id)
    return exists(edges.where(artifact_pack.c.pack_id == pack.c.id, of).correlate(pack))


def _is_of_dying_model(ends: Ends) -> ColumnElement[bool]:
    """Whether a version is a medium of a model that would be gone, with its experiment or by itself."""
    models = select(deleted_model.c.model_id).where(is_due(deleted_model, ends))
    experiments = select(deleted_experiment.c.experiment_id).where(is_due(deleted_experiment, ends))
    in_limbo = select(experiment.c.id).where(experiment.c.project_uid == LIMBO)
    is_dying = or_(model.c.id.in_(models), model.c.experiment_id.in_(experiments), model.c.experiment_id.in_(in_limbo))
    is_its_name = (artifact.c.id == version.c.artifact_id, IS_MEDIA)
    link = artifact_link.c
    return exists().where(*is_its_name, link.version_id == version.c.id, model.c.id == link.model_id, is_dying)


def _in_dying_project(table: Table, ends: Ends) -> ColumnElement[bool]:
    is_dying = or_(due_projects(ends), is_purged(project))
    return exists().where(project.c.uid == table.c.project_uid, is_dying)


def _sum(tx: Transaction, table: Table, which: list[ColumnElement[bool]]) -> tuple[int, int]:
    columns = (func.count().label("objects"), func.coalesce(func.sum(table.c.size_bytes), 0).label("size_bytes"))
    row: Row[Any] = tx.execute(select(*columns).select_from(table).where(*which)).one()
    return int(row.objects), int(row.size_bytes)
