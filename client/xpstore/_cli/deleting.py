"""Deleting, and bringing back: `rm`, `trash` and `undelete`."""

import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

import typer

from xpstore._artifacts.versions import list_versions
from xpstore._cli.arguments import AsCSV, AsJSON, ProjectId
from xpstore._cli.contents import has_several_versions
from xpstore._cli.finding import (
    as_id,
    find_artifact,
    find_experiment,
    find_project,
    model_in,
    split_reference,
)
from xpstore._cli.printing import fail, print_json, print_rows, print_text
from xpstore._cli.service import ask, use
from xpstore._session.server_version import check_columns
from xpstore._values.meant import meant
from xpstore._values.times import to_datetime
from xpstore.artifact import Artifact
from xpstore.errors import InvalidArgument, NotFound
from xpstore.format.text import printable
from xpstore.project import Project, get_all_projects
from xpstore.v1 import artifact_pb2 as pb

_COLUMNS = ("kind", "name", "version", "deleted_at", "id")


def rm(
    project: ProjectId,
    name: Annotated[str | None, typer.Argument(metavar="NAME[@VERSION]", help="An artifact in it.")] = None,
    all_versions: Annotated[bool, typer.Option("--all-versions", help="Delete all versions of it.")] = False,
    experiment: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Delete this experiment; with --model, where that is."),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Delete this model: its id, hash or name.")] = None,
    whole_project: Annotated[bool, typer.Option("--project", help="Delete the project.")] = False,
    is_sure: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Delete a version of an artifact, all its versions, an experiment, a model, or with --project a project.

    It asks first at a terminal. Anywhere else --yes must say that it is meant.
    """
    if sum((name is not None, experiment is not None or model is not None, whole_project)) != 1:
        raise typer.BadParameter(
            "name an artifact, or give --experiment or --model, or --project to delete the whole project"
        )
    if not is_sure and not _can_ask():
        raise typer.BadParameter("nobody can be asked here: --yes says that it is meant")
    use()
    found = find_project(project)
    if name is not None:
        return _rm_artifact(found, name, all_versions, is_sure, as_json)
    what: dict[str, Any] = {"project": found.id}
    if model is not None:
        chosen = model_in(found, model, experiment)
        what |= {"model": chosen.display_name, "id": chosen.id}
        _ask(f"Delete the model {chosen.display_name} ({chosen.id}) with its metrics and runs?", is_sure, found)
        chosen.delete()
    elif experiment is not None:
        one = find_experiment(found, experiment)
        what |= {"experiment": one.name, "id": one.id}
        _ask(f"Delete the experiment {one.name!r} with its {one.model_count:,} models?", is_sure, found)
        found.experiments.delete(one.id)
    else:
        told = found.statistics()
        what["uid"] = found.uid
        held = f"{told.models:,} models and {told.versions:,} versions of artifacts"
        _ask(f"Delete the project {found.id!r} with {held}?", is_sure, found)
        found.delete()
    _print_deleted(what, as_json)


def _rm_artifact(project: Project, reference: str, all_versions: bool, is_sure: bool, as_json: bool) -> None:
    artifact = find_artifact(project, reference)
    if not all_versions and not split_reference(reference)[1] and has_several_versions(artifact):
        raise typer.BadParameter(
            f"it has several versions: name one, such as {reference}@{artifact.version}, or --all-versions"
        )
    of = "all versions" if all_versions else f"version {artifact.version}"
    _ask(f"Delete {of} of {artifact.name!r}?", is_sure, project)
    artifact.delete(all_versions=all_versions)
    version = None if all_versions else artifact.version
    _print_deleted({"project": project.id, "name": artifact.name, "version": version}, as_json)


def _can_ask() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()


def _ask(question: str, is_sure: bool, project: Project) -> None:
    """Asks whoever sits at the terminal, and ends the command if the answer is no.

    Args:
        question: about what.
        is_sure: whether the answer is known already.
        project: tells how long what is deleted is kept.
    """
    if is_sure:
        return
    kept = timedelta(microseconds=project._client.limits.undo_kept_us)
    kept_for = str(kept).removesuffix(", 0:00:00")
    if not typer.confirm(f"{printable(question)} `xpstore undelete` brings it back for {kept_for}.", err=True):
        fail("nothing was deleted")


def _print_deleted(what: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json({"deleted": what})
    print_text("Deleted " + " ".join(f"{key}={value}" for key, value in what.items() if value is not None))


def trash(
    project: Annotated[str | None, typer.Argument(metavar="PROJECT", help="Its id: what was deleted in it.")] = None,
    as_json: AsJSON = False,
    as_csv: AsCSV = False,
) -> None:
    """List what was deleted and can be brought back: projects, or experiments, models and versions in one."""
    ask()
    rows = _deleted_projects() if project is None else deleted_in(find_project(project))
    columns = [column for column in _COLUMNS if project is not None or column != "version"]
    print_rows(columns, rows, as_json, as_csv)


def _deleted_projects() -> list[dict[str, Any]]:
    return [
        {"kind": "project", "name": one.id, "deleted_at": one.deleted_at, "id": one.uid}
        for one in get_all_projects(deleted=True)
    ]


def deleted_in(project: Project) -> list[dict[str, Any]]:
    """What was deleted in a project."""
    experiments = [
        {"kind": "experiment", "name": one.name, "deleted_at": one.deleted_at, "id": one.id}
        for one in project.experiments.deleted()
    ]
    models = [
        {"kind": "model", "name": one.display_name, "deleted_at": one.deleted_at, "id": one.id}
        for one in project.models.deleted()
    ]
    return [*experiments, *models, *(_version_row(wire) for wire in _deleted_versions(project))]


def _deleted_versions(project: Project) -> list[pb.ArtifactVersion]:
    check_columns(project._client)
    request = pb.ListArtifactVersionsRequest(project_uid=project.uid, deleted=True)
    return list(list_versions(project._client, request))


def _version_row(wire: pb.ArtifactVersion) -> dict[str, Any]:
    deleted_at = to_datetime(wire.deleted_at_us) if wire.HasField("deleted_at_us") else None
    return {"kind": "version", "name": wire.name, "version": wire.version, "deleted_at": deleted_at, "id": wire.id}


def undelete(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="Its id; of one that was deleted also its uid.")],
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME@VERSION", help="A version of an artifact in it; or the id of one."),
    ] = None,
    experiment: Annotated[str | None, typer.Option(metavar="NAME", help="An experiment in it: its name or id.")] = None,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="A model in it: its id, hash or name.")] = None,
    as_json: AsJSON = False,
) -> None:
    """Bring back a deleted project, experiment, model, or version of an artifact."""
    if sum(one is not None for one in (name, experiment, model)) > 1:
        raise typer.BadParameter("name a version, or give --experiment or --model: one of them")
    use()
    if experiment is not None:
        found = find_project(project)
        names = {str(one.id): (one.name,) for one in found.experiments.deleted()}
        back = found.experiments.undelete(_chosen("experiment", experiment, names))
        return _print_restored({"project": found.id, "experiment": back.name, "id": back.id}, as_json)
    if model is not None:
        found = find_project(project)
        models = {str(one.id): one for one in found.models.deleted()}
        one = models[_chosen("model", model, {id_: (one.display_name, one.hash) for id_, one in models.items()})]
        one.undelete()
        return _print_restored({"project": found.id, "model": one.display_name, "id": one.id}, as_json)
    if name is not None:
        found = find_project(project)
        version = _deleted_version(found, name)
        version.undelete()
        return _print_restored({"project": found.id, "name": version.name, "version": version.version}, as_json)
    deleted = get_all_projects(deleted=True)
    matching = [one for one in deleted if project in (one.uid, one.id)]
    if not matching:
        raise NotFound(f"No project {project!r} was deleted: {meant(project, (one.id for one in deleted))}")
    if len(matching) > 1:
        uids = ", ".join(f"{one.uid} (deleted {one.deleted_at:%Y-%m-%d %H:%M})" for one in matching)
        raise InvalidArgument(f"PROJECT = {project!r}: several were deleted, name one by its uid: {uids}")
    restored = Project.undelete(matching[0].uid)
    _print_restored({"project": restored.id, "uid": restored.uid}, as_json)


def _chosen(kind: str, word: str, deleted: Mapping[str, tuple[str, ...]]) -> str:
    """The id of what was deleted and is meant by its id or one of its names.

    Raises:
        InvalidArgument: several are.
        NotFound: none is.
    """
    if word in deleted:
        return word
    matching = [id_ for id_, names in deleted.items() if word in names]
    if len(matching) > 1:
        raise InvalidArgument(f"{word!r}: several were deleted, name one by its id: {', '.join(matching)}")
    if not matching:
        known = meant(word, (name for names in deleted.values() for name in names))
        raise NotFound(f"No {kind} {word!r} was deleted in this project: {known}")
    return matching[0]


def _deleted_version(project: Project, word: str) -> Artifact:
    deleted = _deleted_versions(project)
    name, selector = split_reference(word)
    for wire in deleted:
        is_named = wire.name == name and selector.removeprefix("v") == str(wire.version)
        if is_named or (as_id(word) is not None and wire.id == word):
            return Artifact._from_wire(wire, project._client, project)
    known = meant(word, (f"{wire.name}@{wire.version}" for wire in deleted))
    raise NotFound(f"No version {word!r} was deleted in project {project.id!r}: {known}")


def _print_restored(what: dict[str, Any], as_json: bool) -> None:
    if as_json:
        return print_json({"restored": what})
    print_text("Brought back " + " ".join(f"{key}={value}" for key, value in what.items()))
