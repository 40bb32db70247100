"""Which calls come after what was logged before them: those whose answer or effect that could change.

What is logged goes to the server in the background. A call of this table first sends what is pending; all others go
at once. The requests are named, not the methods: each method has one of its own, and a name needs no import.
"""

from typing import Any

# Reads of a model and of what is logged of it; what adds, removes, moves or counts there; and what brings back what
# records could reach again. Creating a model is not among them: a new one has nothing pending, of one
# that is there a handle asks again, and many models would wait for the records of each. Neither are batches of records,
# which the sender keeps in order, nor projects and experiments by name, chunks, leases and heartbeats: no record
# changes them.
ORDERED = frozenset(
    {
        # models
        "GetModelRequest",
        "ListModelsRequest",
        "SearchModelsRequest",
        "ListFieldsRequest",
        "AggregateModelsRequest",
        "UpdateModelRequest",
        "AdvanceModelRequest",
        "RewindModelRequest",
        "UpdateModelTagsRequest",
        "DeleteModelRequest",
        "UndeleteModelRequest",
        # modules
        "CreateModuleRequest",
        "ListModulesRequest",
        "ListNewestModulesRequest",
        "DeleteModuleRequest",
        "ClearModulesRequest",
        # metrics
        "LogMetricsRequest",
        "ListMetricsRequest",
        "GetLastMetricRequest",
        "GetBestMetricRequest",
        "ListSeriesRequest",
        "ReadSeriesRequest",
        "DeleteMetricRequest",
        "ClearMetricsRequest",
        # iterations
        "CreateIterationRequest",
        "GetIterationRequest",
        "ListIterationsRequest",
        "DeleteIterationRequest",
        "ClearIterationsRequest",
        # runs
        "CreateRunRequest",
        "GetRunRequest",
        "FinishRunRequest",
        "ListRunsRequest",
        "ReadConsoleRequest",
        # alerts, which are logged or made of what was
        "ListAlertsRequest",
        # what goes or comes back with all that is below it
        "DeleteExperimentRequest",
        "UndeleteExperimentRequest",
        "DeleteProjectRequest",
        "UndeleteProjectRequest",
        # how many models run, and when one was heard of
        "GetProjectStatisticsRequest",
        # to an iteration that may be pending
        "LinkArtifactVersionRequest",
    }
)
# Deletions of what records name: where the server has no room for what is pending they need not wait for it. It is
# dropped then, as what comes after a deletion is, and told.
FINAL = frozenset({"DeleteModelRequest", "DeleteExperimentRequest"})


def is_ordered(request: Any) -> bool:
    """Whether a call must find what was logged before it. A commit does if it links to a model or an iteration."""
    name = request.DESCRIPTOR.name
    return name in ORDERED or (name == "CommitArtifactRequest" and bool(request.draft.links))


def is_final(request: Any) -> bool:
    """Whether a call ends what it names, with all that is pending of it."""
    return request.DESCRIPTOR.name in FINAL
