"""The command `xpstore`: look into a service, and move artifacts in and out (docs/commands.md).

Tables for a person at a terminal, tab-separated lines for a program, JSON or CSV when asked. Exit codes: 0 when it
worked, 1 with one line on standard error when it did not, 2 when the command makes no sense.
"""

import logging
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

try:
    import typer
except ModuleNotFoundError:
    raise SystemExit("xpstore: the command line is not installed: pip install 'xpstore[cli]'") from None

import xpstore
from xpstore._cli import access, cache, console, deleting, doctor, files, language, program, record, search, show, watch
from xpstore._cli.arguments import AsJSON, Discard
from xpstore._cli.printing import fail, make_printable, print_facts, print_json, print_text
from xpstore.errors import Error
from xpstore.format.text import printable

__all__ = ["main"]

app = typer.Typer(
    help="Look into an xpstore service: that of XPSTORE_API_KEY and XPSTORE_API_URL, else of `xpstore login`, else the "
    "embedded one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
UsageError: Any = typer.BadParameter.__base__  # of click, which newer versions of typer have in themselves


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print_text(f"xpstore {xpstore.__version__}")
        raise typer.Exit


@app.callback()
def _of_all(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None: ...


def open_page(
    what: Annotated[
        str | None, typer.Argument(metavar="PROJECT|MODEL", help="A project's id, or a model's; default the start.")
    ] = None,
    page_url: Annotated[
        str | None,
        typer.Option(envvar="XPSTORE_PAGE_URL", help="Where a service that is not the embedded one has its page."),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open it in a browser.")] = True,
) -> None:
    """Open the page in a browser, and print its address; the embedded service is started."""
    from xpstore._cli.page import address_of, show  # here, as few commands need it

    address = address_of(what, page_url)
    print_text(address)
    if browser:
        show(address)


def sync(as_json: AsJSON = False, discard: Discard = False) -> None:
    """Send what was logged or saved offline, or left in the spool by programs that are gone."""
    from xpstore._offline.sync import sync as send  # here, as few commands need it

    done = asdict(send(xpstore.init(), is_discarding=discard))
    if as_json:
        print_json(done)
    else:
        print_facts({what: count for what, count in done.items() if what != "refused"})
    for name, reason in done["refused"].items():
        typer.echo(f"{printable(name)}: {'is let go' if discard else 'stays here'}: {printable(reason)}", err=True)
    if done["refused"]:
        raise typer.Exit(1)


# In the order that --help lists them in.
_COMMANDS: dict[str, Callable[..., None]] = {
    "status": access.status,
    "whoami": access.whoami,
    "login": access.login,
    "logout": access.logout,
    "doctor": doctor.doctor,
    "ls": files.ls,
    "search": search.search,
    "models": search.models,
    "show": show.show,
    "diff": show.diff,
    "watch": watch.watch,
    "console": console.console,
    "open": open_page,
    "run": program.run,
    "log": record.log,
    "tag": record.tag,
    "put": files.put,
    "get": files.get,
    "cat": files.cat,
    "alias": files.alias,
    "rm": deleting.rm,
    "trash": deleting.trash,
    "undelete": deleting.undelete,
    "sync": sync,
    "help": language.help_,
}
for _name, _function in _COMMANDS.items():
    # What follows the command of a program is the program's.
    app.command(_name, context_settings={"allow_interspersed_args": _name != "run"})(_function)
app.add_typer(cache.app, name="cache")


def main() -> None:
    """Runs the command line."""
    make_printable()
    logging.basicConfig(format="xpstore: %(message)s", level=logging.WARNING)
    try:
        sys.exit(app(standalone_mode=False, prog_name="xpstore"))
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # older versions of typer have printed it by now
            error.show()
            sys.exit(2)
        usage = f"{error.ctx.get_usage()} (--help says more)" if error.ctx is not None else ""
        message = error.format_message().rstrip(".")
        fail(f"{message}{'' if message.endswith('?') else '.'} {usage}", status=2)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except Error as error:
        fail(f"{type(error).__name__}: {error}")
    except UnicodeError as error:  # of an argument that the locale does not read
        fail(f"{error}: run this with a locale of UTF-8, such as LC_ALL=C.UTF-8")
    except OSError as error:  # this machine's: a full disk, a file in the way, standard output that takes no more
        fail(str(error))


if __name__ == "__main__":
    main()
