"""What a notebook shows of a project."""

from collections.abc import Iterator

from xpstore._notebook.glance import Glance
from xpstore._notebook.html import facts, line, table
from xpstore._session.client import ClientBase
from xpstore._session.statistics import ProjectStatistics
from xpstore._values.times import to_datetime
from xpstore.v1 import experiment_pb2
from xpstore.v1 import project_pb2 as pb

MOST_EXPERIMENTS = 20


def project_parts(client: ClientBase, wire: pb.Project) -> Iterator[str]:
    """Yields the parts of it, for `shown`: two calls."""
    glance = Glance(client)
    yield facts([("name", wire.name), ("description", wire.description), ("tags", list(wire.tags))])
    request = pb.GetProjectStatisticsRequest(project_uid=wire.uid)
    told = ProjectStatistics._from_wire(glance.call(client.stubs.projects.GetProjectStatistics, request))
    yield facts(
        [
            ("models", f"{told.models:,} in {told.experiments:,} experiments, {told.running_models:,} running"),
            ("artifacts", f"{told.artifacts:,} in {told.versions:,} versions"),
            ("stored", f"{told.stored_bytes:,} bytes for {told.version_bytes:,} bytes of versions"),
            (
                "cache",
                f"{told.cache_entries:,} results, {told.cache_hits:,} hits, {told.cache_saved_seconds:.4g} s saved",
            ),
            ("last change of a model", told.active_at),
        ]
    )
    listing = experiment_pb2.ListExperimentsRequest(project_uid=wire.uid, page_size=MOST_EXPERIMENTS)
    response = glance.call(client.stubs.experiments.ListExperiments, listing)
    if response.experiments:
        rows = ((one.name, one.model_count, to_datetime(one.created_at_us)) for one in response.experiments)
        yield table(("experiment", "models", "created"), rows)
    if response.next_page_token:
        yield line("and more experiments")
