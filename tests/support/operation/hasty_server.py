"""`xpstore-server` that leaves things alone for less time than clients rely on.

`GRACE` has the microseconds of what is swept, `IDLE` the seconds after which what a silent stream sent is durable.
"""

import os

GRACE = "XPSTORE_TEST_GRACE"
IDLE = "XPSTORE_TEST_IDLE"

if __name__ == "__main__":
    from xpstore_server import app  # here, as tests take no more than the names from this file
    from xpstore_server.__main__ import main  # the same
    from xpstore_server.rpc import packing  # the same
    from xpstore_server.store.sweep import Grace  # the same

    if GRACE in os.environ:
        app.grace = lambda settings: Grace(*map(int, os.environ[GRACE].split(",")))
    packing.IDLE_SECONDS = float(os.environ.get(IDLE, packing.IDLE_SECONDS))
    main()
