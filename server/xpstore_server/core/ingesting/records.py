"""What a batch brings: consecutive records of a writer, of any models."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xpstore_server.core.console import Printed
from xpstore_server.core.metrics.metric import SeriesPart
from xpstore_server.core.module import NewModule
from xpstore_server.store.transaction import Transaction

Apply = Callable[[Transaction], object]


@dataclass(frozen=True, slots=True)
class ConsolePiece:
    """A piece of what a run printed."""

    run_id: str
    printed: Printed


@dataclass(frozen=True, slots=True)
class Event:
    """Anything but a point: a module of the model, what a run printed, or what stores it, and which record it is of."""

    record: int
    what: NewModule | ConsolePiece | Apply


@dataclass(frozen=True, slots=True)
class ModelRecords:
    """What was recorded of one model."""

    model_id: str
    parts: Sequence[SeriesPart]
    events: Sequence[Event] = ()

    def points(self) -> int:
        """How many points there are."""
        return sum(len(part.points) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive records of a batch. Records are told by their places in the batch.

    Attributes:
        start: the first of them.
        end: the one after the last.
    """

    start: int
    end: int
    models: Sequence[ModelRecords]
