"""Results of cached computations as files, in formats that cannot run code, and back as they were.

`value.json` says what the result is (`tagged_json.py`); every array, table, model, picture or path in it is a file or
directory beside it, named there by `{"$npy": "0.npy"}` and the like. What would not come back equal is refused.
"""

import io
import json
import pickle
import shutil
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from xpstore._files.folder import Folder
from xpstore._files.scan import scan
from xpstore._results import arrays, arrow, exact, frames, own_objects, sparse, tagged_json
from xpstore._results.copies import LocalCopies
from xpstore._results.formats import FORMATS, OwnBuffer, is_state_dict, read_file, write_figure
from xpstore._session.client import ClientBase
from xpstore._session.registry import handle
from xpstore.errors import DataLoss, InvalidArgument
from xpstore.v1 import artifact_pb2 as pb

VALUE = "value.json"
PICKLE = "value.pickle"
FORMAT_VERSION = 1
# What may be asked for by name.
NAMED_FORMATS = ("pickle",)

SUPPORTED = (
    "None, bool, int, float, complex, str, bytes, list, tuple, dict, set, dates and times, Decimal, UUID, data "
    "classes, named tuples, enums, numpy arrays and scalars, what pandas, Arrow and scipy.sparse hold, torch tensors "
    "and state dicts, scikit-learn estimators, figures of matplotlib and plotly, paths, and artifacts"
)


class ResultFiles(Protocol):
    """The verified files of a result."""

    def read(self, path: str) -> OwnBuffer:
        """The bytes of a file, writable and the caller's own."""

    def path(self, path: str) -> Path:
        """Where a file or directory is."""


def write(value: Any, folder: Path, *, format: str | None = None, trusted: Sequence[str] = ()) -> list[str]:
    """Writes a value as files of a folder. Returns the ids of the artifact versions in it.

    Args:
        value: of the types of `SUPPORTED`, nested as one likes.
        folder: where to; empty.
        format: "pickle" to pickle the whole value.
        trusted: names of types of scikit-learn models to allow beside skops' defaults.

    Raises:
        InvalidArgument: a type in it has no safe format, or would come back as something else.
    """
    writer = _Writer(folder, trusted)
    try:
        node = writer.pickled(value) if format == "pickle" else writer.walk(value)
        text = json.dumps({"xpstore_value": FORMAT_VERSION, "value": node}, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise InvalidArgument("the result contains itself, or is nested too deep") from None
    except ValueError as error:  # an integer of more digits than Python writes
        raise error if isinstance(error, InvalidArgument) else InvalidArgument(f"the result: {error}") from None
    (folder / VALUE).write_text(text)
    return writer.used


def read(client: ClientBase, files: ResultFiles, *, format: str | None = None, trusted: Sequence[str] = ()) -> Any:
    """Reads a value back.

    Args:
        client: fetches artifacts that are part of it.
        files: what `write` wrote.
        format: "pickle" to load a pickle, which may run any code.
        trusted: see `write`.

    Raises:
        InvalidArgument: it is a pickle and that was not asked for, needs trusted types, a newer client, or a library
            that is not installed.
        NotFound: an artifact in it was deleted.
    """
    text = bytes(files.read(VALUE))
    whole = json.loads(text)
    if whole.get("xpstore_value") != FORMAT_VERSION:
        raise InvalidArgument("the result was written by a newer version of xpstore: update this one")
    if b'"$' not in text and b"\\u" not in text:  # nothing has a tag, which others may write with an escape
        return whole["value"]
    try:
        return _Reader(client, files, format, trusted).walk(whole["value"])
    except ModuleNotFoundError as error:
        raise InvalidArgument(f"the result needs {error.name}, which is not installed here") from error


def load(
    copies: LocalCopies,
    client: ClientBase,
    version: pb.ArtifactVersion,
    *,
    format: str | None = None,
    trusted: Sequence[str] = (),
) -> Any:
    """Reads the value of a version, from its copy on this machine, which is made if there is none.

    Raises:
        InvalidArgument, NotFound: see `read`.
        DataLoss: the bytes are damaged, on the way or on this machine's disk.
    """
    return copies.using(client, version, lambda copy: read(client, copy, format=format, trusted=trusted))


class _Writer:
    def __init__(self, folder: Path, trusted: Sequence[str]) -> None:
        self._folder = folder
        self._trusted = trusted
        self._files = 0
        self._reader = _Reader(None, WrittenFiles(folder), None, trusted)
        self._is_compared = False
        self.used: list[str] = []

    def walk(self, value: Any) -> Any:
        """JSON of a value; what JSON cannot say becomes files."""
        if type(value) in (dict, OrderedDict) and is_state_dict(value):
            return self._state_dict(value)
        if tagged_json.holds(value):
            return tagged_json.encode(value, self.walk)
        if own_objects.holds(value):
            return own_objects.encode(value, self.walk)
        write = _writer_of(value)
        node = write(self, value) if write is not None else None
        if node is None:
            kind = f"{type(value).__module__}.{type(value).__qualname__}"
            raise InvalidArgument(f"the result has a {kind}, which has no safe format. There are: {SUPPORTED}. {HINT}")
        return node

    def _checked(self, value: Any, encode: Callable[[], Any]) -> Any:
        """What `encode` makes of a value, if it is read back as that; what is in it is compared together with it."""
        if self._is_compared:
            return encode()
        self._is_compared = True
        try:
            node = encode()
        finally:
            self._is_compared = False
        if node is not None:
            exact.check(value, lambda: self._reader.walk(node))
        return node

    def _name(self, suffix: str) -> str:
        self._files += 1
        return f"{self._files - 1}{suffix}"

    def file(self, format: str, value: Any) -> str:
        """Writes a file of a format; returns its name."""
        name = self._name(Path(FORMATS[format].file_name).suffix)
        with open(self._folder / name, "wb") as file:
            FORMATS[format].write(value, file)
        return name

    def pickled(self, value: Any) -> Any:
        """Writes a pickle."""
        with open(self._folder / PICKLE, "wb") as file:
            try:
                pickle.dump(value, file, protocol=5)
            except (pickle.PicklingError, TypeError, AttributeError) as error:
                raise InvalidArgument(f"the result cannot be pickled: {error}") from error
        return {"$pickle": PICKLE}

    def array(self, value: Any) -> Any:
        if arrays.is_exact(value):
            return arrays.encode_array(value, self)
        return self._checked(value, lambda: arrays.encode_array(value, self))

    def scalar(self, value: Any) -> Any:
        return arrays.encode_scalar(value)

    def pandas(self, value: Any) -> Any:
        return self._checked(value, lambda: frames.encode(value, self))

    def sparse(self, value: Any) -> Any:
        return self._checked(value, lambda: sparse.encode(value, self))

    def arrow(self, value: Any) -> Any:
        node = arrow.encode(value, self)
        if node is not None:
            arrow.check(value, self._reader.walk(node))
        return node

    def tensor(self, value: Any) -> Any:
        return {"$tensor": self._tensors({"tensor": value})}

    def _state_dict(self, value: Any) -> Any:
        if not all(type(key) is str for key in value):
            raise InvalidArgument(f"the result has a dictionary of tensors whose keys are not text. {HINT}")
        beside = vars(value) if type(value) is OrderedDict else {}  # the versions of modules
        return {"$state_dict": [self._tensors(value), list(value), type(value) is OrderedDict, self.walk(beside)]}

    def _tensors(self, tensors: Any) -> str:
        for name, tensor in tensors.items():
            if tensor.requires_grad:
                raise InvalidArgument(f"the tensor {name!r} needs a gradient, which is not stored: detach() it")
        # Tensors that share memory would be refused.
        return self.file("safetensors", {name: tensor.clone() for name, tensor in tensors.items()})

    def estimator(self, value: Any) -> Any:
        return self._checked(value, lambda: {"$skops": self.file("skops", value)})

    def matplotlib(self, value: Any) -> Any:
        name = self._name(".png")
        with open(self._folder / name, "wb") as file:
            write_figure(value, file)
        return {"$figure": [name, value.dpi, *map(float, value.get_size_inches())]}

    def plotly(self, value: Any) -> Any:
        name = self._name(".json")
        (self._folder / name).write_text(text := value.to_json())
        if self._reader.plotly(name).to_json() != text:
            raise InvalidArgument(f"a figure of plotly would not come back as it is. {exact.CURE}")
        return {"$plotly": name}

    def path(self, value: Path) -> Any:
        path = value.absolute()
        top = self._name("")
        name = f"{top}/{path.name or 'root'}"
        target = Folder(self._folder)
        for source in scan(path):
            inside = f"{name}/{source.path}" if path.is_dir() else name
            if source.location is None:
                target.make(inside)
            else:
                shutil.copy(str(source.location), target.target(inside).path)
        if path.is_dir():
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        return {"$path": name}

    def large_bytes(self, value: bytes | bytearray) -> Any:
        name = self._name(".bin")
        (self._folder / name).write_bytes(value)
        return {"$large_bytearray" if type(value) is bytearray else "$large_bytes": name}

    def artifact(self, value: Any) -> Any:
        self.used.append(value.id)
        return {"$artifact": value.id}


class WrittenFiles:
    """The files of a result in a folder that was just written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str) -> OwnBuffer:
        """As `ResultFiles.read`."""
        return read_file(self._folder / path)

    def path(self, path: str) -> Path:
        """As `ResultFiles.path`."""
        return self._folder / path


class _Reader:
    def __init__(
        self, client: ClientBase | None, files: ResultFiles, format: str | None, trusted: Sequence[str]
    ) -> None:
        self._client = client
        self._files = files
        self._format = format
        self._trusted = trusted

    def walk(self, node: Any) -> Any:
        """The value of JSON."""
        tag = tagged_json.tag_of(node)
        read = _READERS.get(tag)
        if read is not None:
            return read(self, node[tag])
        if tag in own_objects.TAGS:
            return own_objects.decode(tag, node[tag], self.walk)
        return tagged_json.decode(node, self.walk)

    def file(self, format: str, name: str) -> Any:
        return FORMATS[format].load(self._files.read(name), self._trusted)

    def pickled(self, name: str) -> Any:
        if self._format != "pickle":
            raise InvalidArgument('the result is a pickle, which may run any code: to load it say format="pickle"')
        return pickle.loads(self._files.read(name))

    def series(self, parts: list[Any]) -> Any:
        return self.file("parquet", parts[0])["value"].rename(self.walk(parts[1]))

    def tensor(self, name: str) -> Any:
        return self.file("safetensors", name)["tensor"]

    def state_dict(self, parts: list[Any]) -> Any:
        name, keys, is_ordered, *beside = parts
        tensors = self.file("safetensors", name)
        items = [(key, tensors[key]) for key in keys]
        if not is_ordered:
            return dict(items)
        state = OrderedDict(items)
        for attributes in beside:
            vars(state).update(self.walk(attributes))
        return state

    def matplotlib(self, parts: list[Any]) -> Any:
        import matplotlib.image  # here: it may be missing
        from matplotlib.figure import Figure  # here: it may be missing

        name, dpi, width, height = parts
        figure = Figure(figsize=(width, height), dpi=dpi)
        figure.figimage(matplotlib.image.imread(io.BytesIO(self._files.read(name)), format="png"))
        return figure

    def plotly(self, name: str) -> Any:
        import plotly.io  # here: it may be missing

        return plotly.io.from_json(bytes(self._files.read(name)).decode())

    def path(self, name: Any) -> Path:
        if not isinstance(name, str):
            raise DataLoss(f"The result has a path that is no text but {name!r}: it is damaged or made up.")
        return self._files.path(name)

    def artifact(self, id_: str) -> Any:
        if self._client is None:
            raise InvalidArgument("the result has an artifact inside of what is compared when it is written")
        request = pb.GetArtifactVersionRequest(version_id=id_)
        return handle(self._client.call(self._client.stubs.artifacts.GetArtifactVersion, request).version, self._client)


HINT = exact.CURE.replace("something plainer", "one of these instead")

_WRITERS: dict[tuple[str, str], Callable[[_Writer, Any], Any]] = {
    ("numpy", "ndarray"): _Writer.array,
    ("torch", "Tensor"): _Writer.tensor,
    ("matplotlib", "Figure"): _Writer.matplotlib,
    ("plotly", "Figure"): _Writer.plotly,
}

# Of which each says itself what it can write.
_LIBRARIES: dict[str, Callable[[_Writer, Any], Any]] = {
    "pandas": _Writer.pandas,
    "pyarrow": _Writer.arrow,
    "scipy": _Writer.sparse,
}


def _writer_of(value: Any) -> Callable[[_Writer, Any], Any] | None:
    kind = type(value)
    if kind in (bytes, bytearray):
        return _Writer.large_bytes
    if kind is type(Path()):
        return _Writer.path
    bases = {(base.__module__.partition(".")[0], base.__name__) for base in kind.__mro__}
    if ("xpstore", "Artifact") in bases:
        return _Writer.artifact
    if ("numpy", "generic") in bases and kind.__module__ == "numpy":
        return _Writer.scalar
    if ("sklearn", "BaseEstimator") in bases:
        return _Writer.estimator
    library = kind.__module__.partition(".")[0]
    return _WRITERS.get((library, kind.__name__)) or _LIBRARIES.get(library)


def _of_library(read: Callable[[Any, frames.ResultReader], Any]) -> Callable[[_Reader, Any], Any]:
    return lambda self, parts: read(parts, self)


_READERS: dict[str, Callable[[_Reader, Any], Any]] = {
    **{
        tag: _of_library(read)
        for readers in (arrays.READERS, arrow.READERS, frames.READERS, sparse.READERS)
        for tag, read in readers.items()
    },
    # Of results of version 0.1.
    "$parquet": lambda self, name: self.file("parquet", name),
    "$series": _Reader.series,
    "$tensor": _Reader.tensor,
    "$state_dict": _Reader.state_dict,
    "$skops": lambda self, name: self.file("skops", name),
    "$figure": _Reader.matplotlib,
    "$plotly": _Reader.plotly,
    "$path": _Reader.path,
    "$large_bytes": lambda self, name: bytes(self._files.read(name)),
    "$large_bytearray": lambda self, name: bytearray(self._files.read(name)),
    "$artifact": _Reader.artifact,
    "$pickle": _Reader.pickled,
}
