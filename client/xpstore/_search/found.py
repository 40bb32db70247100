"""Models that a search found."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from xpstore._notebook import chart
from xpstore._notebook.curve import MOST_PARTS, Axis, Curve, of_buckets
from xpstore._notebook.html import shown
from xpstore._search.query import Query
from xpstore._search.shown import models_table
from xpstore._values.checks import to_name
from xpstore._values.display_names import display_name
from xpstore._values.ids import sent_id
from xpstore.errors import InvalidArgument
from xpstore.series import label_of, many_buckets
from xpstore.v1 import metric_pb2
from xpstore.v1 import model_pb2 as pb

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ModelT = TypeVar("ModelT")

# Lines of one chart: of more nobody tells which is which.
MOST_LINES = 20


class Found(Iterator[ModelT], Generic[ModelT]):
    """Models that a search finds, one after the other; the server is asked as they are taken, and each comes once.

    A notebook shows the first of them as a table, whatever was taken before.
    """

    def __init__(self, query: Query, models: Iterator[ModelT]) -> None:
        self._query = query
        self._models = models

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ModelT:
        return next(self._models)

    def plot(
        self, metric: str, phase: str | None = None, *, x: Axis = "step", log: bool = False, ax: "Axes | None" = None
    ) -> "Axes":
        """Draws a line for each of the first 20 models found that have the metric, with matplotlib.

        Args:
            metric: its name.
            phase: only points of this phase; "" for those without one.
            x: "step" or "time".
            log: whether y is logarithmic.
            ax: where to draw; default a figure of its own.

        Raises:
            ImportError: matplotlib is not installed.
            InvalidArgument: no model has numbers of it, or it has several phases and none is given.

        Example:
            ```python
            experiment.models.search(order_by="metrics.loss.min").plot("loss", log=True)
            ```
        """
        chart.check_matplotlib()
        curves, is_all = self._curves(to_name("metric", metric), to_name("phase", phase) if phase else phase, x)
        axes = chart.draw(curves, ylabel=metric, log_scale=log, ax=ax)
        if not is_all:
            axes.set_title(f"the first {MOST_LINES} models")
        return axes

    def _curves(self, name: str, phase: str | None, x: Axis) -> tuple[list[Curve], bool]:
        """The curves, and whether these are of all models found."""
        query = self._query
        limit = MOST_LINES + 1 if query.limit is None else min(query.limit, MOST_LINES + 1)
        found = list(Query(query.client, query.scope, query.filter, query.order_by, limit).models())
        keys = [metric_pb2.SeriesKey(model_id=wire.id, name=name, phase=phase) for wire in found[:MOST_LINES]]
        series = list(many_buckets(query.client, keys, 0, MOST_PARTS)) if keys else []
        if len(phases := list(dict.fromkeys(buckets.phase for _, buckets in series))) > 1:
            raise InvalidArgument(
                f"phase: {name!r} has the phases {', '.join(map(repr, phases))}: say which, '' for none"
            )
        # In the order that they were found in.
        by_model = {model_id: buckets for model_id, buckets in series}
        labels = {wire.id: display_name(_name(wire), sent_id(wire.id)) for wire in found}
        drawn = [of_buckets(label, by_model[id_], x) for id_, label in labels.items() if id_ in by_model]
        curves = [curve for curve in drawn if curve.has_numbers]
        if not curves:
            raise InvalidArgument(
                f"metric: none of the first {len(keys)} models found has numbers of {label_of(name, phase)!r}: "
                "models.fields('metrics.') tells what there is"
            )
        return curves, len(found) <= MOST_LINES

    def __repr__(self) -> str:
        query = self._query
        given: dict[str, Any] = {"filter": query.filter, "order_by": query.order_by, "limit": query.limit}
        return f"Found({', '.join(f'{name}={value!r}' for name, value in given.items() if value not in ('', None))})"

    def _repr_html_(self) -> str:
        """The first of them as a table, for notebooks: asks the server, briefly."""
        return shown(self.__repr__, models_table(self._query))


def _name(wire: pb.Model) -> str | None:
    return wire.name if wire.HasField("name") else None
