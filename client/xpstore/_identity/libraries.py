"""Which libraries a function reaches: where a result is not what it was, the version of one may be to blame."""

import contextlib
import importlib.metadata
import sys
from collections.abc import Callable, Collection
from typing import Any

from xpstore._identity.dependencies import Dependencies
from xpstore._identity.ownership import Border, full_name, home_of, top_level


class _Noted(Border):
    """Notes the modules beyond it."""

    def __init__(self, module: str, package: str) -> None:
        super().__init__(module, package)
        self.beyond = set[str]()

    def is_own(self, module: str) -> bool:
        is_own = super().is_own(module)
        if not is_own:
            self.beyond.add(top_level(module))
        return is_own


def libraries_of(function: Callable[..., Any], depends: Collection[str]) -> list[str]:
    """Returns the installed packages that a function reaches and whose versions do not count, as "numpy 2.4.1".

    Args:
        function: as for `identify`.
        depends: distributions or packages whose versions count.
    """
    home = home_of(function)
    border = _Noted(home, top_level(home))
    dependencies = Dependencies(border)
    with contextlib.suppress(Exception):  # what was met until then is better than nothing
        dependencies.add_root(function, full_name(function), ())
        dependencies.finish()
    distributions, found = importlib.metadata.packages_distributions(), []
    for package in sorted(border.beyond - sys.stdlib_module_names - {"xpstore"}):
        names = distributions.get(package, [])
        if names and not {package, *names} & {*depends}:
            found.append(f"{package} {_version(names[0])}")
    return found


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:  # what is left of one that was removed
        return "of no version"
