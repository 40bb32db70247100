"""What hangs on one row is bounded, and a row that has more from before there were bounds breaks no list."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Table

import xpstore
from support.backends import Backend
from support.raw import Raw, chunk_of, entry_of, page_of, root_of
from xpstore import Client, errors
from xpstore._cli.contents import project_rows
from xpstore._offline.sync import sync
from xpstore._search.frame import last_steps
from xpstore._service.paging import iterate
from xpstore._values.ids import new_id
from xpstore.artifact import Artifact, DirectoryArtifact
from xpstore.model import Model
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import model_pb2
from xpstore_server.store import tables
from xpstore_server.store.batches import batches
from xpstore_server.store.database import Database
from xpstore_server.store.transaction import Transaction

BOUND = 1_000
TOLD = 100  # of each in a row
MANY = 106_000  # links of 43 bytes: more than a message takes


@pytest.fixture
def model(project: xpstore.Project) -> Model:
    return project.experiment("e").model("h")


@pytest.fixture
def raw(project: xpstore.Project) -> Raw:
    return Raw(project._client, project.uid)


@contextmanager
def opened(backend: Backend) -> Iterator[Database]:
    database = Database(backend.database_url)
    yield database
    database.close()


def put(backend: Backend, table: Table, *rows: dict[str, Any]) -> None:
    """Inserts rows beside the server, which would refuse them."""
    with opened(backend) as database:
        for some in batches(rows, 10_000):
            database.write(partial(_insert, table, some))


def _insert(table: Table, rows: Sequence[dict[str, Any]], tx: Transaction) -> None:
    tx.insert(table, *rows)


def put_links(backend: Backend, artifact: Artifact, model: Model, count: int) -> None:
    of = {"version_id": artifact.id, "model_id": str(model.id), "iteration_id": None}
    put(
        backend,
        tables.artifact_link,
        *({**of, "id": new_id(), "step": step, "created_at_us": step} for step in range(count)),
    )


def refused(caught: pytest.ExceptionInfo[errors.ResourceExhausted]) -> tuple[str, str]:
    return caught.value.metadata["field"], caught.value.metadata["limit"]


def test_limits_tell_the_bounds(client: Client) -> None:
    told = client.limits
    assert (told.max_links, told.max_aliases, told.max_used_versions, told.max_tags) == (BOUND,) * 4


def test_version_with_more_links_than_a_message_takes_breaks_nothing(
    backend: Backend, project: xpstore.Project, model: Model
) -> None:
    heavy = DirectoryArtifact.save(b"same", "tokenizer")
    other = DirectoryArtifact.save(b"other", "other")
    put_links(backend, heavy, model, MANY)
    heavy.alias("good")

    found = [
        heavy,
        DirectoryArtifact.get_by_name("tokenizer"),
        DirectoryArtifact.get_by_name("tokenizer", version=1),
        DirectoryArtifact.get_by_name("tokenizer", alias="good"),
        DirectoryArtifact.get_by_id(heavy.id),
        project.artifacts.get("tokenizer", step=MANY - 1),
        *model.artifacts.list(),
        *heavy.versions(),
    ]
    for one in found:
        assert one == heavy
        assert (len(one._wire.links), one._wire.link_count) == (TOLD, MANY)
        assert (one.step, one.model) == (0, model)
    assert DirectoryArtifact.load_all() == project.artifacts.list() == [heavy, other]
    assert [row["name"] for row in project_rows(project)] == ["e", "tokenizer", "other"]
    heavy.description = "described"
    model.artifacts.remove(heavy)
    assert heavy.refresh()._wire.link_count == 0


def test_page_of_heavy_versions_ends_before_a_message_is_full(
    backend: Backend, project: xpstore.Project, model: Model
) -> None:
    saved = [DirectoryArtifact.save(bytes([number]), "x") for number in range(20)]
    for artifact in saved:
        put_links(backend, artifact, model, BOUND)
        put(
            backend,
            tables.artifact_alias,
            *(
                {
                    "artifact_id": artifact._wire.artifact_id,
                    "alias": f"{artifact.version}".rjust(120, "a") + str(number),
                    "version_id": artifact.id,
                }
                for number in range(BOUND)
            ),
        )
    client, pages = project._client, list[pb.ListArtifactVersionsResponse]()
    request = pb.ListArtifactVersionsRequest(project_uid=project.uid, page_size=1_000)
    while not pages or request.page_token:
        pages.append(client.call(client.stubs.artifacts.ListArtifactVersions, request))
        request.page_token = pages[-1].next_page_token
    assert max(page.ByteSize() for page in pages) <= 2 << 20
    assert [version.id for page in pages for version in page.versions] == [artifact.id for artifact in saved]
    assert {len(version.aliases) for page in pages for version in page.versions} == {TOLD}


def test_same_content_is_saved_for_any_number_of_models(
    backend: Backend, project: xpstore.Project, model: Model
) -> None:
    first = DirectoryArtifact.save(b"same", "tokenizer")
    put_links(backend, first, model, BOUND - 2)
    models = [project.experiment("e").model(f"{number}") for number in range(5)]
    saved = [DirectoryArtifact.save(b"same", "tokenizer", model=one) for one in models]
    assert [one.version for one in saved] == [1, 1, 2, 2, 2]
    assert [one.artifacts.get("tokenizer") for one in models] == saved
    assert DirectoryArtifact.save(b"same", "tokenizer", model=models[4]) == saved[4]
    assert [one._wire.link_count for one in first.versions()] == [BOUND, 3]
    assert {one.digest for one in saved} == {first.digest}


def test_full_version_is_still_what_a_save_that_adds_nothing_returns(
    backend: Backend, project: xpstore.Project, model: Model
) -> None:
    first = DirectoryArtifact.save(b"same", "tokenizer", model=model, step=BOUND)
    put_links(backend, first, model, BOUND - 1)
    assert DirectoryArtifact.save(b"same", "tokenizer") == first
    assert DirectoryArtifact.save(b"same", "tokenizer", model=model, step=7) == first
    assert model.artifacts.log(first, step=7)._wire.link_count == BOUND


def test_link_beyond_the_bound_is_refused_by_name(backend: Backend, project: xpstore.Project, model: Model) -> None:
    artifact = DirectoryArtifact.save(b"same", "tokenizer")
    put_links(backend, artifact, model, BOUND)
    with pytest.raises(errors.ResourceExhausted, match=r"link: .* 1000 already.* Save it again") as caught:
        model.artifacts.log(artifact, step=BOUND)
    assert refused(caught) == ("link", "1000")
    assert artifact.refresh()._wire.link_count == BOUND


def test_alias_beyond_the_bound_is_refused_by_name(backend: Backend, project: xpstore.Project) -> None:
    artifact = DirectoryArtifact.save(b"1", "data")
    of = {"artifact_id": artifact._wire.artifact_id, "version_id": artifact.id}
    put(backend, tables.artifact_alias, *({**of, "alias": f"a{number}"} for number in range(BOUND)))
    with pytest.raises(errors.ResourceExhausted, match=r"alias: .* 1000 already.* Remove some") as caught:
        artifact.alias("one-more")
    assert refused(caught) == ("alias", "1000")
    artifact.alias("a7")
    again = DirectoryArtifact.save(b"1", "data", aliases=["one-more", "a7"])
    assert (again.version, again.aliases) == (2, ["a7", "one-more"])


def test_lineage_that_comes_a_few_at_a_time_is_bounded(backend: Backend, project: xpstore.Project, raw: Raw) -> None:
    used = [raw.publish({"f": b"%d" % number}, "used") for number in range(3)]
    artifact = DirectoryArtifact.save(b"1", "data", used=[used[0].id])
    # Versions that are not there could not be used: the bound is reached by copies of one that is.
    others = [new_id() for _ in range(BOUND - 1)]
    with opened(backend) as database:
        row = dict(
            database.read(
                lambda tx: tx.execute(
                    tables.artifact_version.select().where(tables.artifact_version.c.id == used[0].id)
                ).one()
            )._mapping
        )
    put(
        backend,
        tables.artifact_version,
        *({**row, "id": id_, "version": 100 + number, "state": "deleted"} for number, id_ in enumerate(others)),
    )
    put(backend, tables.artifact_lineage, *({"version_id": artifact.id, "used_version_id": id_} for id_ in others))
    told = artifact.refresh()._wire
    assert (len(told.used_version_ids), told.used_version_count) == (TOLD, BOUND)
    again = DirectoryArtifact.save(b"1", "data", used=[used[0].id])
    more = DirectoryArtifact.save(b"1", "data", used=[used[1].id])
    assert (again, more.version, [one.id for one in more.used]) == (artifact, 2, [used[1].id])


@pytest.mark.client
def test_more_used_versions_than_a_message_takes_are_refused_by_name(project: xpstore.Project) -> None:
    with pytest.raises(errors.InvalidArgument, match=r"used.* must be at most 1000, are 150000"):
        DirectoryArtifact.save(b"1", "data", used=[new_id()] * 150_000)
    assert project.artifacts.list() == []


def test_tags_that_come_a_few_at_a_time_are_bounded(project: xpstore.Project, model: Model) -> None:
    client, stub = project._client, project._client.stubs.models
    for start in range(0, BOUND, 250):
        tags = [f"{start + number}" for number in range(250)]
        client.call(stub.UpdateModelTags, model_pb2.UpdateModelTagsRequest(model_id=str(model.id), add=tags))
    with pytest.raises(errors.InvalidArgument, match="at most 1000 tags: remove some first") as caught:
        client.call(stub.UpdateModelTags, model_pb2.UpdateModelTagsRequest(model_id=str(model.id), add=["more"]))
    assert caught.value.metadata["field"] == "add"
    swapped = model_pb2.UpdateModelTagsRequest(model_id=str(model.id), add=["more"], remove=["5"])
    assert list(client.call(stub.UpdateModelTags, swapped).tags)[-1] == "more"


def test_model_with_more_tags_than_a_message_takes_breaks_nothing(
    backend: Backend, project: xpstore.Project, model: Model
) -> None:
    experiment, tag = project.experiment("e"), "t" * 90
    other = experiment.model("other")
    rows = ({"model_id": str(model.id), "tag": f"{tag} {number:06}", "position": number} for number in range(50_000))
    put(backend, tables.model_tag, *rows)
    assert experiment.models.list() == list(experiment.models.search()) == [model, other]
    read = experiment.models.read("h")
    assert read is not None and (len(read._wire.tags), read._wire.tag_count) == (BOUND, 50_000)
    assert read.tags.list()[0] == f"{tag} 000000"
    client, stub = project._client, project._client.stubs.models
    removal = model_pb2.UpdateModelTagsRequest(model_id=str(model.id), remove=[f"{tag} 000000"])
    assert client.call(stub.UpdateModelTags, removal).tags[0] == f"{tag} 000001"


def test_page_of_files_with_long_names_fits_a_message(project: xpstore.Project, raw: Raw) -> None:
    names = [f"{number:04}/" + "/".join(["d" * 200] * 19) for number in range(1_100)]
    pages = list[bytes]()
    for start in range(0, len(names), 200):
        pages.append(page_of(*(entry_of(name, None) for name in names[start : start + 200])))
    raw.upload(*map(chunk_of, pages))
    version = raw.commit(root_of(*pages), "long").version
    request = pb.ListArtifactFilesRequest(version_id=version.id)
    listed = [file.path for file in iterate(raw.client, raw.stub.ListArtifactFiles, request, "files")]
    assert listed == names


def test_aliases_beyond_the_bound_are_all_listed(backend: Backend, project: xpstore.Project) -> None:
    artifact = DirectoryArtifact.save(b"1", "data")
    of = {"artifact_id": artifact._wire.artifact_id, "version_id": artifact.id}
    put(backend, tables.artifact_alias, *({**of, "alias": f"a{number}"} for number in range(BOUND + 1)))
    assert len(artifact.refresh().aliases) == BOUND + 1
    assert project.artifacts.get("data", alias="a999") == artifact  # the last by name, which is not listed


@pytest.mark.client
def test_models_and_a_project_are_listed_in_a_call_for_each_few(
    project: xpstore.Project, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment, count = project.experiment("e"), 60
    for number in range(count):
        experiment.model(f"{number}").metrics.log("loss", 0.5, number)
    model.metrics.log("note", "text")
    project._client.flush()
    made = list[str]()
    call = Client.call

    def counted(self: Client, method: Any, request: Any, **options: Any) -> Any:
        made.append(type(request).__name__)
        return call(self, method, request, **options)

    monkeypatch.setattr(Client, "call", counted)
    for number in range(3):
        artifact = DirectoryArtifact.save(b"%d" % number, "data")
    made.clear()
    listed = project_rows(project)
    assert made == ["ListExperimentsRequest", "ListArtifactsRequest"]
    assert [(row["kind"], row["name"]) for row in listed] == [("experiment", "e"), ("artifact", "data")]
    assert listed[-1]["version"] == artifact.version == 3
    made.clear()
    rows = experiment.models.table(columns=["step", "status"])
    steps = last_steps(project._client, [str(row["id"]) for row in rows])
    assert made == ["SearchModelsRequest", "ListSeriesRequest", "ListSeriesRequest"]
    assert list(steps.values()) == [None, *range(count)]
    assert {(row["step"], row["status"]) for row in rows} == {(0, None)}


@pytest.mark.client
def test_what_waits_offline_is_bounded_too_and_all_of_it_arrives(server: Any, tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("XPSTORE_SPOOL", str(tmp_path / "spool"))
    names = [[f"{part}{number}" for number in range(600)] for part in "ab"]
    offline = Client(api_url=server.address, offline=True)
    with offline.project(f"offline {new_id()}") as project:
        first, second = (DirectoryArtifact.save(b"same", "data", aliases=some) for some in names)
        assert first != second and DirectoryArtifact.save(b"same", "data", aliases=names[1]) == second
        for number in range(400):
            second.alias(f"c{number}")
        with pytest.raises(errors.ResourceExhausted, match=r"aliases: .*Save it again"):
            second.alias("one-more")
    offline.close()
    online = Client(server.api_key, server.address)
    assert sync(online).refused == {}
    found = online.project(project.id).artifacts.list()
    assert [len(one.aliases) for one in found] == [600, 1_000]
    online.close()
