"""Results of the program's own classes: kept by name and fields, read without running anything of the class."""

import dataclasses
import enum
import json
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

import xpstore
from support.computed import calls
from support.kinds import own
from support.kinds.page import Files
from support.services import Server
from xpstore import cached, errors
from xpstore._caching.state import CacheState
from xpstore._results import results

pytestmark = pytest.mark.client


def written(value: Any, folder: Path) -> Any:
    """What `value.json` says of a value."""
    results.write(value, folder)
    return json.loads((folder / "value.json").read_text())["value"]


def read(node: Any, folder: Path) -> Any:
    (folder / "value.json").write_text(json.dumps({"xpstore_value": 1, "value": node}))
    return results.read(None, Files(folder))  # type: ignore[arg-type]


def test_objects_are_their_names_and_fields(tmp_path: Path) -> None:
    value = [own.Score("a", 0.5), own.Point(1), own.Color.RED, own.Access.READ | own.Access.WRITE]
    assert written(value, tmp_path) == [
        {"$data_class": ["support.kinds.own:Score", {"name": "a", "value": 0.5, "more": None}]},
        {"$named_tuple": ["support.kinds.own:Point", ["x", "y"], [1, 2]]},
        {"$enum": ["support.kinds.own:Color", "RED", 1]},
        {"$enum": ["support.kinds.own:Access", None, 3]},
    ]


def test_reading_runs_nothing_of_the_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = written([own.Frozen(1, 5), own.Slots(1), own.Doubled(3)], tmp_path)

    def fails(*args: Any, **kwargs: Any) -> None:
        raise AssertionError

    for kind in (own.Frozen, own.Slots, own.Doubled):
        for name in ("__init__", "__post_init__", "__setattr__", "__reduce__", "__setstate__"):
            monkeypatch.setattr(kind, name, fails, raising=False)
    frozen, slots, doubled = read(node, tmp_path)
    assert (frozen.x, frozen.y, slots.x, doubled.twice) == (1, 5, 1, 6)


@pytest.mark.parametrize(
    ("value", "change"),
    [
        (own.Score("a"), dataclasses.make_dataclass("Score", ["name", "value"])),
        (own.Score("a"), dataclasses.make_dataclass("Score", ["name", "value", "more", "new"])),
        (own.Score("a"), type("Score", (), {})),
        (own.Score("a"), len),
        (own.Point(1), namedtuple("Point", "y x")),
        (own.Color.RED, enum.Enum("Color", {"RED": 2})),
        (own.Color.RED, enum.Enum("Color", {"GREEN": 1})),
        (own.Color.RED, namedtuple("Color", "RED")),
    ],
    ids=lambda value: "",
)
def test_class_that_changed_is_no_longer_the_one(
    value: Any, change: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = written(value, tmp_path)
    monkeypatch.setattr(own, type(value).__name__, change)
    with pytest.raises(errors.Conflict, match="is another than when the result was stored"):
        read(node, tmp_path)
    monkeypatch.delattr(own, change.__name__ if hasattr(own, change.__name__) else type(value).__name__)
    with pytest.raises(errors.Conflict, match="is another"):
        read(node, tmp_path)
    with pytest.raises(errors.InvalidArgument, match="a class that its name does not lead to"):
        written(value, tmp_path)


def test_stored_name_does_not_choose_what_is_imported(tmp_path: Path) -> None:
    """A module is imported only if its package is; a name that leads to something else is refused."""
    assert "antigravity" not in sys.modules
    for tag, parts in (("$data_class", [{}]), ("$named_tuple", [[], []]), ("$enum", ["A", 1])):
        with pytest.raises(errors.InvalidArgument, match="module antigravity: import it first"):
            read({tag: ["antigravity:geohash", *parts]}, tmp_path)
        for name in ("os:system", "builtins:dict", "support.kinds.own:Plain", "support.kinds.own:local.x", "os:"):
            with pytest.raises(errors.Conflict):
                read({tag: [name, *parts]}, tmp_path)
        with pytest.raises(errors.InvalidArgument, match="cannot be imported"):
            read({tag: ["xpstore.no_such_module:X", *parts]}, tmp_path)
    assert "antigravity" not in sys.modules


def test_module_of_a_package_that_is_imported_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = written(own.Point(1), tmp_path)
    monkeypatch.delitem(sys.modules, "support.kinds.own")
    back = read(node, tmp_path)
    assert back == (1, 2) and type(back) is sys.modules["support.kinds.own"].Point


def test_result_of_a_class_that_changed_is_computed_and_replaced(
    project: xpstore.Project, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    @cached(name="scored", version=1)
    def scored() -> Any:
        calls.append(1)
        return own.Score("a")

    assert scored() == scored() == own.Score("a") and calls == [1]
    other = dataclasses.make_dataclass("Score", ["name"])
    other.__module__ = own.__name__
    monkeypatch.setattr(own, "Score", other)
    assert scored() == other("a") == scored() and calls == [1, 1]
    (told,) = [record.message for record in caplog.records if "cannot be read" in record.message]
    assert "'scored' cannot be read and is replaced: Conflict: the class support.kinds.own:Score" in told
    assert project._client.kept(CacheState).counts.hits == 2


SCRIPT = """
import dataclasses, sys
import xpstore

@dataclasses.dataclass
class {name}:
    x: int

@xpstore.cached(name="of a script", version=1)
def make():
    print("computed")
    return {name}(1)

xpstore.init(*sys.argv[1:3])
with xpstore.Project(id=sys.argv[3], name="test"):
    assert make() == {name}(1)
"""


def test_class_of_a_script_is_that_of_the_script_that_reads(
    project: xpstore.Project, server: Server, tmp_path: Path
) -> None:
    """One that has no such class computes, and leaves the result to those who have it."""
    seen = []
    for name in ("One", "One", "Other", "One"):
        script = tmp_path / "script.py"
        script.write_text(SCRIPT.format(name=name))
        command = [sys.executable, str(script), server.api_key, server.address, project.id]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seen.append((done.stdout.strip(), "of another script" in done.stderr))
    assert seen == [("computed", False), ("", False), ("computed", True), ("", False)]
