"""`xpstore-server` that leaves things alone for less time than clients rely on, or waits less where tests must wait.

`GRACE` has the microseconds of what is swept, `CONSTANTS` numbers of modules of the server, by their names, as JSON.
"""

import importlib
import json
import os

GRACE = "XPSTORE_TEST_GRACE"
CONSTANTS = "XPSTORE_TEST_CONSTANTS"


def change(constants: dict[str, float]) -> None:
    """Changes constants before anything uses them; `rpc.uploads.feed.TICK_SECONDS` is one."""
    for name, value in constants.items():
        module, _, constant = name.rpartition(".")
        found = importlib.import_module(f"xpstore_server.{module}")
        if not hasattr(found, constant):
            raise SystemExit(f"the server has no constant {name}")
        setattr(found, constant, value)


if __name__ == "__main__":
    from xpstore_server import app  # here, as tests take no more than the names from this file
    from xpstore_server.__main__ import main  # the same
    from xpstore_server.store.sweep import Grace  # the same

    if GRACE in os.environ:
        app.grace = lambda settings: Grace(*map(int, os.environ[GRACE].split(",")))
    change(json.loads(os.environ.get(CONSTANTS, "{}")))
    main()
