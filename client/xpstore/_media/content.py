"""What a medium is: a kind, and a file of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpstore._values.checks import invalid

# Larger files are no media: they are encoded in memory, and pages show all of them.
MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Content:
    """What a medium is.

    Attributes:
        kind: "image", "figure", "table", "histogram", "text" or "audio".
        path: what its file is called.
        data: the bytes of that.
    """

    kind: str
    path: str
    data: bytes


def libraries_of(value: Any) -> set[str]:
    """The packages that a value's class, or one below it, is of: none is imported for what is not there."""
    return {base.__module__.partition(".")[0] for base in type(value).__mro__}


def read_file(field: str, path: Any) -> bytes:
    """The bytes of a file.

    Raises:
        InvalidArgument: it is missing, unreadable or too large.
    """
    try:
        with Path(path).expanduser().open("rb") as file:
            return checked(field, path, file.read(MAX_BYTES + 1))
    except (OSError, ValueError) as error:
        raise invalid(field, path, f"must be the path of a file that can be read ({error})") from None


def checked(field: str, value: Any, data: bytes) -> bytes:
    """The bytes, if they are not too many."""
    if len(data) > MAX_BYTES:
        fix = f"must have at most {MAX_BYTES >> 20} MiB as a file: save it with DirectoryArtifact.save"
        raise invalid(field, value, fix)
    return data


def to_array(field: str, value: Any) -> Any:
    """An array of numpy of one of numpy, torch, JAX or the like; None if it is none.

    Raises:
        InvalidArgument: it cannot become one.
    """
    libraries = libraries_of(value)
    if "numpy" not in libraries and not hasattr(value, "__array__"):
        return None
    if "torch" in libraries and callable(getattr(value, "detach", None)):
        value = value.detach().cpu()
        if "bfloat16" in str(value.dtype):  # numpy has none
            value = value.float()
    import numpy  # here: it may be missing where no array can be

    try:
        return numpy.asarray(value)
    except Exception as error:  # whatever a foreign library raises
        raise invalid(field, value, f"must be an array that numpy can read ({error})") from None
