"""Objects as files and back, in formats that cannot run code. Libraries are imported only when an object needs them."""

import io
import json
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from mmap import mmap
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from xpstore._values.json_text import plain, to_number
from xpstore.errors import Error, InvalidArgument

# Dates in a zip file would make equal contents different.
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
# Before these, a file of theirs could run code: CVE-2025-54412 of skops, CVE-2023-47248 of pyarrow.
SOUND_FROM = {"skops": (0, 13), "pyarrow": (14, 0, 1)}
# More than the head of an array can have: numpy itself refuses one of more than 10,000 characters.
NPY_HEAD_BYTES = 64 << 10

T = TypeVar("T")

OwnBuffer = bytes | bytearray | memoryview | mmap


@dataclass(frozen=True, slots=True)
class Format:
    """One format: the name of its only file, how an object is written to a file, and how its bytes are read.

    `load` takes a writable buffer that is the object's own: an array is a view of it.
    """

    name: str
    file_name: str
    dump: Callable[[Any, BinaryIO], None]
    load: Callable[[OwnBuffer, Any], Any]

    def write(self, value: Any, file: BinaryIO) -> None:
        """Writes an object.

        Raises:
            InvalidArgument: the format cannot hold it, such as an array of Python objects.
        """
        try:
            self.dump(value, file)
        except (TypeError, ValueError, NotImplementedError, OverflowError) as error:
            raise InvalidArgument(
                f"source is a {type(value).__name__} that {self.name} cannot hold: {error}"
            ) from error

    def read(self, data: OwnBuffer, trusted: Any, what: str) -> Any:
        """The object in the bytes of a file; raises as `readable` does."""
        return readable(f"{what}, of the format {self.name},", lambda: self.load(data, trusted))


def readable(what: str, read: Callable[[], T]) -> T:
    """What `read` returns; `what` is what errors call it.

    Raises:
        InvalidArgument: the bytes, which are those that were stored, are not what they say they are, or the library
            that reads them is not installed.
    """
    try:
        return read()
    except (Error, MemoryError):
        raise
    except ModuleNotFoundError as error:
        raise InvalidArgument(f"{what} needs {error.name}, which is not installed here") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # of this machine; Arrow's have no number
            raise
        raise InvalidArgument(
            f"{what} cannot be read ({type(error).__name__}: {error}): say load(path), download() or open()"
        ) from error


def check_sound(module: Any) -> None:
    """Refuses versions of a library that run code out of files.

    Raises:
        InvalidArgument: it is one of those; the message says which version to take.
    """
    library, version = module.__name__, str(module.__version__)
    least = SOUND_FROM[library]
    release = re.match(r"[0-9]+(\.[0-9]+)*", version)
    found = tuple(map(int, release[0].split("."))) if release else ()
    # What comes before a release, such as 0.13rc1, is not the release.
    is_before = found[: len(least)] == least and re.search(r"[0-9](\.?dev|a|b|rc)", version) is not None
    if found < least or is_before:
        sound = ".".join(map(str, least))
        raise InvalidArgument(
            f"{library} {version} may run code out of the files it reads: update it (pip install '{library}>={sound}')"
        )


def read_file(path: Path) -> bytearray:
    """The bytes of a file as `Format.load` takes them."""
    with open(path, "rb", buffering=0) as file:
        data = bytearray(os.fstat(file.fileno()).st_size)
        view = memoryview(data)
        while view and (size := file.readinto(view)):
            view = view[size:]
    return data


def format_of(value: Any) -> Format:
    """Returns the safe format of an object.

    Raises:
        InvalidArgument: its type has none.
    """
    modules = {base.__module__.partition(".")[0]: base.__name__ for base in reversed(type(value).__mro__)}
    if "sklearn" in modules:
        return FORMATS["skops"]
    if ("torch" in modules and hasattr(value, "state_dict")) or is_state_dict(value):
        return FORMATS["safetensors"]
    if isinstance(value, (dict, list)):
        return FORMATS["json"]
    if ("matplotlib" in modules and hasattr(value, "savefig")) or "PIL" in modules:
        return FORMATS["png"]
    kind = (type(value).__module__.partition(".")[0], type(value).__name__)
    by_type = {
        ("numpy", "ndarray"): "npy",
        ("pandas", "DataFrame"): "parquet",
        ("pyarrow", "Table"): "arrow-parquet",
    }
    if kind in by_type:
        return FORMATS[by_type[kind]]
    raise InvalidArgument(
        f"source is a {type(value).__module__}.{type(value).__qualname__}, which has no safe format: save a path, "
        "bytes, a scikit-learn estimator, a torch module or state dict, a numpy array, a pandas DataFrame, a pyarrow "
        "Table, a dictionary or list of JSON, a figure of matplotlib or an image of Pillow"
    )


def is_state_dict(value: Any) -> bool:
    """Whether a value is a dictionary of torch tensors alone."""
    if not isinstance(value, dict) or not value:
        return False
    return all(type(item).__module__.partition(".")[0] == "torch" for item in value.values())


def _dump_skops(value: Any, file: BinaryIO) -> None:
    import skops.io  # here: it may be missing

    file.write(_canonical_skops(skops.io.dumps(value)))


def _canonical_skops(data: bytes) -> bytes:
    """The same model, the same bytes: skops names its parts by memory addresses and dates them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read("schema.json"))
        numbers: dict[str, int] = {}
        for node in _nodes(schema):
            if "__id__" in node:
                node["__id__"] = numbers.setdefault(str(node["__id__"]), len(numbers) + 1)
            stem, dot, suffix = str(node.get("file", "")).partition(".")
            if dot:
                node["file"] = f"{numbers.setdefault(stem, len(numbers) + 1)}.{suffix}"
        output = io.BytesIO()
        with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as canonical:
            for old in archive.namelist():
                stem, _, suffix = old.partition(".")
                new = f"{numbers[stem]}.{suffix}" if stem in numbers else old
                content = json.dumps(schema, indent=2).encode() if old == "schema.json" else archive.read(old)
                canonical.writestr(zipfile.ZipInfo(new, _ZIP_DATE), content)
        return output.getvalue()


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for child in node.values():
            yield from _nodes(child)
    elif isinstance(node, list):
        for child in node:
            yield from _nodes(child)


def _load_skops(data: OwnBuffer, trusted: Any) -> Any:
    import skops  # here: it may be missing
    import skops.io  # here: it may be missing
    from skops.io.exceptions import UntrustedTypesFoundException  # here: it may be missing

    check_sound(skops)
    data = bytes(data)
    try:
        return skops.io.loads(data, trusted=trusted)
    except UntrustedTypesFoundException as error:
        unknown = skops.io.get_untrusted_types(data=data)
        raise InvalidArgument(
            f"trusted: this model needs types that skops does not know to be safe; if you do: trusted={unknown}"
        ) from error


def _dump_safetensors(value: Any, file: BinaryIO) -> None:
    import safetensors.torch  # here: it may be missing

    state = value.state_dict() if hasattr(value, "state_dict") else value
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    file.write(safetensors.torch.save(tensors))


def _load_safetensors(data: OwnBuffer, trusted: Any) -> Any:
    import safetensors.torch  # here: it may be missing

    return safetensors.torch.load(bytes(data))


def _dump_npy(value: Any, file: BinaryIO) -> None:
    import numpy  # here: it may be missing

    numpy.lib.format.write_array(file, value, allow_pickle=False)


def _load_npy(data: OwnBuffer, trusted: Any) -> Any:
    import numpy  # here: it may be missing

    start = io.BytesIO(memoryview(data)[:NPY_HEAD_BYTES])
    version = numpy.lib.format.read_magic(start)
    if version > (2, 0):  # a structured type with names beyond Latin-1
        return numpy.load(io.BytesIO(data), allow_pickle=False)
    read = numpy.lib.format.read_array_header_1_0 if version == (1, 0) else numpy.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(start)
    if dtype.hasobject:
        raise InvalidArgument(
            "the array holds Python objects, which are pickled: it is not loaded (allow_pickle=False)"
        )
    return numpy.ndarray(shape, dtype, data, start.tell(), order="F" if is_fortran else "C")


def _dump_frame(value: Any, file: BinaryIO) -> None:
    value.to_parquet(file)


def _load_frame(data: OwnBuffer, trusted: Any) -> Any:
    import pandas  # here: it may be missing
    import pyarrow  # here: it may be missing

    check_sound(pyarrow)
    return pandas.read_parquet(pyarrow.BufferReader(data))


def _dump_table(value: Any, file: BinaryIO) -> None:
    import pyarrow.parquet  # here: it may be missing

    pyarrow.parquet.write_table(value, file)


def _load_table(data: OwnBuffer, trusted: Any) -> Any:
    import pyarrow.parquet  # here: it may be missing

    check_sound(pyarrow)
    return pyarrow.parquet.read_table(pyarrow.BufferReader(data))


def _dump_arrow(value: Any, file: BinaryIO) -> None:
    import pyarrow as pa  # here: it may be missing

    with pa.ipc.new_stream(file, value.schema) as writer:
        writer.write(value)


def _load_arrow(data: OwnBuffer, trusted: Any) -> Any:
    import pyarrow as pa  # here: it may be missing

    check_sound(pa)
    return pa.ipc.open_stream(pa.BufferReader(data)).read_all()


def _dump_json(value: Any, file: BinaryIO) -> None:
    file.write(json.dumps(plain(value), allow_nan=False, indent=2, default=to_number).encode())


def _load_json(data: OwnBuffer, trusted: Any) -> Any:
    return json.loads(bytes(data))


def _dump_png(value: Any, file: BinaryIO) -> None:
    if hasattr(value, "savefig"):
        return write_figure(value, file)
    try:
        value.save(file, "PNG")
    except OSError as error:  # of Pillow: its mode, such as CMYK or F, is none of PNG's
        raise ValueError(str(error)) from error


def write_figure(figure: Any, file: BinaryIO) -> None:
    """Writes a figure of matplotlib as a picture of its own size, whatever is set for other pictures."""
    import matplotlib  # here: it may be missing
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # here: it may be missing

    canvas = figure.canvas
    with matplotlib.rc_context({"savefig.bbox": None}):
        try:
            FigureCanvasAgg(figure).print_figure(file, format="png", dpi=figure.dpi)
        finally:
            figure.set_canvas(canvas)


def _load_png(data: OwnBuffer, trusted: Any) -> Any:
    import PIL.Image  # here: it may be missing

    image = PIL.Image.open(io.BytesIO(data), formats=["PNG"])
    image.load()
    return image


FORMATS = {
    format_.name: format_
    for format_ in (
        Format("skops", "model.skops", _dump_skops, _load_skops),
        Format("safetensors", "model.safetensors", _dump_safetensors, _load_safetensors),
        Format("npy", "data.npy", _dump_npy, _load_npy),
        Format("parquet", "data.parquet", _dump_frame, _load_frame),
        Format("arrow-parquet", "data.parquet", _dump_table, _load_table),
        Format("arrow", "data.arrows", _dump_arrow, _load_arrow),
        Format("json", "data.json", _dump_json, _load_json),
        Format("png", "picture.png", _dump_png, _load_png),
    )
}
_BY_SUFFIX = {
    ".skops": "skops",
    ".safetensors": "safetensors",
    ".npy": "npy",
    ".parquet": "parquet",
    ".arrows": "arrow",
    ".json": "json",
    ".png": "png",
}


def format_of_file(path: str, declared: Any) -> Format | None:
    """The format a file says it has, else that of its suffix."""
    by_suffix = _BY_SUFFIX.get(Path(path).suffix.lower())
    # Metadata is whatever somebody wrote.
    name = declared if isinstance(declared, str) and declared in FORMATS else by_suffix
    return FORMATS[name] if name else None
