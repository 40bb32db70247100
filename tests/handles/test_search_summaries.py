"""Search: rows of values, counts, fields and groups; statistics of a project, and what was deleted."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

import xpstore
from xpstore.client import Client
from xpstore.errors import InvalidArgument, NotFound, Unimplemented
from xpstore.experiment import Experiment
from xpstore.project import Project


@pytest.fixture
def filled(experiment: Experiment) -> Experiment:
    for number in range(3):
        model = experiment.model(f"h{number}", config={"lr": number / 4, "kind": "even" if number % 2 == 0 else "odd"})
        for step, value in enumerate([3.0 - number, 1.0, 2.0]):
            model.metrics.log("loss", value, 10 * step, "test")
    experiment.models.update("h1", "second")
    return experiment


def test_table_has_the_columns_that_are_asked_for(filled: Experiment) -> None:
    columns = [
        *("hash", "name", "config.lr", "config.no"),
        *("metrics.loss[test].min", "metrics.loss.min_step", "created_at"),
    ]
    rows = filled.models.table(columns=columns, order_by="config.lr desc", limit=2)
    second = filled.models.read("h1")
    assert second is not None
    assert [list(row) for row in rows] == [["id", *columns]] * 2
    assert list(rows[1].values()) == [second.id, "h1", "second", 0.25, None, 1.0, 10, second.created_at]
    assert filled.models.table("config.lr > 1", columns=("tags", "tags")) == []
    assert filled.models.table("hash = 'h0'", columns=("tags", "tags"))[0]["tags"] is None
    assert len(filled.models.table(columns=["step"])) == 3 and filled.models.table(columns=["step"], limit=0) == []


def test_table_is_a_call_for_each_page(client: Client, filled: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    call: Callable[..., Any] = client.call

    def counted(method: Any, request: Any, **options: Any) -> Any:
        calls.append(request)
        return call(method, request, **options)

    monkeypatch.setattr(client, "call", counted)
    assert len(filled.models.table(columns=["hash", "metrics.loss.last", "config.lr", "tags"])) == 3
    assert [request.DESCRIPTOR.name for request in calls] == ["SearchModelsRequest"]


def test_models_are_counted(filled: Experiment, project: Project) -> None:
    assert (filled.models.count(), filled.models.count("config.lr >= 0.25")) == (3, 2)
    assert (project.models.count("config.kind = 'odd'"), project.models.count("step > 5")) == (1, 0)


def test_fields_say_what_models_have(filled: Experiment) -> None:
    by_name = {field.field: field for field in filled.models.fields()}
    assert list(by_name) == ["config.kind", "config.lr", "metrics.loss[test]"]
    lr, kind, loss = by_name["config.lr"], by_name["config.kind"], by_name["metrics.loss[test]"]
    assert (lr.number_count, lr.min, lr.max, lr.values, lr.has_more_values) == (3, 0.0, 0.5, [0.0, 0.25, 0.5], False)
    assert (kind.text_count, kind.number_count, kind.min, sorted(kind.values)) == (3, 0, None, ["even", "odd"])
    assert (loss.number_count, loss.min, loss.max, loss.values) == (3, 1.0, 3.0, [])
    assert [field.field for field in filled.models.fields("LOSS")] == ["metrics.loss[test]"]


def test_groups_have_their_numbers(filled: Experiment) -> None:
    found = filled.models.aggregate(group_by=["config.kind"], fields=["config.lr", "metrics.loss.max", "config.no"])
    assert (found.group_count, found.model_count) == (2, 3)
    assert [(group.keys, group.model_count) for group in found.groups] == [
        ({"config.kind": "even"}, 2),
        ({"config.kind": "odd"}, 1),
    ]
    lr, loss, nothing = found.groups[0].aggregates.values()
    assert (lr.count, lr.min, lr.max, lr.mean, lr.deviation) == (2, 0.0, 0.5, 0.25, 0.25)
    assert (loss.min, loss.max) == (2.0, 3.0)
    assert (nothing.count, nothing.min, nothing.mean) == (0, None, None)
    (all_,) = filled.models.aggregate("hash != 'h0'").groups
    assert (all_.keys, all_.model_count, all_.aggregates) == ({}, 2, {})


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda models: models.table(columns="hash"), r"columns=\['hash'\]"),
        (lambda models: models.table(columns=[]), "must name a field"),
        (lambda models: models.table(columns=[1]), "must be texts"),
        (lambda models: models.table(columns=["hash", "config."]), r"columns\[1\] = 'config.'"),
        (lambda models: models.table(columns=["hash"], limit=-1), "limit = -1"),
        (lambda models: models.table(columns=[f"config.a{number}" for number in range(101)]), "100"),
        (lambda models: models.count("step >"), "column"),
        (lambda models: models.aggregate(group_by="config.lr"), "must be a list"),
        (lambda models: models.aggregate(fields=["config."]), "config"),
    ],
)
def test_what_makes_no_sense_is_refused(experiment: Experiment, ask: Callable[[Any], Any], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        ask(experiment.models)


def test_older_server_is_not_believed(client: Client, filled: Experiment) -> None:
    client.limits.max_columns = 0  # as one says that does not know them, and would not heed what is asked
    for ask in (
        lambda: filled.models.table(columns=["hash"]),
        lambda: filled.models.count(),
        lambda: xpstore.get_all_projects(deleted=True),
    ):
        with pytest.raises(Unimplemented, match="which cannot answer this yet"):
            ask()


def test_statistics_say_what_a_project_holds(filled: Experiment, project: Project) -> None:
    xpstore.artifact.DirectoryArtifact.save(b"x" * 1_000, "a")
    with filled.model("h0").run():
        told = project.statistics()
    assert (told.experiments, told.models, told.running_models) == (1, 3, 1)
    assert (told.artifacts, told.versions, told.version_bytes) == (1, 1, 1_000)
    assert 0 < told.stored_bytes < 1_000 and (told.cache_entries, told.cache_saved_seconds) == (0, 0.0)
    assert told.active_at is not None and abs((datetime.now(UTC) - told.active_at).total_seconds()) < 3_600


def test_deleted_projects_are_listed_and_brought_back(client: Client) -> None:
    made = client.project(f"gone {secrets.token_hex(6)}").open()
    assert made.deleted_at is None and made not in xpstore.get_all_projects(deleted=True)
    made.delete()
    (gone,) = [project for project in xpstore.get_all_projects(deleted=True) if project.uid == made.uid]
    assert gone.id == made.id and gone.deleted_at is not None and gone.deleted_at >= made.created_at
    with pytest.raises(NotFound):
        gone.statistics()
    assert Project.undelete(gone.uid).deleted_at is None
    assert made in xpstore.get_all_projects()
    assert gone.uid not in {project.uid for project in xpstore.get_all_projects(deleted=True)}
