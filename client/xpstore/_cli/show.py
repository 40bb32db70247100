"""`xpstore show` and `xpstore diff`: one thing as a whole, and how two differ."""

import shutil
from datetime import timedelta
from typing import Annotated, Any

import typer

from xpstore._cli.arguments import AsCSV, AsJSON, ExperimentName, ModelInProject
from xpstore._cli.drawing import picture
from xpstore._cli.finding import find_artifact, find_model, find_model_or_project, find_project, model_in
from xpstore._cli.printing import print_facts, print_json, print_rows, print_table, print_text
from xpstore._cli.service import ask
from xpstore._cli.told import (
    alert_rows,
    config_of,
    curves_of,
    differing,
    media_rows,
    metric_rows,
    place_of,
    run_row,
    version_rows,
    with_sparks,
)
from xpstore._values.meant import meant
from xpstore.artifact import Artifact
from xpstore.errors import InvalidArgument
from xpstore.model import Model
from xpstore.project import Project

# Parts and lines of a picture.
PARTS, LINES = 400, 12
# Versions and alerts that are shown of a model.
MOST_VERSIONS, MOST_ALERTS = 20, 10

Plots = Annotated[
    list[str] | None, typer.Option("--plot", metavar="METRIC", help="Draw this metric; may be given more than once.")
]


def show(
    what: Annotated[str, typer.Argument(metavar="PROJECT|MODEL", help="A project's id, or a model's.")],
    model: ModelInProject = None,
    experiment: ExperimentName = None,
    plot: Plots = None,
    as_json: AsJSON = False,
) -> None:
    """Show a project, or a model: its config, metrics, runs with the traceback of a failed one, and files."""
    ask()
    found = find_model_or_project(what, model, experiment)
    if isinstance(found, Project):
        return _show_project(found, as_json)
    _show_model(found, plot or [], as_json)


def _show_project(project: Project, as_json: bool) -> None:
    told = project.statistics()
    facts = {
        "id": project.id,
        "name": project.name,
        "description": project._wire.description,
        "tags": list(project._wire.tags),
        "created_at": project.created_at,
        "experiments": told.experiments,
        "models": told.models,
        "running_models": told.running_models,
        "artifacts": told.artifacts,
        "versions": told.versions,
        "stored_bytes": told.stored_bytes,
        "uid": project.uid,
    }
    rows = [
        {"experiment": one.name, "models": one.model_count, "created_at": one.created_at, "id": one.id}
        for one in project.experiments.list()
    ]
    if as_json:
        return print_json({**facts, "experiments": rows})
    print_facts(_said(facts))
    _section(rows, ("experiment", "models", "created_at", "id"))


def _show_model(model: Model, plots: list[str], as_json: bool) -> None:
    place, rows, wire = place_of(model), metric_rows(model), model._read()
    facts = {
        "name": model.display_name,
        "status": model.status,
        "project": place.project,
        "experiment": place.experiment,
        "step": wire.step,
        "tags": list(wire.tags),
        "description": model.description,
        "created_at": model.created_at,
        "id": model.id,
        "hash": model.hash,
    }
    runs = [run_row(run) for run in model.runs]
    if as_json:
        more = {"config": model.config, "metrics": rows, "runs": runs, "versions": version_rows(model)}
        more |= {"media": media_rows(model), "alerts": alert_rows(model)}
        return print_json({**facts, "name": model.name, "display_name": model.display_name, **more})
    _check_plots(plots, rows)
    print_facts(_said(facts))
    _section(
        [{"config": name, "value": _exact(value)} for name, value in config_of(model).items()], ("config", "value")
    )
    columns = ("metric", "last", "last_step", "min", "min_step", "max", "max_step", "points", "line")
    _section(with_sparks(model, rows), columns)
    for curve in curves_of(model, plots, PARTS).values() if plots else ():
        if curve.has_numbers:
            width = min(shutil.get_terminal_size().columns, 100)
            print_text("\n".join(["", curve.label, *picture(curve, width, LINES)]))
    _show_runs(runs)
    _section(alert_rows(model, MOST_ALERTS), ("level", "title", "at", "step", "cause"))
    _section(media_rows(model), ("media", "kind", "count", "first_step", "last_step"))
    _section(version_rows(model, MOST_VERSIONS), ("name", "version", "type", "size_bytes", "files", "id"))


def _show_runs(runs: list[dict[str, Any]]) -> None:
    rows = [{**run, "run": run["status"], "took": _took(run["seconds"])} for run in runs]
    _section(rows, ("run", "started_at", "took", "host", "user", "git_commit", "command", "id"))
    for run in runs:
        if run["error"]:
            print_text(f"\nrun {run['id']} failed:\n{run['error'].rstrip()}")


def _took(seconds: float | None) -> str | None:
    return None if seconds is None else str(timedelta(seconds=round(seconds)))


def _exact(value: Any) -> Any:
    """A number with all its digits: rounded, two that differ may look alike."""
    return repr(value) if isinstance(value, float) else value


def _check_plots(plots: list[str], rows: list[dict[str, Any]]) -> None:
    names = {row["name"] for row in rows}
    for name in plots:
        if name not in names:
            raise InvalidArgument(f"the model has no metric {name!r}: {meant(name, sorted(names))}")


def _said(facts: dict[str, Any]) -> dict[str, Any]:
    """What there is something to say of."""
    return {name: value for name, value in facts.items() if value not in (None, "", [])}


def _section(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    if rows:
        print_text("")
        print_table(columns, [[row[column] for column in columns] for row in rows])


def diff(
    first: Annotated[
        str, typer.Argument(metavar="PROJECT|MODEL", help="The project that both are in; or a model's id.")
    ],
    second: Annotated[str, typer.Argument(metavar="A", help="A model; or a version, as NAME@1.")],
    third: Annotated[
        str | None,
        typer.Argument(metavar="B", help="The other: a model, or NAME@2."),
    ] = None,
    experiment: ExperimentName = None,
    everything: Annotated[bool, typer.Option("--all", help="Print what is equal too.")] = False,
    as_json: AsJSON = False,
    as_csv: AsCSV = False,
) -> None:
    """Say how two models differ in config and metrics, or two versions of artifacts (NAME@1 NAME@2) in files."""
    ask()
    if third is not None and "@" in second + third:
        project = find_project(first)
        versions = find_artifact(project, second), find_artifact(project, third)
        rows = _changed_files(*versions, everything=everything)
        return print_rows(("change", "path", "size_bytes", "was_bytes"), rows, as_json, as_csv)
    if third is None:
        models = find_model(first), find_model(second)
    else:
        project = find_project(first)
        models = model_in(project, second, experiment), model_in(project, third, experiment)
    told = [_told_of(model) for model in models]
    differ = {name for name, _, _ in differing(*told)}
    names = [name for name in dict.fromkeys([*told[0], *told[1]]) if everything or name in differ]
    rows = [{"what": name, "a": told[0].get(name), "b": told[1].get(name)} for name in names]
    if not as_json:
        rows = [{name: _exact(value) for name, value in row.items()} for row in rows]
    print_rows(("what", "a", "b"), rows, as_json, as_csv)


def _told_of(model: Model) -> dict[str, Any]:
    config = {f"config.{name}": value for name, value in config_of(model).items()}
    metrics = {f"{row['metric']} {of}": row[of] for row in metric_rows(model) for of in ("last", "min", "max")}
    return {"name": model.display_name, "status": model.status, "step": model._wire.step, **config, **metrics}


def _changed_files(one: Artifact, other: Artifact, *, everything: bool) -> list[dict[str, Any]]:
    was, now = ({file.path: file for file in version.files()} for version in (one, other))
    rows = list[dict[str, Any]]()
    for path in sorted({*was, *now}):
        before, after = was.get(path), now.get(path)
        if before is None or after is None:
            change = "added" if before is None else "removed"
        elif (before.digest, before.executable) == (after.digest, after.executable):
            change = "same"
        else:
            change = "changed"
        if change != "same" or everything:
            sizes = {"size_bytes": after and after.size_bytes, "was_bytes": before and before.size_bytes}
            rows.append({"change": change, "path": path, **sizes})
    return rows
