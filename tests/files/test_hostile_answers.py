"""What a server says of versions and other things is what was asked for and can be read, or a typed error."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import fsspec
import pytest

import xpstore
from support.hostility.hostile import KEY, HostileServer
from support.hostility.scribbler import Scribbler
from xpstore import errors
from xpstore._artifacts.versions import get_version
from xpstore._service.paging import EMPTY_PAGES, iterate
from xpstore.artifact import Artifact, DirectoryArtifact
from xpstore.v1 import artifact_pb2 as pb


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with HostileServer() as server:
        yield server.hold({"a": b"alpha"})


def pages(server: HostileServer, tokens: Sequence[str] | Iterator[str], is_empty: bool = False) -> Iterator[Any]:
    """A list whose pages name these as the next ones."""
    rest = iter(tokens)
    files = [] if is_empty else [server.file_of(server.entries[0])]
    server.list_files = lambda _: pb.ListArtifactFilesResponse(files=files, next_page_token=next(rest))
    client = xpstore.Client(KEY, server.address)
    return iterate(client, client.stubs.artifacts.ListArtifactFiles, pb.ListArtifactFilesRequest(), "files")


@pytest.mark.parametrize(
    "tokens",
    [
        itertools.repeat("same"),
        itertools.cycle("abc"),
        itertools.chain("12345", itertools.cycle("abcdefg")),
        itertools.cycle(map(str, range(100))),
    ],
    ids=["itself", "three", "three after five", "a hundred"],
)
def test_list_whose_pages_lead_back_is_data_loss(tokens: Iterator[str], server: HostileServer) -> None:
    with pytest.raises(errors.DataLoss, match="does not end"):
        for number, _ in enumerate(pages(server, tokens)):
            assert number < 1_000


def test_list_of_empty_pages_is_data_loss(server: HostileServer) -> None:
    with pytest.raises(errors.DataLoss, match="does not end"):
        list(pages(server, map(str, itertools.count()), is_empty=True))


def test_list_of_many_pages_some_of_them_empty_is_whole(server: HostileServer) -> None:
    assert len(list(pages(server, [*map(str, range(300)), ""]))) == 301
    assert list(pages(server, [*map(str, range(EMPTY_PAGES)), ""], is_empty=True)) == []


def test_another_version_than_was_asked_for_is_data_loss(server: HostileServer) -> None:
    client = xpstore.Client(KEY, server.address)
    project = client.project("p")
    server.version.version = 3
    fs = fsspec.filesystem("xpstore", api_key=KEY, api_url=server.address, skip_instance_cache=True)

    def by_name(name: str, version: int | None = None) -> Any:
        return Artifact.get_by_name(name, version=version, project=project)

    assert get_version(client, server.version.id) == get_version(client, "00000000-0000-0000-0000-000000000000")
    assert by_name("hostile") == by_name("hostile", 3)
    assert fs.info("p/hostile@3")["version"] == fs.info("p/hostile@any-alias")["version"] == 3
    wrong: tuple[Callable[[], Any], ...] = (
        lambda: get_version(client, "11111111-1111-4111-8111-111111111111"),
        lambda: by_name("other"),
        lambda: by_name("hostile", 4),
        lambda: fs.info("p/hostile@4"),
        lambda: fs.cat("p/other/a"),
    )
    for ask in wrong:
        with pytest.raises(errors.DataLoss, match="and answered with"):
            ask()


NO_JSON = ["", "{", "[1]", "NaN", '{"x": NaN}', '{"x": -Infinity}', "[" * 100_000]


def shown(client: xpstore.Client) -> dict[str, Callable[[], Any]]:
    """What reads JSON, ids and times of a server."""
    project = client.project("p")
    experiment = project.experiment("e")
    model = experiment.model("h")
    version = DirectoryArtifact.get_by_id("11111111-1111-4111-8111-111111111111")
    return {
        "metadata": lambda: version.metadata,
        "config": lambda: model.config,
        "modules": lambda: [module.attributes for module in model.modules.list()],
        "packages": lambda: [run.packages for run in model.runs],
        "found": lambda: experiment.models.to_pandas("step = 1"),
    }


@pytest.mark.parametrize("text", NO_JSON, ids=range(len(NO_JSON)))
def test_text_that_is_no_json_is_data_loss(text: str) -> None:
    with Scribbler("x", json=text) as server:
        client = xpstore.init("any", server.address)
        try:
            for read in shown(client).values():
                with pytest.raises(errors.DataLoss, match=r"that is no JSON|not a dictionary"):
                    read()
        finally:
            xpstore._session.current.set_client(None)


@pytest.mark.parametrize("time_us", [-(1 << 63), -(1 << 58), 1 << 58, (1 << 63) - 1])
def test_time_that_no_calendar_has_is_data_loss(time_us: int) -> None:
    with Scribbler("x", time_us=time_us) as server:
        project = xpstore.Client("any", server.address).project("p").open()
        for read in (
            lambda: project.created_at,
            lambda: project.artifacts.list()[0].created_at,
            lambda: project.artifacts.list()[0].updated_at,
            lambda: project.experiment("e").model("h").metrics.list("x"),
            lambda: project.experiment("e").model("h").runs[0].started_at,
        ):
            with pytest.raises(errors.DataLoss, match="which no calendar has"):
                read()


@pytest.mark.parametrize("id_", ["", "x", "1" * 31, "../../etc", "\x1b[31m"])
def test_id_that_is_none_is_data_loss(id_: str) -> None:
    with Scribbler("x", id=id_) as server:
        project = xpstore.Client("any", server.address).project("p").open()
        model = project.experiment("e").model("h")
        for read in (
            lambda: project.experiment("e").id,
            lambda: model.experiment_id,
            lambda: model.modules.list(),
            lambda: model.metrics.list("x"),
            lambda: model.runs[0].id,
            lambda: model.iterations.list()[0].model_id,
        ):
            with pytest.raises(errors.DataLoss, match="which is no UUID") as caught:
                read()
            assert str(caught.value).isprintable()
