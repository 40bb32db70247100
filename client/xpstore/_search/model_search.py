"""Everything that is asked of the models of a project or of an experiment together."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from xpstore._notebook.html import shown
from xpstore._search import summaries
from xpstore._search.found import Found
from xpstore._search.frame import to_frame
from xpstore._search.query import Query
from xpstore._search.shown import models_table
from xpstore._search.summaries import Aggregation, FieldSummary
from xpstore._session.client import ClientBase
from xpstore.v1 import model_pb2 as pb

if TYPE_CHECKING:
    from pandas import DataFrame

ModelT = TypeVar("ModelT")


class ModelSearch(Generic[ModelT]):
    """The models of a project or of an experiment, found by what they hold. `xpstore.model` says what a model is."""

    def __init__(self, client: ClientBase, *, project_uid: str = "", experiment_id: str = "") -> None:
        self._client = client
        self._scope = {"project_uid": project_uid} if project_uid else {"experiment_id": experiment_id}

    def _made(self, wire: pb.Model) -> ModelT:
        raise NotImplementedError

    def _query(self, filter: str = "", order_by: str = "", limit: int | None = None) -> Query:
        return Query(self._client, self._scope, filter, order_by, limit)

    def search(self, filter: str = "", *, order_by: str = "", limit: int | None = None) -> Found[ModelT]:
        """Yields the models that a filter holds for.

        Args:
            filter: such as `metrics.accuracy.max > 0.9 and not tags = "old"`; empty: all.
            order_by: fields separated by commas, each with `asc` (the default) or `desc`, such as `metrics.loss.min`.
                Models that lack a value come last in either direction. Empty: oldest first.
            limit: the most models to yield.

        Raises:
            InvalidArgument: `filter` or `order_by` is malformed; the message says at which column.
            NotFound: the project or experiment was deleted.

        Example:
            ```python
            for model in experiment.models.search("config.lr < 0.01", order_by="metrics.loss.last", limit=10):
                print(model.hash, model.config)
            ```
        """
        query = self._query(filter, order_by, limit)
        return Found(query, map(self._made, query.models()))

    def to_pandas(self, filter: str = "", *, order_by: str = "", limit: int | None = None) -> "DataFrame":
        """Returns a table to compare models by: a row for each that a filter holds for.

        Its columns are `id`, `hash`, `name`, `step`, `last_step`, `status`, `created_at`, `tags`, then `config.*`,
        `modules.<name>.*` of the newest module of each name, and of each metric `metrics.<name>[<phase>]`, the value
        logged last, with its `.min` and `.max`. Names that a filter has in quotes have them here too.

        Args:
            filter: as of `search`.
            order_by: as of `search`.
            limit: the most rows.

        Raises:
            ImportError: pandas is not installed.
            InvalidArgument: `filter` or `order_by` is malformed; the message says at which column.
            NotFound: the project or experiment was deleted.
        """
        return to_frame(self._client, self._query(filter, order_by, limit).models(), order_by)

    def table(
        self, filter: str = "", *, columns: Sequence[str], order_by: str = "", limit: int | None = None
    ) -> list[dict[str, Any]]:
        """Returns some fields of the models that a filter holds for: one call for each 1,000 models.

        Args:
            filter: as of `search`.
            columns: up to 100 fields as in a filter, such as `name`, `config.lr` and `metrics.loss[test].min`; of a
                metric also `.last_step`, `.min_step` and `.max_step`, the step at which it was so.
            order_by: as of `search`.
            limit: the most rows.

        Returns:
            A row for each model: its `id`, and the value of each column by its text, None where the model has none.
            Numbers of configs, modules and metrics are floats: integers beyond 2^53 the nearest. Of their texts it has
            what is searched, the first 1,000 bytes.

        Raises:
            InvalidArgument: `filter`, `order_by` or a column is malformed; the message says at which column of it.
            NotFound: the project or experiment was deleted.
            Unimplemented: the server is older than this.

        Example:
            ```python
            rows = experiment.models.table(columns=["hash", "config.lr", "metrics.loss.min", "metrics.loss.min_step"])
            ```
        """
        return summaries.table(self._query(filter, order_by, limit), columns)

    def count(self, filter: str = "") -> int:
        """Returns how many models a filter holds for.

        Raises:
            InvalidArgument: it is malformed; the message says at which column.
            NotFound: the project or experiment was deleted.
            Unimplemented: the server is older than this.
        """
        return summaries.count(self._query(filter))

    def fields(self, contains: str = "") -> Iterator[FieldSummary]:
        """Yields the fields that models have in configs, modules and metrics: what a filter may name.

        Args:
            contains: only those with this in their text, in capitals or not.

        Raises:
            NotFound: the project or experiment was deleted.
            Unimplemented: the server is older than this.

        Example:
            ```python
            for field in experiment.models.fields("metrics."):
                print(field.field, field.number_count, field.min, field.max)
            ```
        """
        return summaries.list_fields(self._query(), contains)

    def aggregate(self, filter: str = "", *, group_by: Sequence[str] = (), fields: Sequence[str] = ()) -> Aggregation:
        """Puts models into groups, and tells how many each has and what their numbers are.

        Args:
            filter: as of `search`.
            group_by: up to eight fields whose values make a group; none: all models are one.
            fields: up to eight fields whose numbers are told of each group.

        Raises:
            InvalidArgument: `filter` or a field is malformed.
            NotFound: the project or experiment was deleted.
            ResourceExhausted: the filter holds for more than 100,000 models.
            Unimplemented: the server is older than this.

        Example:
            ```python
            for group in experiment.models.aggregate(group_by=["config.lr"], fields=["metrics.loss.min"]).groups:
                print(group.keys["config.lr"], group.model_count, group.aggregates["metrics.loss.min"].mean)
            ```
        """
        return summaries.aggregate(self._query(filter), group_by, fields)

    def __repr__(self) -> str:
        return "{}({})".format(type(self).__name__, ", ".join(f"{key}={id_!r}" for key, id_ in self._scope.items()))

    def _repr_html_(self) -> str:
        """The first of them as a table, for notebooks: asks the server, briefly."""
        return shown(self.__repr__, models_table(self._query()))
