"""A search: where, which models, in what order, and how many."""

import contextlib
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._session.server_version import check_columns
from xpstore._values.checks import invalid
from xpstore._values.meant import meant
from xpstore.errors import Error
from xpstore.v1 import model_pb2 as pb
from xpstore.v1 import search_pb2

log = logging.getLogger("xpstore")

# Fields of what models need not have; texts are matched so that nothing in them is taken for one.
_FIELDS = re.compile(
    r"""("(?:[^"]|"")*"|'(?:[^']|'')*')|\b((?:config|modules|metrics)(?:\s*\.\s*"""
    r"""(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|[\w-]+)(?:\s*\[[^\]]*\])?)+)"""
)
_METRIC = re.compile(r"""^(metrics\.(?:"(?:[^"]|"")*"|'(?:[^']|'')*'|[\w-]+)).*$""", re.DOTALL)
# Fields that are looked at for those that may have been meant.
MOST_FIELDS = 1_000
_told: set[tuple[str, ...]] = set()


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """What SearchModels is asked.

    Attributes:
        client: who asks.
        scope: the project or the experiment, as a field of requests.
        filter: which models.
        order_by: in what order.
        limit: how many at most.
    """

    client: ClientBase
    scope: dict[str, Any]
    filter: str = ""
    order_by: str = ""
    limit: int | None = None

    def request(self, **more: Any) -> pb.SearchModelsRequest:
        """The request of it.

        Raises:
            InvalidArgument: `limit` is negative.
        """
        if self.limit is not None and self.limit < 0:
            raise invalid("limit", self.limit, "must not be negative")
        return pb.SearchModelsRequest(filter=self.filter, order_by=self.order_by, **self.scope, **more)

    def models(self) -> Iterator[pb.Model]:
        """Yields what it finds, page by page."""
        yield from self._pages(self.request(), "models")

    def rows(self, columns: list[str]) -> Iterator[search_pb2.ModelRow]:
        """Yields values of fields of what it finds, page by page.

        Raises:
            Unimplemented: the server is older than columns.
        """
        check_columns(self.client)
        return self._pages(self.request(columns=columns), "rows")

    def _pages(self, request: pb.SearchModelsRequest, field: str) -> Iterator[Any]:
        most = self.client.limits.max_page_size
        size = most if self.limit is None else max(1, min(most, self.limit))
        method, found = self.client.stubs.models.SearchModels, False
        for one in islice(iterate(self.client, method, request, field, page_size=size), self.limit):
            found = True
            yield one
        if not found and self.limit != 0:
            with contextlib.suppress(Error):  # it is a hint
                self._tell_unknown()

    def fields(self) -> list[str]:
        """The fields of configs, modules and metrics that its texts name."""
        return list(dict.fromkeys(field for _, field in _FIELDS.findall(f"{self.order_by},{self.filter}") if field))

    def _tell_unknown(self) -> None:
        for told in self.unknown(field for _, field in _FIELDS.findall(self.filter) if field):
            log.warning("%s", told)

    def unknown(self, fields: Iterable[str]) -> Iterator[str]:
        """Says once of a field that no model here has a value for it: its name may be misspelled."""
        for field in dict.fromkeys(field.removesuffix("_step") for field in fields):
            key = (*self.scope.values(), field)
            if key in _told or not self._has_any("") or self._has_any(f"{field} is not null"):
                continue
            _told.add(key)
            yield f"No model here has a value of {field}: {self._meant(field)}"

    def _meant(self, field: str) -> str:
        """The fields of this kind that are most like one; of a metric that there is, its phases."""
        known, base = list(self._known(f"{field.partition('.')[0].strip()}.")), _unphased(field)
        if phases := [one for one in known if _unphased(one) == base != field]:
            return meant("", phases)
        return meant(base, map(_unphased, known))

    def _known(self, kind: str) -> Iterator[str]:
        with contextlib.suppress(Error):  # it is a hint
            request = search_pb2.ListFieldsRequest(contains=kind, **self.scope)
            listed = iterate(self.client, self.client.stubs.models.ListFields, request, "fields")
            yield from islice((one.field for one in listed if one.field.startswith(kind)), MOST_FIELDS)

    def _has_any(self, filter: str) -> bool:
        request = pb.SearchModelsRequest(filter=filter, page_size=1, **self.scope)
        return bool(self.client.call(self.client.stubs.models.SearchModels, request).models)


def _unphased(field: str) -> str:
    """A metric by its name alone; any other field as it is."""
    return _METRIC.sub(r"\1", field)
