"""What is said to commands: arguments that many of them take, and the words of a call."""

import ast
import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer


def _alone(context: typer.Context, is_asked: bool) -> bool:
    """Refuses two forms before anything is done: whichever is read last sees the other."""
    if is_asked and (context.params.get("as_json") or context.params.get("as_csv")):
        raise typer.BadParameter("give --json or --csv, not both")
    return is_asked


AsJSON = Annotated[bool, typer.Option("--json", callback=_alone, help="Print JSON.")]
AsCSV = Annotated[bool, typer.Option("--csv", callback=_alone, help="Print CSV, a line of names first.")]
Discard = Annotated[bool, typer.Option(help="Let go of artifacts that the server does not take.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The artifact's name.")]
ExperimentName = Annotated[str | None, typer.Option("--experiment", metavar="NAME", help="Only this experiment.")]
ProjectId = Annotated[str, typer.Argument(metavar="PROJECT", help="The project's id.")]
ModelInProject = Annotated[
    str | None,
    typer.Argument(metavar="MODEL", help="In that project: a model's id, hash or name."),
]
Reference = Annotated[
    str,
    typer.Argument(
        metavar="NAME[@VERSION|@ALIAS]",
        help="An artifact, the newest version by default. A name with @ in it ends with @.",
    ),
]

_KEYWORD = re.compile(r"([^\W\d]\w*)=(.*)", re.DOTALL)


def to_call(words: Sequence[str]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call: literals of Python, else text; `name=value` is one by keyword.

    Raises:
        BadParameter: a word reads like an option that there is not.
    """
    positional, by_keyword = list[Any](), dict[str, Any]()
    for word in words:
        if found := _KEYWORD.fullmatch(word):
            by_keyword[found[1]] = _value(found[2])
        elif word.startswith("-") and isinstance(_value(word), str):
            raise typer.BadParameter(
                f"there is no option {word}; a text like that needs quotes of its own: '\"{word}\"'"
            )
        else:
            positional.append(_value(word))
    return positional, by_keyword


def _value(word: str) -> Any:
    try:
        return ast.literal_eval(word.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # what it raises for text
        return word
