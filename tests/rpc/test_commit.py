"""CommitArtifact spoken by hand: nothing is published that is not sound and whole, and repeating it is safe."""

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import xpstore
from support.raw import KIB, MIB, Raw, chunk_of, cut, digest_of, entry_of, page_of, root_of, tree_digest
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.v1 import artifact_pb2 as pb

A, B = b"a" * 1000, b"b" * 500


@pytest.fixture
def raw(project: xpstore.Project) -> Raw:
    """A project that has the chunks A and B."""
    raw = Raw(project._client, project.uid)
    raw.upload(chunk_of(A), chunk_of(B))
    return raw


def commit(raw: Raw, *entries: pb.ManifestEntry, **options: object) -> pb.CommitArtifactResponse:
    """Stores a page with these entries, and commits it."""
    page = page_of(*entries)
    raw.upload(chunk_of(page))
    return raw.commit(root_of(page), **options)  # type: ignore[arg-type]


@pytest.mark.store
def test_missing_chunks_are_named_and_nothing_is_published(raw: Raw) -> None:
    lost = [os.urandom(100) for _ in range(3)]
    page = page_of(entry_of("a", A), *(entry_of(f"lost-{i}", data) for i, data in enumerate(lost)))
    answer = raw.commit(root_of(page))
    assert list(answer.missing_digests) == [digest_of(page)] and not answer.HasField("version")
    raw.upload(chunk_of(page))
    answer = raw.commit(root_of(page))
    assert set(answer.missing_digests) == set(map(digest_of, lost)) and not answer.HasField("version")
    assert raw.versions() == []
    raw.upload(*map(chunk_of, lost))
    answer = raw.commit(root_of(page))
    assert answer.created and not answer.missing_digests
    assert [version.id for version in raw.versions()] == [answer.version.id]


def test_version_is_published_only_while_the_newest_is_the_one_that_was_read(raw: Raw) -> None:
    with pytest.raises(errors.Conflict, match="has no version"):
        commit(raw, entry_of("a", A), newest_version_id=new_id())
    assert raw.versions() == []
    id_ = new_id()
    first = commit(raw, entry_of("a", A), version_id=id_, newest_version_id="").version
    assert commit(raw, entry_of("a", A), version_id=id_, newest_version_id="").version == first, "said once more"
    for said in ("", new_id()):
        with pytest.raises(errors.Conflict, match=first.id) as caught:
            commit(raw, entry_of("b", B), newest_version_id=said)
        assert caught.value.metadata["field"] == "draft.newest_version_id"
    second = commit(raw, entry_of("b", B), newest_version_id=first.id).version
    assert [version.id for version in raw.versions()] == [first.id, second.id]
    with pytest.raises(errors.InvalidArgument, match="newest_version_id"):
        commit(raw, entry_of("b", B), newest_version_id="first")


@pytest.mark.store
def test_of_many_that_read_the_same_version_one_publishes(raw: Raw) -> None:
    first = commit(raw, entry_of("a", A)).version

    def change(number: int) -> bool:
        try:
            return commit(raw, entry_of(f"{number}", B), newest_version_id=first.id).created
        except errors.Conflict:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(change, range(8))) == 1
    assert len(raw.versions()) == 2


def test_all_links_are_there_with_the_version_and_in_their_order(raw: Raw, project: xpstore.Project) -> None:
    """Many are stored in several transactions before it is published; what is refused in the end leaves none behind."""
    model = project.experiment("e").model("h")
    links = [pb.ArtifactLink(model_id=str(model.id), step=step) for step in range(1_000)]
    for entry, options in ((entry_of("a", A), {}), (entry_of("b", B), {}), (entry_of("b", B), {"force": True})):
        id_ = new_id()
        for _ in range(2):  # said once more it is the same
            assert commit(raw, entry, version_id=id_, links=links, **options).version.link_count == 1_000
        request, steps = pb.ListArtifactLinksRequest(version_id=id_, page_size=1_000), list[int]()
        while not steps or request.page_token:
            page = raw.client.call(raw.stub.ListArtifactLinks, request)
            steps += [link.step for link in page.links]
            request.page_token = page.next_page_token
        assert steps == list(range(1_000))
    lost = pb.ArtifactLink(model_id=new_id())
    with pytest.raises(errors.NotFound):
        commit(raw, entry_of("c", A), name="other", links=[*links[:-1], lost])
    assert [version.version for version in raw.versions()] == [1, 2, 3]


@pytest.mark.store
def test_repeated_commit_is_answered_with_the_same_version(raw: Raw) -> None:
    id_ = new_id()
    first = commit(raw, entry_of("a", A), version_id=id_, force=True)
    again = commit(raw, entry_of("a", A), version_id=id_, force=True)
    assert first.version.id == again.version.id == id_
    assert first.created and again.created and again.version.version == 1
    assert commit(raw, entry_of("b", B)).version.version == 2
    assert commit(raw, entry_of("a", A), version_id=id_).version == again.version
    assert len(raw.versions()) == 2


@pytest.mark.store
def test_same_commit_many_times_at_once_makes_one_version(raw: Raw) -> None:
    page = page_of(entry_of("a", A))
    raw.upload(chunk_of(page))
    for round_ in range(5):
        id_ = new_id()

        def attempt(_: int, id_: str = id_) -> pb.CommitArtifactResponse:
            return raw.commit(root_of(page), version_id=id_, force=True)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(attempt, range(8)))
        assert {(one.version.id, one.version.version) for one in answers} == {(id_, round_ + 1)}


@pytest.mark.store
def test_many_new_versions_at_once_have_numbers_without_gaps(raw: Raw) -> None:
    pages = [page_of(entry_of(f"file-{i}", A)) for i in range(12)]
    raw.upload(*map(chunk_of, pages))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda page: raw.commit(root_of(page), "raced"), pages))
    assert sorted(one.version.version for one in answers) == list(range(1, 13))
    assert [one.version for one in raw.versions()] == list(range(1, 13))


def test_same_content_at_once_is_one_version(raw: Raw) -> None:
    page = page_of(entry_of("a", A))
    raw.upload(chunk_of(page))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: raw.commit(root_of(page), "same"), range(8)))
    assert len({one.version.id for one in answers}) == 1
    assert sum(one.created for one in answers) == 1


def test_id_of_a_version_is_not_used_twice(raw: Raw) -> None:
    id_ = commit(raw, entry_of("a", A)).version.id
    with xpstore.Project(f"other {new_id()}") as project:
        other = Raw(project._client, project.uid)
        other.upload(chunk_of(A))
        with pytest.raises(errors.AlreadyExists) as caught:
            commit(other, entry_of("a", A), version_id=id_)
        assert caught.value.metadata["field"] == "version_id"
        assert other.versions() == []
    raw.client.call(raw.stub.DeleteArtifactVersion, pb.DeleteArtifactVersionRequest(version_id=id_))
    with pytest.raises(errors.NotFound):
        commit(raw, entry_of("a", A), version_id=id_)
    assert raw.versions() == []


def test_used_id_is_answered_for_the_same_name_and_tree_alone(raw: Raw) -> None:
    """However it is cut and described: what is in it is the same."""
    data, other = os.urandom(3000), os.urandom(3000)
    raw.upload(*map(chunk_of, [data, other, *cut(data, 1000)]))
    first = commit(raw, entry_of("a", data), name="weights").version
    again: list[tuple[pb.ManifestEntry, dict[str, Any]]] = [
        (entry_of("a", data), {}),
        (entry_of("a", data, 1000), {}),
        (entry_of("a", data), {"description": "another", "metadata_json": "{}", "force": True}),
    ]
    for entry, draft in again:
        assert commit(raw, entry, name="weights", version_id=first.id, **draft).version == first
    for entry, name in ((entry_of("a", other), "weights"), (entry_of("b", data), "weights"), (again[0][0], "biases")):
        with pytest.raises(errors.AlreadyExists) as caught:
            commit(raw, entry, name=name, version_id=first.id)
        assert (caught.value.metadata["field"], caught.value.metadata["value"]) == ("version_id", first.id)
    assert raw.versions() == [first]
    # An upload is no exception: its id becomes that of its version.
    with pytest.raises(errors.AlreadyExists):
        raw.upload_file(raw.header(upload_id=first.id), [other])
    header = raw.header(upload_id=first.id, path="a", draft=pb.ArtifactDraft(name="weights", type="directory"))
    with pytest.raises(errors.AlreadyExists):  # the id is that of an upload with another header, by now
        raw.upload_file(header, [data])


def test_two_commits_under_one_id_at_once_are_one_version(raw: Raw) -> None:
    """One of them wins; the other is refused, and never answered with what it did not send."""
    data = [os.urandom(100) for _ in range(4)]
    raw.upload(*map(chunk_of, data))
    for _ in range(5):
        id_ = new_id()

        def attempt(place: int, id_: str = id_) -> bytes:
            try:
                return commit(raw, entry_of("a", data[place]), version_id=id_, force=True).version.digest
            except errors.AlreadyExists:
                return b""

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(attempt, range(4)))
        (version,) = (one for one in raw.versions() if one.id == id_)
        won = [place for place, digest in enumerate(answers) if digest]
        assert len(won) == 1 and answers[won[0]] == version.digest == tree_digest({"a": data[won[0]]})


@pytest.mark.parametrize("data", [b"", b"some bytes", A], ids=["nothing", "little", "one chunk"])
def test_file_of_one_chunk_or_none_has_the_digest_of_its_bytes(data: bytes, raw: Raw) -> None:
    raw.upload(*(chunk_of(piece) for piece in [data] if piece))
    with pytest.raises(errors.InvalidArgument, match=r"entries\.digest") as caught:
        commit(raw, entry_of("a", data, digest=digest_of(b"other")))
    assert caught.value.metadata["field"] == "manifest.pages"
    assert raw.versions() == []
    assert commit(raw, entry_of("a", data)).version.size_bytes == len(data)


def test_commit_to_a_deleted_project_is_not_found(raw: Raw, project: xpstore.Project) -> None:
    project.delete()
    with pytest.raises(errors.NotFound) as caught:
        raw.commit(pb.ManifestRoot())
    assert caught.value.metadata["resource"] == "project"


Pages = Callable[[], list[bytes]]
LOW, HIGH = page_of(entry_of("a", A)), page_of(entry_of("b", B))
HALF = {"size_bytes": 1000, "digest": digest_of(A)}

BAD_TREES: dict[str, tuple[str, Pages]] = {
    "unsafe path": ("entries.path", lambda: [page_of(entry_of("../a", A))]),
    "absolute path": ("entries.path", lambda: [page_of(entry_of("/a", A))]),
    "NUL": ("entries.path", lambda: [page_of(entry_of("a\x00", A))]),
    "empty path": ("entries.path", lambda: [page_of(entry_of("", A))]),
    "order in a page": ("entries.path", lambda: [page_of(entry_of("b", B), entry_of("a", A))]),
    "order of pages": ("entries.path", lambda: [HIGH, LOW]),
    "page twice": ("entries.offset", lambda: [LOW, LOW]),
    "file below a file": ("entries.path", lambda: [LOW, page_of(entry_of("a.x", B), entry_of("a/b", B))]),
    "no type": ("entries.type", lambda: [page_of(entry_of("a", A, type=0))]),
    "unknown type": ("entries.type", lambda: [page_of(entry_of("a", A, type=9))]),
    "directory with bytes": ("entries.type", lambda: [page_of(entry_of("a", A, type=pb.FILE_TYPE_DIRECTORY))]),
    "file too small": ("entries.size_bytes", lambda: [page_of(entry_of("a", A, size_bytes=999))]),
    "file too large": ("entries.size_bytes", lambda: [page_of(entry_of("a", A, size_bytes=1001))]),
    "no digest": ("entries.digest", lambda: [page_of(entry_of("a", A, digest=b""))]),
    "half a chunk digest": (
        "entries.chunk_digests",
        lambda: [page_of(entry_of("a", A, chunk_digests=digest_of(A)[:16]))],
    ),
    "chunk of another size": (
        "chunk_sizes",
        lambda: [page_of(entry_of("a", A, size_bytes=999, chunk_sizes=[999]))],
    ),
    "chunk of two sizes": (
        "chunk_sizes",
        lambda: [page_of(entry_of("a", A, size_bytes=999, chunk_sizes=[999]), entry_of("b", A))],
    ),
    "second part missing": ("entries.size_bytes", lambda: [page_of(entry_of("a", A, size_bytes=1500))]),
    "page without entries": ("manifest.pages", lambda: [b""]),
}


@pytest.mark.parametrize("name", BAD_TREES)
@pytest.mark.client
def test_unsound_tree_is_refused_and_nothing_is_published(name: str, raw: Raw) -> None:
    field, make = BAD_TREES[name]
    pages = make()
    raw.upload(*(chunk_of(page) for page in pages if page))
    root = root_of(*pages) if all(pages) else root_of(LOW, digest=digest_of(A), size_bytes=len(A))
    with pytest.raises(errors.InvalidArgument, match=re.escape(field)) as caught:
        raw.commit(root)
    assert caught.value.metadata["field"] == "manifest.pages"
    assert raw.versions() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": b""},
        {"digest": bytes(31)},
        {"size_bytes": 0},
        {"size_bytes": -1},
        {"size_bytes": len(LOW) + 1},
        {"first_path": ""},
        {"first_path": "b"},
        {"first_offset": 1},
        {"digest": digest_of(A), "size_bytes": len(A)},
    ],
    ids=str,
)
@pytest.mark.client
def test_reference_that_misleads_is_refused(changes: dict[str, object], raw: Raw) -> None:
    raw.upload(chunk_of(LOW))
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.commit(root_of(LOW, **changes))
    assert caught.value.metadata["field"].startswith("manifest.pages")
    assert raw.versions() == []


@pytest.mark.client
def test_root_over_the_limit_is_refused(raw: Raw) -> None:
    root = pb.ManifestRoot()
    while root.ByteSize() <= raw.client.limits.max_manifest_root_bytes:
        root.pages.add(digest=os.urandom(32), size_bytes=1, first_path="x" * 4000)
    with pytest.raises(errors.InvalidArgument) as caught:
        raw.commit(root)
    assert caught.value.metadata["field"] == "manifest"
    root.pages.pop()
    assert len(raw.commit(root).missing_digests) == len(root.pages)
    assert raw.versions() == []


def test_tree_without_entries_is_a_version(raw: Raw) -> None:
    version = raw.commit(pb.ManifestRoot()).version
    assert (version.file_count, version.size_bytes) == (0, 0)
    assert version.digest == digest_of(b"xpstore tree v1\n")


def test_page_may_hold_as_much_as_a_chunk(raw: Raw) -> None:
    data = bytes(1)
    raw.upload(chunk_of(data))
    entries = [entry_of(f"{i:06}", data) for i in range(12_300)]
    page = page_of(*entries)
    assert MIB - 8 * KIB < len(page) <= MIB
    version = commit(raw, *entries).version
    assert version.file_count == 12_300
    assert raw.read(version.id, "012299") == data


def test_links_and_lineage_of_a_commit_must_exist(raw: Raw, project: xpstore.Project) -> None:
    model = project.experiment("e").model("h")
    other = project.experiment("e").model("other")
    iteration = other.iterations.create(1)
    with xpstore.Project(f"other {new_id()}") as elsewhere:
        foreign = elsewhere.experiment("e").model("h")
    cases: list[tuple[type[errors.Error], str, dict[str, object]]] = [
        (errors.NotFound, "model", {"links": [pb.ArtifactLink(model_id=new_id())]}),
        (errors.NotFound, "model", {"links": [pb.ArtifactLink(model_id=str(foreign.id))]}),
        (errors.InvalidArgument, "draft.links.model_id", {"links": [pb.ArtifactLink(model_id="x")]}),
        (
            errors.NotFound,
            "iteration",
            {"links": [pb.ArtifactLink(model_id=str(model.id), iteration_id=str(iteration.id))]},
        ),
        (
            errors.NotFound,
            "iteration",
            {"links": [pb.ArtifactLink(model_id=str(model.id), iteration_id=new_id())]},
        ),
        (
            errors.InvalidArgument,
            "draft.links.step",
            {"links": [pb.ArtifactLink(model_id=str(model.id), step=-1)]},
        ),
        (errors.NotFound, "artifact version", {"used_version_ids": [new_id()]}),
        (errors.InvalidArgument, "draft.used_version_ids", {"used_version_ids": ["x"]}),
        (errors.InvalidArgument, "draft.aliases", {"aliases": ["v1"]}),
        (errors.InvalidArgument, "draft.aliases", {"aliases": ["a"] * 1001}),
        (errors.InvalidArgument, "draft.type", {"type": "Upper"}),
        (errors.InvalidArgument, "draft.name", {"name": ""}),
        (errors.InvalidArgument, "draft.metadata_json", {"metadata_json": "[]"}),
        (errors.InvalidArgument, "draft.metadata_json", {"metadata_json": "{"}),
        (errors.InvalidArgument, "draft.metadata_json", {"metadata_json": '{"a": "%s"}' % ("x" * 2 * MIB)}),
        (errors.InvalidArgument, "draft.metadata_json", {"metadata_json": '{"a": %s}' % ("9" * 4301)}),
    ]
    for kind, what, draft in cases:
        with pytest.raises(kind) as caught:
            commit(raw, entry_of("a", A), **draft)
        assert what in (caught.value.metadata.get("field"), caught.value.metadata.get("resource")), draft
    assert raw.versions() == []


def test_metadata_with_a_number_of_thousands_of_digits_is_compared(raw: Raw) -> None:
    text = '{"n": %s}' % ("9" * 4300)
    first = commit(raw, entry_of("a", A), metadata_json=text).version
    assert first.metadata_json == text
    assert commit(raw, entry_of("a", A), metadata_json=text).version.id == first.id
    assert commit(raw, entry_of("a", A), metadata_json='{"n": 9}').version.version == 2
