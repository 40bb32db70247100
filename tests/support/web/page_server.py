"""`xpstore-server` with the page in a folder that `PAGE` names, and other constants as tests have them."""

import json
import os
from pathlib import Path

PAGE = "XPSTORE_TEST_PAGE"

if __name__ == "__main__":
    from support.operation.hasty_server import CONSTANTS, change  # here, as tests take no more than the name above
    from xpstore_server.__main__ import main  # the same
    from xpstore_server.web import opened  # the same

    opened.PAGE = Path(os.environ[PAGE])
    change(json.loads(os.environ.get(CONSTANTS, "{}")))
    main()
