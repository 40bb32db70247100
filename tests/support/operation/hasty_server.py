"""`xpstore-server` that leaves things alone for less time than clients rely on: `GRACE` has the microseconds."""

import os

from xpstore_server.store.sweep import Grace

GRACE = "XPSTORE_TEST_GRACE"

if __name__ == "__main__":
    from xpstore_server import app  # here, as tests take no more than the name from this file
    from xpstore_server.__main__ import main  # the same

    app.grace = lambda settings: Grace(*map(int, os.environ[GRACE].split(",")))
    main()
