"""What a page asks of searches, spoken by hand."""

from typing import Any

from xpstore.experiment import Experiment
from xpstore.project import Project
from xpstore.v1 import model_pb2, search_pb2


def scope_of(parent: Experiment | Project) -> dict[str, Any]:
    return {"project_uid": parent.uid} if isinstance(parent, Project) else {"experiment_id": str(parent.id)}


def search(parent: Experiment | Project, *columns: str, **asked: Any) -> model_pb2.SearchModelsResponse:
    client = parent._client
    request = model_pb2.SearchModelsRequest(**scope_of(parent), columns=columns, **asked)
    return client.call(client.stubs.models.SearchModels, request)


def value_of(value: search_pb2.FieldValue) -> Any:
    kind = value.WhichOneof("value")
    return list(value.texts.texts) if kind == "texts" else getattr(value, kind) if kind else None


def cells(answer: model_pb2.SearchModelsResponse) -> list[list[Any]]:
    """What a search with columns answered."""
    assert not answer.models
    return [[value_of(value) for value in row.values] for row in answer.rows]


def fields_of(parent: Experiment | Project, contains: str = "", page_size: int = 0) -> list[search_pb2.FieldSummary]:
    """All pages of fields."""
    client = parent._client
    request = search_pb2.ListFieldsRequest(**scope_of(parent), contains=contains, page_size=page_size)
    found = list[search_pb2.FieldSummary]()
    while True:
        answer = client.call(client.stubs.models.ListFields, request)
        assert not page_size or len(answer.fields) <= page_size
        found += answer.fields
        if not answer.next_page_token:
            return found
        request.page_token = answer.next_page_token


def aggregate(parent: Experiment | Project, **asked: Any) -> search_pb2.AggregateModelsResponse:
    client = parent._client
    request = search_pb2.AggregateModelsRequest(**scope_of(parent), **asked)
    return client.call(client.stubs.models.AggregateModels, request)
