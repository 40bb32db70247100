"""Each kind of value as an argument and as a result: docs/kinds.md says what is cached; nothing comes back wrong."""

import re
from collections.abc import Callable
from typing import Any

import pytest

import xpstore
from support.kinds.page import NOT_CACHED, PAGE, TRUSTED, Kind, as_argument, kinds, trusted_by
from support.kinds.strict import difference
from xpstore import cached

pytestmark = pytest.mark.client

pytest.importorskip("sklearn")

# Of each kind: what the document says of it as an argument, and as a result. Reasons are the libraries' own.
Said = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def all_kinds(tmp_path_factory: pytest.TempPathFactory) -> list[Kind]:
    return list(kinds(tmp_path_factory.mktemp("kinds")))


@pytest.fixture(scope="module")
def said() -> Said:
    rows = re.findall(r"^\| (.*?) \| (.*?) \| (.*) \|$", PAGE.read_text(), re.MULTILINE)
    return {name: (argument.partition(":")[0], result.partition(":")[0]) for name, argument, result in rows}


def test_every_kind_is_in_the_document(all_kinds: list[Kind], said: Said) -> None:
    names = [kind.name for kind in all_kinds]
    assert len(names) == len({*names}) and {*said} - {"kind"} == {*names}
    assert len(names) - sum(kind.group.startswith("Fitted") for kind in all_kinds) >= 200
    assert sum(kind.group.startswith("Fitted") for kind in all_kinds) >= 40


def test_what_the_document_says_of_arguments(all_kinds: list[Kind], said: Said) -> None:
    found = {kind.name: as_argument(kind).partition(":")[0] for kind in all_kinds}
    assert found == {name: said[name][0] for name in found}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("group", re.findall(r"^## (.*)$", PAGE.read_text(), re.MULTILINE))
def test_what_the_document_says_of_results(
    project: xpstore.Project, all_kinds: list[Kind], said: Said, caplog: pytest.LogCaptureFixture, group: str
) -> None:
    found = {kind.name: returned(kind, caplog) for kind in all_kinds if kind.group == group}
    assert found and found == {name: said[name][1] for name in found}


# What is made now, and what was made of it. Globals, as what a function encloses is part of its key.
now: list[Kind] = []
made: list[Any] = []


def make() -> Any:
    made.append(now[0].make())
    return made[-1]


def returned(kind: Kind, caplog: pytest.LogCaptureFixture, trusted: tuple[str, ...] = ()) -> str:
    """What a cached function returns at its second call, compared with what it made at the first."""
    now[:], made[:] = [kind], []
    caplog.clear()
    function: Callable[[], Any] = cached(name=f"{kind.name} {len(trusted)}", version=1, trusted=trusted)(make)
    assert function() is made[0]
    again = function()
    told = [record.getMessage() for record in caplog.records]
    if len(made) == 2:
        assert again is made[1] and len(told) == 1 and "is returned but not cached" in told[0], (kind.name, told)
        allowed = trusted_by(Exception(told[0]))
        return returned(kind, caplog, allowed) if allowed and not trusted else NOT_CACHED
    assert not told and not difference(made[0], again), (kind.name, told, difference(made[0], again))
    return TRUSTED if trusted else kind.comes_back_as
