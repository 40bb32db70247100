"""The names of all settings, and what to say of one that is none: a misspelt setting would silently not count."""

import difflib
import re
from collections.abc import Iterable, Mapping

PREFIX = "XPSTORE_"
# What clients read. A server may be started in the same shell.
OF_CLIENTS = (
    "API_KEY",
    "API_URL",
    "CACHE",
    "CACHE_MIB",
    "CACHE_STRICT",
    "CACHE_VERIFY",
    "CONFIG",
    "HOME",
    "PAGE_URL",
    "PROJECT",
    "RECORD",
    "RECORD_CONSOLE",
    "RECORD_DIFF",
    "SPOOL",
    "SPOOL_ARTIFACTS_MIB",
    "SPOOL_FSYNC_SECONDS",
    "SPOOL_MIB",
    "SYSTEM_METRICS",
    "TLS_CA",
)
# No settings any more: clients rely on what they changed.
RETIRED = {
    "SWEEP_UNUSED_SECONDS": "chunks wait 25 hours for their commit",
    "SWEEP_CONDEMNED_SECONDS": "packs stay an hour for their readers",
    "SWEEP_UNFINISHED_SECONDS": "a write or commit may take an hour",
}
# Kubernetes gives them to every container beside a service called "xpstore"; the test suite has its own.
_OF_OTHERS = re.compile(r"SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_\w+)?|TEST_\w+")
# Of the letters, how many two names must share: ADMIN_KEY and ADMIN_KEY_FILE have 0.78.
LIKENESS = 0.75


def misspelt(environment: Mapping[str, str], of_server: Iterable[str]) -> tuple[list[str], list[str]]:
    """What is wrong with the names of variables, a line each: what must be mended, and what may be another program's.

    Args:
        environment: all variables; case does not count.
        of_server: the server's settings, without prefix, in capitals.
    """
    known = {*of_server, *OF_CLIENTS}
    bad, strange = list[str](), list[str]()
    for variable in sorted(environment):
        name = variable.upper().removeprefix(PREFIX)
        if not variable.upper().startswith(PREFIX) or name in known or _OF_OTHERS.fullmatch(name):
            continue
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=LIKENESS)
        if name in RETIRED:
            bad.append(f"{variable}: is no setting any more ({RETIRED[name]}, which clients rely on): unset it")
        elif near:
            bad.append(f"{variable}: is no setting; write {PREFIX}{near[0]}, or unset it")
        else:
            like = [other for other in sorted(known) if name.startswith(other) or other.startswith(name)]
            hint = f" (write {PREFIX}{like[0]}, if you mean that)" if like else ""
            strange.append(f"{variable}: is no setting, and does not count{hint}")
    return bad, strange
