"""What the server would refuse is refused before the bytes of an artifact are sent."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import xpstore
from support.between.counting_proxy import CountingProxy
from support.services import Server
from xpstore import errors
from xpstore.artifact import DatasetArtifact, DirectoryArtifact, TrainedModelArtifact, stage

pytestmark = pytest.mark.client

SIZE = 4 << 20


@pytest.fixture
def line(server: Server) -> Iterator[CountingProxy]:
    with CountingProxy(server.address) as proxy:
        yield proxy


@pytest.fixture
def counted(line: CountingProxy, server: Server) -> Iterator[xpstore.Project]:
    """A project whose client's bytes are counted."""
    client = xpstore.Client(server.api_key, line.address)
    yield client.project(f"test {secrets.token_hex(6)}").open()
    client.close()


def refused(line: CountingProxy, call: Callable[[], Any], error: type[Exception] = errors.InvalidArgument) -> str:
    before = line.sent_bytes
    with pytest.raises(error) as caught:
        call()
    assert line.sent_bytes - before < 16 << 10
    return str(caught.value)


def test_another_kind_under_a_name_costs_no_bytes(counted: xpstore.Project, line: CountingProxy) -> None:
    first = DirectoryArtifact.save(b"x", "a", project=counted)
    data = os.urandom(SIZE)
    for wait in (True, False):

        def save(wait: bool = wait) -> Any:
            saved: Any = TrainedModelArtifact.save(data, "a", project=counted, wait=wait)  # type: ignore[call-overload]
            return saved if wait else saved.result()

        assert "has the type 'directory'" in refused(line, save)
    with pytest.raises(errors.InvalidArgument, match="has the type 'directory'"):
        TrainedModelArtifact.save(b"small", "a", project=counted)
    first.delete()
    assert TrainedModelArtifact.save(data, "a", project=counted).version == 2  # its versions are gone: any kind again


def test_models_and_versions_of_others_cost_no_bytes(counted: xpstore.Project, line: CountingProxy) -> None:
    data, client = os.urandom(SIZE), counted._client
    assert isinstance(client, xpstore.Client)
    other = client.project(f"test {secrets.token_hex(6)}")
    model = other.experiment("e").model("h")
    used = DirectoryArtifact.save(b"x", "a", project=other)
    gone = counted.experiment("e").model("h")
    counted.experiment("e").models.delete(gone.id)
    options: list[dict[str, Any]] = [
        {"model": model},
        {"iteration": model.iterations.create(1)},
        {"used": [used]},
        {"model": gone},
        {"used": ["6f1c2b9e-4d1f-4c55-9a57-3d8f0d3c2a11"]},
    ]
    for one in options:
        refused(line, lambda: DirectoryArtifact.save(data, "b", project=counted, **one), errors.NotFound)  # noqa: B023
    assert counted.artifacts.list() == []


@pytest.mark.parametrize("name", ["a\\b", "C:", "a:b.txt", "a::b", "deep/" * 900 + "x"])
def test_path_that_is_refused_costs_no_bytes(
    counted: xpstore.Project, line: CountingProxy, tmp_path: Path, name: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "large").write_bytes(os.urandom(SIZE))
    folder, place = data, name.split("/")
    descriptor = os.open(data, os.O_RDONLY)
    for part in place[:-1]:  # longer than the kernel takes at once
        os.mkdir(part, dir_fd=descriptor)
        above, descriptor = descriptor, os.open(part, os.O_RDONLY, dir_fd=descriptor)
        os.close(above)
    os.close(os.open(place[-1], os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)
    for call in (
        lambda: DirectoryArtifact.save(folder, "a", project=counted),
        lambda: DirectoryArtifact.save(folder, "a", project=counted, wait=False).result(),
        lambda: stage(folder, project=counted),
    ):
        message = refused(line, call)
        assert "source = " in message
    if len(name) < 100:
        assert repr(name) in message and "backslash or a drive" in message


@pytest.mark.parametrize("save", [DirectoryArtifact.save, TrainedModelArtifact.save, DatasetArtifact.save])
def test_empty_path_is_refused(project: xpstore.Project, save: Callable[..., Any]) -> None:
    with pytest.raises(errors.InvalidArgument, match="source = '': is empty"):
        save("", "a")
    with pytest.raises(errors.InvalidArgument, match="source = '': is empty"):
        stage("")
    assert project.artifacts.list() == []


@pytest.mark.parametrize(
    ("field", "name", "options"),
    [
        ("name", "", {}),
        ("name", "x" * 257, {}),
        ("name", "a\nb", {}),
        ("name", "\ud800", {}),
        ("name", 5, {}),
        ("aliases", "a", {"aliases": ["7"]}),
        ("aliases", "a", {"aliases": "latest"}),
        ("aliases", "a", {"aliases": ["a b"]}),
        ("aliases", "a", {"aliases": ["x" * 129]}),
        ("aliases", "a", {"aliases": 5}),
        ("aliases", "a", {"aliases": [f"a{number}" for number in range(1_001)]}),
        ("description", "a", {"description": "x" * 16_385}),
        ("description", "a", {"description": "\x00"}),
        ("description", "a", {"description": 5}),
        ("metadata", "a", {"metadata": {"x": "y" * (1 << 20)}}),
        ("metadata", "a", {"metadata": [1]}),
        ("used", "a", {"used": ["no id"]}),
        ("used", "a", {"used": [5.5]}),
        ("model", "a", {"model": "no model"}),
        ("model", "a", {"model": 5.5}),
        ("iteration", "a", {"iteration": 5.5}),
        ("step", "a", {"step": 1}),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_malformed_option_costs_no_bytes(
    counted: xpstore.Project, line: CountingProxy, field: str, name: Any, options: dict[str, Any]
) -> None:
    data = os.urandom(SIZE)
    message = refused(line, lambda: DirectoryArtifact.save(data, name, project=counted, **options))
    assert message.startswith(field)
    message = refused(line, lambda: DirectoryArtifact.commit([], name, project=counted, **options))
    assert message.startswith(field)


def test_option_that_does_not_exist_is_refused(project: xpstore.Project) -> None:
    wrong: dict[str, Any]
    for wrong in ({"alias": "prod"}, {"meta": {}}, {"steps": 5}):
        (option,) = wrong
        with pytest.raises(TypeError, match=f"there is no option '{option}': there are description, metadata, aliases"):
            DirectoryArtifact.save(b"x", "a", **wrong)
    assert project.artifacts.list() == []


def test_one_version_may_be_used_without_a_list(project: xpstore.Project) -> None:
    first = DirectoryArtifact.save(b"x", "a")
    assert DirectoryArtifact.save(b"y", "b", used=first).used == [first]  # type: ignore[call-overload]
    assert DirectoryArtifact.save(b"z", "c", used=first.id).used == [first]


def test_iteration_of_another_model_is_refused(project: xpstore.Project) -> None:
    model, other = (project.experiment("e").model(hash_) for hash_ in "ab")
    with pytest.raises(errors.InvalidArgument, match=r"iteration = Iteration\(step=1.*of another model"):
        DirectoryArtifact.save(b"x", "a", model=model, iteration=other.iterations.create(1))
    saved = DirectoryArtifact.save(b"x", "a", model=model, iteration=model.iterations.create(1))
    assert saved.model == model


def test_collections_of_artifacts_say_whose_they_are(project: xpstore.Project) -> None:
    model = project.experiment("e").model("h")
    assert repr(model.artifacts) == f"ModelArtifacts(project_uid={project.uid!r}, model_id={str(model.id)!r})"
    assert repr(project.artifacts) == f"ProjectArtifacts(project_uid={project.uid!r})"
    iteration = model.iterations.create(1)
    assert repr(iteration.artifacts).endswith(f"model_id={str(model.id)!r}, iteration_id={str(iteration.id)!r})")
