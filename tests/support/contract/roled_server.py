"""`xpstore-server` whose keys have the roles that a file says: `ROLES` has its path, and may change at any time."""

import json
import os
from functools import partial
from pathlib import Path

from xpstore_server.core.roles.acting import Owners, Role

ROLES = "XPSTORE_TEST_ROLES"


def role_of(principal: str, project_uid: str | None) -> Role:
    """The role of a key in a project; of keys that the file does not have everywhere that of an owner."""
    known = json.loads(Path(os.environ[ROLES]).read_text())
    if principal not in known:
        return Role.OWNER
    return Role.EDITOR if project_uid is None else Role(known[principal].get(project_uid, 0))


if __name__ == "__main__":
    from xpstore_server import app  # here, as tests take no more than the name from this file
    from xpstore_server.__main__ import main  # the same

    vars(app)["Owners"] = partial(Owners, role_of=role_of)
    main()
