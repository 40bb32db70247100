"""What may be said about a cached function, and what it becomes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from xpstore._caching.terms import CacheOptions, Terms, to_terms
from xpstore._identity.process import Declared, declare
from xpstore._session.origin import Origin
from xpstore._session.project import ProjectBase
from xpstore._values.checks import to_name


class FunctionOptions(CacheOptions, total=False):
    """What may be said about a cached function, beside `CacheOptions`.

    Attributes:
        version: stands for the code, which is not looked at then.
        ignore: parameters that do not count, such as a progress bar or a device.
        depends: distributions or packages whose installed versions count.
        project: where results are; default the current project at each call.
        strict: raise InvalidArgument where something that the result may depend on cannot be seen, instead of computing
            it uncached with a warning; default what `XPSTORE_CACHE_STRICT` says, else not.
    """

    version: str | int | None
    ignore: Collection[str]
    depends: Sequence[str]
    project: ProjectBase | None
    strict: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDeclared:
    """What `@cached` was told.

    Attributes:
        process: which computation it is.
        project: where results are, an origin where another process sent the function; None: the current project.
        strict: whether doubt is raised; None: as the setting says.
        terms: how results are kept and found.
    """

    process: Declared
    project: ProjectBase | Origin | None
    strict: bool | None
    terms: Terms


def to_declared(name: str | None, options: FunctionOptions) -> FunctionDeclared:
    """Checks what was said.

    Raises:
        InvalidArgument: an option is malformed.
        TypeError: there is no such option.
    """
    process = declare(
        name=None if name is None else to_name("name", name),
        version=options.pop("version", None),
        depends=options.pop("depends", ()),
        ignore=options.pop("ignore", ()),
    )
    return FunctionDeclared(
        process=process,
        project=options.pop("project", None),
        strict=options.pop("strict", None),
        terms=to_terms(options),
    )
