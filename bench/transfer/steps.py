"""The workloads as steps, and how often each contestant does them."""

from bench.transfer.contest import Step
from bench.transfer.plan import Plan
from bench.transfer.workload import Sources

INDEX = "of the first save"


def file_steps(sources: Sources, plan: Plan) -> list[Step]:
    """The large file: new, fetched, again, changed. Peers send all of it each time, so once shows what that takes."""
    always, some = plan.repetitions, plan.peer_repetitions
    each = {"ours": always, "minio": always, "copy": always, "grpcio alone": always, "MLflow": some}
    once = {"ours": always, "minio": 1, "copy": 1, "MLflow": 1}
    large = (sources.large,)
    return [
        Step(name="large up", action="up", sources=large, key="large", runs=each, index=INDEX),
        Step(name="large down", action="down", sources=large, key="large", runs=each),
        Step(name="large again", action="up", sources=large, key="large", runs=once, reread=True),
        Step(name="large indexed", action="up", sources=large, key="large", runs={"ours": always}, index=INDEX),
        Step(name="changed up", action="up", sources=(sources.changed,), key="changed", runs=once),
        Step(name="inserted up", action="up", sources=(sources.inserted,), key="inserted", runs=once),
    ]


def folder_steps(sources: Sources, plan: Plan) -> list[Step]:
    """Small files. "some" are as many of the many as those get that make a call for each."""
    always = plan.repetitions
    few = {"ours": always, "minio": always, "copy": always, "minio in 16 threads": 1, "MLflow": 1}
    some = {"minio": 1, "minio in 16 threads": 1, "MLflow": 1}
    runs = {"few": few, "many": {"ours": always, "copy": always}, "some": some}
    trees = {"few": sources.few, "many": sources.many, "some": sources.some_of_many}
    return [
        Step(name=f"{name} {action}", action=action, sources=(trees[name],), key=name, runs=runs[name])
        for name in trees
        for action in ("up", "down")
    ]


def crowd_steps(sources: Sources, plan: Plan) -> list[Step]:
    """Clients at once: some for throughput, more for the memory of the server."""
    some = plan.peer_repetitions
    clients = {"ours": some, "minio": some, "copy": some, "MLflow": 1}
    return [
        Step(name="clients up", action="up", sources=sources.clients, key="clients", runs=clients),
        Step(name="clients down", action="down", sources=sources.clients, key="clients", runs=clients),
        Step(name="crowd up", action="up", sources=sources.crowd, key="crowd", runs={"ours": some}),
        Step(name="crowd down", action="down", sources=sources.crowd, key="crowd", runs={"ours": some}),
    ]


def planned_steps(sources: Sources, plan: Plan) -> list[Step]:
    """All of them that the plan wants."""
    every_step = [*file_steps(sources, plan), *folder_steps(sources, plan), *crowd_steps(sources, plan)]
    return [step for step in every_step if step.name.startswith(plan.steps)]
