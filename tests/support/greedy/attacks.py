"""The worst that a caller with a key may ask for in one call."""

from collections.abc import Callable

from support.raw_ingest import batch, floats
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.model import Model
from xpstore.v1 import artifact_pb2, ingest_pb2, metric_pb2, model_pb2

Attack = Callable[[], object]
SECONDS = 120.0


def ingest_of_new_series(client: Client, model: Model, count: int) -> Attack:
    """One call with so many series of one point each, each a record of its own."""
    series = [
        ingest_pb2.PackedSeries(name=f"{new_id()[:8]}{number}", float_values=floats(1), record=number)
        for number in range(count)
    ]
    records = ingest_pb2.ModelRecords(model_id=str(model.id), series=series)
    request = batch(model.project_uid, new_id(), 0, count, records)
    return lambda: client.stubs.ingest.Ingest(request, metadata=client.metadata, timeout=SECONDS)


def most_names(client: Client, model: Model) -> Attack:
    """One LogMetrics of all points, of as many names as it may have, all new."""
    prefix = new_id()[:8]
    points = [metric_pb2.MetricPoint(name=f"{prefix}{number % 1_000}", float_value=1) for number in range(10_000)]
    request = metric_pb2.LogMetricsRequest(model_id=str(model.id), writer_id=new_id(), points=points)
    return lambda: client.stubs.metrics.LogMetrics(request, metadata=client.metadata, timeout=SECONDS)


def commit_of_many_links(client: Client, model: Model) -> Attack:
    """A commit of an empty tree with all links and all aliases that a version may have."""
    prefix = new_id()[:8]
    links = [artifact_pb2.ArtifactLink(model_id=str(model.id), step=step) for step in range(1_000)]
    aliases = [f"a{prefix}-{number}" for number in range(1_000)]
    draft = artifact_pb2.ArtifactDraft(name=f"n{prefix}", type="directory", links=links, aliases=aliases)
    request = artifact_pb2.CommitArtifactRequest(project_uid=model.project_uid, version_id=new_id(), draft=draft)
    return lambda: client.stubs.artifacts.CommitArtifact(request, metadata=client.metadata, timeout=SECONDS)


def worst_search(client: Client, model: Model, number: int, seconds: float = SECONDS) -> Attack:
    """A search with all comparisons and all keys of order, none as one before."""
    filter_ = " or ".join(f"metrics.a{number}b{place}.last > {place}" for place in range(50))
    order = ", ".join(f"metrics.c{number}d{place}.max" for place in range(8))
    request = model_pb2.SearchModelsRequest(project_uid=model.project_uid, filter=filter_, order_by=order)
    return lambda: client.stubs.models.SearchModels(request, metadata=client.metadata, timeout=seconds)
