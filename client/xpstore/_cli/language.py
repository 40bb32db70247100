"""`xpstore help`: the help of a command, and the language of filters in short."""

from typing import Annotated

import typer

from xpstore._cli.printing import print_text
from xpstore._values.meant import meant

LANGUAGE = """\
Filters, such as: config.lr <= 0.01 and metrics.accuracy[test].max > 0.9

Fields
  name hash description created_by updated_by      texts
  step duration                                    numbers (seconds)
  status                                           'running' 'finished' 'failed' 'lost'
  created_at updated_at heartbeat_at               times: '2026-11-22', '2026-11-22T10:00:00+01:00'
  tags host git_commit                             texts; tags: one of them
  config.lr config.net.layers.0                    values of the config
  modules.optimizer.lr                             attributes of the newest module of a name
  metrics.loss[test].last .min .max                of one phase; without [test] of all, with [""] without one
  config."a.b" metrics."val/acc".last              names that are not letters, digits, _ and -

Comparisons, joined with and, or, not and ( )
  =  !=  <  <=  >  >=                              a number, 'text', "text", true, false
  in ('a', 'b')   not in (1, 2)                    one of them, or none
  like 'res%'   not like 'a\\_b'                    % any text, _ any character
  ~ 'resnet-(18|50)'   !~ '(?i)debug'              a regular expression, somewhere in it, or nowhere
  is null   is not null                            no value, or one
Without a value a comparison is false: not name = 'a' holds for a model without a name, name != 'a' does not.

Order: up to eight fields, such as: metrics.loss.min, step desc
Columns: fields; of a metric also .last_step .min_step .max_step, such as: name,config.lr,metrics.loss.min_step
"""


def help_(
    context: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="Which command; of search also the language.")
    ] = None,
) -> None:
    """Show the help of a command; `xpstore help search` explains filters."""
    root = context.find_root()
    command, at = root.command, root
    for word in words or ():
        known: dict[str, typer.core.TyperCommand] = getattr(command, "commands", {})
        if word not in known:
            raise typer.BadParameter(f"there is no command {word!r}: {meant(word, sorted(known))}")
        command = known[word]
        at = type(root)(command, info_name=word, parent=at)
    print_text(command.get_help(at))
    if words in (["search"], ["models"]):
        print_text(f"\n{LANGUAGE.rstrip()}")
