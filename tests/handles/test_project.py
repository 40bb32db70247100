"""Projects and the session: the current project, deletion, and ids that are used again."""

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest

import xpstore
from support.services import Server
from xpstore import errors
from xpstore._session import current as session
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.project import Project, get_all_projects
from xpstore.v1 import project_pb2 as pb


@pytest.fixture
def id_() -> str:
    """An id with spaces, as the documentation has one."""
    return f"a unique id for your Project {secrets.token_hex(6)}"


@pytest.fixture
def no_session() -> Iterator[None]:
    before, session._client = session._client, None
    projects = session.set_current(None)
    yield
    session._client = before
    session.restore(projects)


def ids() -> list[str]:
    return [project.id for project in get_all_projects()]


def test_entering_a_project_creates_it(client: Client, id_: str) -> None:
    with Project(id=id_, name="MyProjectName") as project:
        assert (project.id, project.name, project.created_by) == (id_, "MyProjectName", "admin")
        assert project.created_at == project.updated_at
        assert ids().count(id_) == 1


def test_making_the_object_alone_creates_nothing(client: Client, id_: str) -> None:
    Project(id=id_, name="MyProjectName")
    assert id_ not in ids()


def test_entering_an_existing_project_opens_it_and_the_stored_name_wins(client: Client, id_: str) -> None:
    with Project(id=id_, name="first") as first:
        pass
    with Project(id=id_, name="second") as second:
        assert (second.name, second.uid) == ("first", first.uid)
        assert second == first


def test_setting_a_project_creates_it_for_the_whole_session(client: Client, id_: str) -> None:
    project = xpstore.set_project(Project(id=id_, name="n"))
    assert xpstore.get_project() is project
    assert id_ in ids()


def test_name_is_the_id_when_none_is_given(client: Client, id_: str) -> None:
    with Project(id_) as project:
        assert project.name == id_


def test_project_is_deleted_inside_its_own_block_and_the_block_exits_cleanly(client: Client, id_: str) -> None:
    with Project(id=id_, name="n") as project:
        project.delete()
        assert id_ not in ids()
    with pytest.raises(errors.NoProject):
        xpstore.get_project()


def test_deleting_a_project_twice_is_no_error(client: Client, id_: str) -> None:
    with Project(id_) as project:
        project.delete()
        project.delete()


def test_deleting_what_never_was_creates_nothing(client: Client, id_: str) -> None:
    Project(id_).delete()
    assert id_ not in ids()


def test_id_of_a_deleted_project_is_free_at_once_and_shows_nothing_of_the_old_one(client: Client, id_: str) -> None:
    with Project(id_, "old") as old:
        model = old.experiment("e").model("h")
        model.metrics.log("loss", 1)
        old.delete()
    with Project(id_, "new") as new:
        assert (new.name, new.uid == old.uid) == ("new", False)
        assert new.experiments.list() == []
        again = new.experiment("e").model("h")
        assert (again.id == model.id, again.step, again.metrics.list()) == (False, 0, [])


def test_handles_below_a_deleted_project_find_nothing(project: Project) -> None:
    experiment = project.experiment("e")
    model = experiment.model("h")
    project.delete()
    with pytest.raises(errors.NotFound) as caught:
        model.metrics.list()
    assert caught.value.metadata["resource"] == "model"
    with pytest.raises(errors.NotFound):
        experiment.model("other")
    with pytest.raises(errors.NotFound):
        project.experiments.list()
    assert experiment.models.read("h") is None


def test_undeleted_project_has_everything_it_had(client: Client, id_: str) -> None:
    with Project(id_, "n") as project:
        project.experiment("e").model("h").metrics.log("loss", 1)
        project.delete()
    back = Project.undelete(project.uid)
    assert (back.id, back.name) == (id_, "n")
    model = back.experiment("e").models.read("h")
    assert model is not None
    assert [metric.value for metric in model.metrics.list()] == [1]


def test_undelete_is_refused_while_the_id_is_taken_by_another(client: Client, id_: str) -> None:
    with Project(id_) as old:
        old.delete()
    with Project(id_), pytest.raises(errors.AlreadyExists) as caught:
        Project.undelete(old.uid)
    assert isinstance(caught.value, ValueError)
    assert caught.value.metadata["resource"] == "project"


def test_undelete_of_an_unknown_uid_is_not_found(client: Client) -> None:
    with pytest.raises(errors.NotFound):
        Project.undelete(new_id())


def test_get_by_id_opens_and_never_creates(client: Client, id_: str) -> None:
    with pytest.raises(errors.NotFound) as caught:
        Project.get_by_id(id_)
    assert isinstance(caught.value, LookupError)
    assert id_ not in ids()
    with Project(id_) as made:
        assert Project.get_by_id(id_) == made


def test_update_changes_name_and_description(project: Project) -> None:
    project.update(name="new", description="what it is about")
    read = Project.get_by_id(project.id)
    assert (read.name, read.description) == ("new", "what it is about")
    assert read.updated_at > read.created_at
    assert read.updated_by == "admin"


def test_stale_etag_is_a_conflict_and_changes_nothing(client: Client, project: Project) -> None:
    old = client.call(client.stubs.projects.GetProject, pb.GetProjectRequest(project_uid=project.uid)).project
    project.update(name="second")
    request = pb.UpdateProjectRequest(project_uid=project.uid, name="third", etag=old.etag)
    request.update_mask.paths.append("name")
    with pytest.raises(errors.Conflict):
        client.call(client.stubs.projects.UpdateProject, request)
    assert Project.get_by_id(project.id).name == "second"


def test_repeated_creation_is_answered_with_the_same_project(client: Client, id_: str) -> None:
    request = pb.CreateProjectRequest(project_id=id_, name="n", creation_id=new_id())
    first = client.call(client.stubs.projects.CreateProject, request)
    again = client.call(client.stubs.projects.CreateProject, request)
    assert first == again
    assert first.created


def test_sixteen_threads_open_one_project(client: Client, id_: str) -> None:
    with ThreadPoolExecutor(16) as pool:
        uids = set(pool.map(lambda number: Project(id_, str(number)).open().uid, range(16)))
    assert len(uids) == 1


def test_current_project_is_seen_by_other_threads(project: Project) -> None:
    seen: list[Project] = []
    thread = Thread(target=lambda: seen.append(xpstore.get_project()))
    thread.start()
    thread.join()
    assert seen == [project]


def test_inner_block_wins_and_the_outer_project_comes_back(project: Project, id_: str) -> None:
    with Project(id_) as inner:
        assert xpstore.get_project() is inner
    assert xpstore.get_project() is project


def test_project_that_is_entered_twice_is_left_twice(client: Client, id_: str) -> None:
    project = Project(id_)
    with project, project:
        assert xpstore.get_project() is project
    with pytest.raises(errors.NoProject):
        xpstore.get_project()


def test_missing_init_and_missing_project_are_two_errors(no_session: None, server: Server) -> None:
    for call in (xpstore.get_project, get_all_projects, Project("x").open):
        with pytest.raises(errors.NotInitialized):
            call()
    xpstore.init(server.api_key, server.address)
    with pytest.raises(errors.NoProject):
        xpstore.get_project()


def test_init_of_another_server_forgets_the_project(project: Project, server: Server) -> None:
    xpstore.init(server.api_key, f"http://{server.address}")  # as far as the client can know
    with pytest.raises(errors.NoProject):
        xpstore.get_project()


def test_client_works_without_a_session(no_session: None, server: Server, id_: str) -> None:
    client = Client(server.api_key, server.address)
    client.project(id_, "n").experiment("e").model("h").metrics.log("loss", 1)
    assert [experiment.name for experiment in client.project(id_).experiments.list()] == ["e"]
    with pytest.raises(errors.NotInitialized):
        xpstore.get_project()
    client.close()


def test_wrong_key_is_refused_by_init(no_session: None, server: Server) -> None:
    with pytest.raises(errors.Unauthenticated):
        xpstore.init("wrong" + server.api_key, server.address)
    with pytest.raises(errors.NotInitialized):
        xpstore.get_project()


def test_projects_are_listed_oldest_first(client: Client) -> None:
    made = [Project(f"{number} {secrets.token_hex(6)}").open().id for number in range(5)]
    assert [id_ for id_ in ids() if id_ in made] == made


def test_pages_hold_each_project_once_while_projects_go(client: Client) -> None:
    made = [Project(f"{number} {secrets.token_hex(6)}").open() for number in range(6)]
    seen: list[str] = []
    request = pb.ListProjectsRequest(page_size=2)
    while True:
        response = client.call(client.stubs.projects.ListProjects, request)
        assert len(response.projects) <= 2
        seen += [wire.id for wire in response.projects]
        if made[0].id in seen:
            made[0].delete()  # what was listed already does not shift the rest
        if not response.next_page_token:
            break
        request.page_token = response.next_page_token
    assert [id_ for id_ in seen if id_ in {project.id for project in made}] == [project.id for project in made]


def test_repr_is_short(project: Project) -> None:
    assert repr(project) == f"Project(id={project.id!r}, name='test')"


def test_variable_names_the_current_project(client: xpstore.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = secrets.token_hex(6)
    monkeypatch.setenv("XPSTORE_PROJECT", id_)
    assert xpstore.get_project().id == id_
    assert xpstore.Project.get_by_id(id_) == xpstore.get_project()
    with xpstore.Project(f"{id_} inner"):
        assert xpstore.get_project().id == f"{id_} inner"
    assert xpstore.get_project().id == id_
