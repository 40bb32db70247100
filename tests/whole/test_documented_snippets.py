"""The published snippets run as they are printed: only the two placeholder strings are replaced."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import xpstore
from support.homes import without_settings
from support.services import Server

pytestmark = pytest.mark.client

COMPAT = Path(__file__).parents[2] / "client" / "compat" / "xpdeep"
ID = "a unique id for your Project"

IMPORTS = """
from xpdeep import init, set_project
from xpdeep.project import Project, get_all_projects
"""
INIT = """
init(api_key="api_key", api_url="api_url")
"""
BLOCK = """
with Project(id="a unique id for your Project", name="MyProjectName") as project:
    project.delete()                              # allowed inside its own block; the block exits cleanly
    available_projects = get_all_projects()       # still works there
"""
OF_MAIN = (
    "'square' may be a name of other functions too, so its code counts beside its version. "
    "Say @cached(name=..., version=...) to give it a name of its own, then the version alone counts.\n"
)
SET_PROJECT = """
set_project(Project(id="a unique id for your Project", name="MyProjectName"))   # project for the whole session
"""
# One statement more, to look inside: the snippets themselves print nothing.
SHOW = """
print([project.id for project in available_projects])
"""


def run(snippet: str, server: Server) -> str:
    code = snippet.replace('"api_key"', repr(server.api_key)).replace('"api_url"', repr(server.address))
    paths = os.pathsep.join([os.fspath(COMPAT), os.environ.get("PYTHONPATH", "")])
    environment = {**without_settings(), "PYTHONPATH": paths}
    command = [sys.executable, "-X", "dev", "-c", code]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and not result.stderr.replace(OF_MAIN, ""), result.stderr
    return result.stdout


def the_project() -> xpstore.Project:
    return next(project for project in xpstore.get_all_projects() if project.id == ID)


def test_snippets_run_verbatim_twice_in_a_row(client: xpstore.Client, server: Server) -> None:
    snippet = IMPORTS + INIT + BLOCK + SET_PROJECT
    assert run(snippet, server) == ""
    first = the_project()
    assert (first.id, first.name) == (ID, "MyProjectName")
    assert run(snippet, server) == ""
    second = the_project()
    assert second.uid != first.uid
    assert [project.id for project in xpstore.get_all_projects()].count(ID) == 1


def test_project_deleted_in_its_own_block_is_gone_from_the_list_there(client: xpstore.Client, server: Server) -> None:
    assert ID not in run(IMPORTS + INIT + BLOCK + SHOW, server)
    assert ID not in [project.id for project in xpstore.get_all_projects()]


def test_project_set_for_the_session_stays(client: xpstore.Client, server: Server) -> None:
    run(IMPORTS + INIT + SET_PROJECT, server)
    uid = the_project().uid
    run(IMPORTS + INIT + SET_PROJECT, server)
    assert the_project().uid == uid
    the_project().delete()


CACHE = """
from xpstore import Project, cached, init
init(api_key="api_key", api_url="api_url")
project = Project(id="cached")


@cached(name=None, version=1, ignore=(), ttl=None)
def square(number: int) -> int:
    print("computing")
    return number * number


with project:
    assert square(3) == square(3) == 9
    assert square.artifact(3).id == square.artifact(3).id
    process, parameters, compute = "cube", {"number": 3}, lambda: 27
    assert project.cache.get_or_compute(process, parameters, compute).load() == 27
"""


def test_cached_results_are_computed_once_also_by_the_next_program(client: xpstore.Client, server: Server) -> None:
    assert run(CACHE, server) == "computing\n"
    assert run(CACHE, server) == ""


def test_guide_to_the_cache_runs_as_it_is_printed(client: xpstore.Client, server: Server, tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "cache.md").read_text()
    snippet = "\n".join(re.findall(r"```python\n(.*?)```", guide, re.DOTALL))
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    result = subprocess.run(
        [sys.executable, "-c", snippet],
        env={**without_settings(), **access},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert "parameter size: 5, was 4" in result.stdout
    assert "The cached result of 'first line' was wrong" in result.stderr


@pytest.mark.parametrize(
    ("snippet", "error"),
    [
        (IMPORTS + BLOCK, "NotInitialized"),
        (IMPORTS + SET_PROJECT, "NotInitialized"),
        (IMPORTS + INIT + "from xpdeep import get_project; get_project()", "NoProject"),
    ],
)
def test_missing_step_has_its_own_error(snippet: str, error: str, server: Server) -> None:
    with pytest.raises(AssertionError, match=rf"xpstore\.errors\.{error}"):
        run(snippet, server)
