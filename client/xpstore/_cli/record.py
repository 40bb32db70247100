"""`xpstore log` and `xpstore tag`: what a shell has to say of a model."""

import json
from typing import Annotated, Any

import typer

import xpstore
from xpstore._cli.arguments import AsCSV, AsJSON, ExperimentName, ProjectId
from xpstore._cli.finding import find_project, model_in
from xpstore._cli.printing import print_rows
from xpstore._cli.service import ask, use

Pairs = list[str] | None


def log(
    project: ProjectId,
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Its name; it is made if there is none.")],
    hash: Annotated[
        str | None, typer.Option(metavar="HASH", help="Which model; default that of the config, else a new one.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What a new model is called.")] = None,
    config: Annotated[
        Pairs, typer.Option(metavar="NAME=VALUE", help="What a new model is made with; may be given more than once.")
    ] = None,
    metric: Annotated[
        Pairs, typer.Option(metavar="NAME=VALUE", help="A point to log; may be given more than once.")
    ] = None,
    step: Annotated[int | None, typer.Option(min=0, help="The training step of the points.")] = None,
    phase: Annotated[str | None, typer.Option(help="The phase of the points, such as test.")] = None,
    tag: Annotated[Pairs, typer.Option(metavar="TAG", help="A tag of the model; may be given more than once.")] = None,
    as_json: AsJSON = False,
    as_csv: AsCSV = False,
) -> None:
    """Log points of a model, making project, experiment and model if there are none, and print which model it is.

    Values are JSON, else text. When the command has ended the server has them.
    """
    made_with = pairs_of("--config", config)
    points = pairs_of("--metric", metric)
    client = xpstore.init()
    one = client.project(project).experiment(experiment).model(hash, name, config=made_with or None, tags=tag or ())
    if points:
        one.metrics.log_many(points, step, phase)
    if tag:
        one.tags.add(*tag)
    client.flush()
    row = {"id": one.id, "hash": one.hash, "name": one.display_name}
    print_rows(("name", "id", "hash"), [row], as_json, as_csv, is_one=True)


def pairs_of(option: str, words: Pairs) -> dict[str, Any]:
    """Names and values of words like NAME=VALUE; values are JSON, else text.

    Raises:
        BadParameter: a word is not like that, or a name is given twice.
    """
    pairs = dict[str, Any]()
    for word in words or ():
        name, separator, text = word.partition("=")
        if not separator or not name:
            raise typer.BadParameter(f"{word!r} is not like NAME=VALUE", param_hint=option)
        if name in pairs:
            raise typer.BadParameter(f"{name!r} is given twice", param_hint=option)
        pairs[name] = to_value(text)
    return pairs


def to_value(text: str) -> Any:
    """The value of JSON, else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def tag(
    project: ProjectId,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Its id, hash or name.")],
    tags: Annotated[list[str] | None, typer.Argument(metavar="TAG", help="Tags to add; none: list them.")] = None,
    remove: Annotated[
        Pairs, typer.Option(metavar="TAG", help="Take this tag away; may be given more than once.")
    ] = None,
    experiment: ExperimentName = None,
    as_json: AsJSON = False,
    as_csv: AsCSV = False,
) -> None:
    """Add tags to a model, take them away, and list those it has."""
    if both := {*(tags or ())} & {*(remove or ())}:
        raise typer.BadParameter(f"{sorted(both)[0]!r} is to be added and to be removed")
    client = use() if tags or remove else ask()
    found = model_in(find_project(project), model, experiment)
    if tags:
        found.tags.add(*tags)
    if remove:
        found.tags.remove(*remove)
    if tags or remove:
        client.flush()
    print_rows(("tag",), [{"tag": one} for one in found.tags.list()], as_json, as_csv)
