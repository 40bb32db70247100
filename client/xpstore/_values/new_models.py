"""What dictionaries of new models become on the wire, and what of it is too much for one call."""

import os
import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from xpstore._values.checks import MAX_HASH_LENGTH, invalid, to_free_text, to_name, to_tags
from xpstore._values.configs import config_hash
from xpstore._values.ids import ordered_id
from xpstore._values.json_text import to_json_object
from xpstore._values.numbers import to_numbers, to_steps
from xpstore._values.times import to_epoch_us
from xpstore.errors import Error, InvalidArgument
from xpstore.v1 import model_pb2 as pb

KEYS = ("hash", "name", "description", "config", "tags", "created_at", "modules", "metrics")
# Those of the model itself.
HEAD = KEYS[:6]
# Of one call: its models, and what the contract counts in it. An answer repeats most of what was said.
MODELS = 100
BYTES = 1 << 20
ENTRIES = 20_000
# Of one model, as the contract has it.
MODULES = 100
SERIES = 1_000

_PATH = re.compile(r"models\[(\d+)\]")


@dataclass(slots=True)
class Whole:
    """A model to create.

    Attributes:
        wire: what one call takes of it.
        config_json: its config, "" if none was given.
        has_room: whether that takes modules and points.
        size_bytes: of that, about.
        modules: names and attributes of those that are recorded after it.
        metrics: arguments of `log_arrays` of points that are logged after it.
    """

    wire: pb.NewModel
    config_json: str
    has_room: bool
    size_bytes: int = field(init=False)
    modules: list[tuple[str, Any]] = field(default_factory=list)
    metrics: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.size_bytes = self.wire.ByteSize()

    @property
    def entries(self) -> int:
        """How many the contract counts."""
        return 1 + len(self.wire.tags) + len(self.wire.modules) + len(self.wire.series)

    def takes(self, size_bytes: int) -> bool:
        """Whether so much more goes into its call."""
        self.size_bytes += size_bytes
        return self.has_room and self.size_bytes <= BYTES


def to_whole(position: int, given: Any, *, has_room: bool) -> Whole:
    """What a dictionary says of a model.

    Raises:
        InvalidArgument: it is none, has a key that means nothing, or a malformed value: named with its position.
    """
    with at(position):
        if not isinstance(given, Mapping):
            raise InvalidArgument("must be a dictionary of what to create")
        if unknown := [key for key in given if key not in KEYS]:
            raise invalid(str(unknown[0]), given[unknown[0]], f"is none of {', '.join(KEYS)}")
        wire = _head(**{key: given[key] for key in HEAD if given.get(key) is not None})
        whole = Whole(wire, wire.config_json if given.get("config") is not None else "", has_room)
        for name, attributes in _modules(given.get("modules") or {}):
            _add_module(whole, name, attributes)
        for number, one in enumerate(_metrics(given.get("metrics") or ())):
            _add_metric(whole, f"metrics[{number}]", *one)
        return whole


def _head(
    hash: Any = None,
    name: Any = None,
    description: Any = None,
    config: Any = None,
    tags: Any = (),
    created_at: datetime | None = None,
) -> pb.NewModel:
    if hash is None:
        hash = os.urandom(16).hex() if config is None else config_hash(config)
    return pb.NewModel(
        model_id=ordered_id(),
        hash=to_name("hash", str(hash), MAX_HASH_LENGTH),
        name=to_name("name", name) if name is not None else None,
        description=to_free_text("description", description) if description is not None else None,
        config_json=to_json_object("config", config),
        tags=to_tags(tags),
        created_at_us=None if created_at is None else to_epoch_us("created_at", created_at),
    )


def _modules(given: Any) -> Iterable[tuple[Any, Any]]:
    if not isinstance(given, Mapping):
        raise invalid("modules", given, "must be a dictionary of names and attributes")
    return given.items()


def _metrics(given: Any) -> Iterator[tuple[Any, ...]]:
    if isinstance(given, (str, Mapping)) or not isinstance(given, Iterable):
        raise invalid("metrics", given, "must be a list of (name, steps, values) or (name, steps, values, phase)")
    for number, one in enumerate(given):
        if not isinstance(one, (tuple, list)) or len(one) not in (3, 4):
            raise invalid(f"metrics[{number}]", one, "must be (name, steps, values) or (name, steps, values, phase)")
        yield (*one, None)[:4]


def _add_module(whole: Whole, name: Any, attributes: Any) -> None:
    name, text = to_name("modules", name), to_json_object(f"modules[{name!r}]", attributes)
    takes = whole.takes(len(text.encode())) and len(whole.wire.modules) < MODULES
    if whole.modules or not takes:  # all behind one that is recorded later too: the newest of a name counts
        whole.modules.append((name, attributes))
    else:
        whole.wire.modules.add(module_id=ordered_id(), name=name, attributes_json=text)


def _add_metric(whole: Whole, path: str, name: Any, steps: Any, values: Any, phase: Any) -> None:
    name = to_name(f"{path}.name", name)
    phase = to_name(f"{path}.phase", phase) if phase is not None else None
    # Read once: they may be logged later.
    steps, values = (list(one) if isinstance(one, Iterator) else one for one in (steps, values))
    with _inside(path):
        numbers = to_numbers("values", values)
        count = len(numbers) if isinstance(numbers, list) else numbers.size
        packed = to_steps(steps, count) if steps is not None else b""
    takes = whole.takes(16 * count) and len(whole.wire.series) < SERIES
    if whole.metrics or not takes or isinstance(numbers, list):  # a list is exact only one by one
        whole.metrics.append((name, steps, values, phase))
    elif count:
        column: dict[str, Any] = {"int_values" if numbers.is_int else "float_values": bytes(numbers.data)}
        whole.wire.series.add(name=name, phase=phase, steps=bytes(packed), **column)


def batches(every: Sequence[Whole]) -> Iterator[tuple[int, Sequence[Whole]]]:
    """Cuts models into what one call takes, each with its first position."""
    start = size = entries = 0
    for place, one in enumerate(every):
        its_size = one.wire.ByteSize()
        is_full = place - start == MODELS or size + its_size > BYTES or entries + one.entries > ENTRIES
        if place > start and is_full:
            yield start, every[start:place]
            start, size, entries = place, 0, 0
        size += its_size
        entries += one.entries
    if start < len(every):
        yield start, every[start:]


@contextmanager
def positions_from(start: int) -> Generator[None]:
    """Has the error of a call say positions among all models, of which that call begins with the one at `start`."""
    try:
        yield
    except Error as error:
        path = error.metadata.get("field", "")
        if (found := _PATH.match(path)) is None:
            raise
        named = f"models[{start + int(found[1])}]"
        message = str(error).replace(found[0], named)
        raise type(error)(
            message if named in message else f"{named}: {message}",
            reason=error.reason,
            metadata={**error.metadata, "field": named + path[found.end() :]},
            request_id=error.request_id,
        ) from None


@contextmanager
def at(position: int) -> Generator[None]:
    """Has an error say the position of the model that it is about."""
    try:
        yield
    except Error as error:
        path, name = f"models[{position}]", error.metadata.get("field", "")
        dot = "." if str(error).startswith(f"{name} =") else ": "
        metadata = {**error.metadata, "field": f"{path}.{name}" if name else path}
        raise type(error)(f"{path}{dot}{error}", reason=error.reason, metadata=metadata) from None


@contextmanager
def _inside(path: str) -> Generator[None]:
    try:
        yield
    except InvalidArgument as error:
        raise InvalidArgument(f"{path}.{error}", metadata={"field": f"{path}.{error.metadata['field']}"}) from None
