"""Searches as tests ask for them."""

import os
from typing import Any

from support.search.asking import scope_of
from xpstore.client import Client
from xpstore.experiment import Experiment
from xpstore.project import Project
from xpstore.v1 import model_pb2 as pb

FILTERS = int(os.environ.get("XPSTORE_TEST_FILTERS", "150"))


def hashes(parent: Experiment | Project, filter: str = "", order_by: str = "", limit: int | None = None) -> list[str]:
    return [model.hash for model in parent.models.search(filter, order_by=order_by, limit=limit)]


def page_of(client: Client, parent: Experiment | Project, **fields: Any) -> pb.SearchModelsResponse:
    return client.call(client.stubs.models.SearchModels, pb.SearchModelsRequest(**{**scope_of(parent), **fields}))
