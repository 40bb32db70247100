"""The commands `xpstore cache`, run as a person and as a script would run them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import xpstore
from support.command import Command, assert_one_line, facts, rows
from support.raw_cache import RawCache
from support.services import Server
from xpstore.errors import InvalidArgument, NotFound
from xpstore.v1 import cache_pb2 as pb

pytestmark = pytest.mark.client

STEPS = """
from xpstore import Project, cached

FACTOR = 3


@cached
def scale(x, y=1, *, name="a"):
    return x * FACTOR + y


@cached(version=1)
async def later(x):
    return x


@cached(project=Project("elsewhere"))
def elsewhere(x):
    return x


def plain():
    pass
"""
SCRIPT = """
import sys

import xpstore
from steps import scale
from xpstore import Project, cached


@cached
def listed(x):
    return [scale(x)]


if __name__ == "__main__":
    xpstore.init()
    with Project(sys.argv[1]):
        print(listed(3), scale(-1, name="b=c"))
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A script and a module beside it, where `run` runs."""
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "train.py").write_text(SCRIPT)
    return tmp_path


@pytest.fixture
def computed(program: Path, project: xpstore.Project, server: Server) -> None:
    """The script was run by itself."""
    access = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    command = [sys.executable, "train.py", project.id]
    done = subprocess.run(
        command, cwd=program, env={**os.environ, **access}, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[10] -2\n"


def test_cache_is_listed_counted_and_invalidated(run: Command, project: xpstore.Project) -> None:
    made = [project.cache.get_or_compute("p", {"n": number}, lambda: None) for number in (1, 2)]
    other = project.cache.get_or_compute("other", {}, lambda: "x")
    project.cache.get_or_compute("other", {}, list)
    listed = rows(run("cache", "list", project.id))
    assert [(row[0], row[1], row[-1]) for row in listed] == [(a.name, a.hash_, a.id) for a in (*made, other)]
    found = json.loads(run("cache", "list", project.id, "--process", "other", "--json").stdout)
    assert [(entry["fingerprint"], entry["artifact"]) for entry in found] == [(other.hash_, other.id)]

    assert facts(run("cache", "statistics", project.id))["entries"] == "3"
    assert json.loads(run("cache", "statistics", project.id, "--json").stdout)["size_bytes"] > 0

    assert run("cache", "invalidate", project.id, "--process", "p").stdout == "Removed 2\n"
    result = run("cache", "invalidate", project.id, "--fingerprint", other.hash_, "--delete-artifacts", "--json")
    assert json.loads(result.stdout) == {"removed": 1}
    assert rows(run("cache", "list", project.id)) == []
    with pytest.raises(NotFound):
        other.refresh()
    assert run("cache", "invalidate", project.id, "--all").stdout == "Removed 0\n"


@pytest.mark.parametrize("words", [(), ("--all", "--process", "p"), ("--outdated", "--all")])
def test_cache_is_not_invalidated_by_mistake(run: Command, project: xpstore.Project, words: tuple[str, ...]) -> None:
    assert (
        "--process, --fingerprint, --all or --outdated"
        in run("cache", "invalidate", project.id, *words, expect=2).stderr
    )


def test_outdated_results_are_counted_and_removed_with_their_bytes(
    run: Command, client: xpstore.Client, project: xpstore.Project
) -> None:
    by_hand = RawCache(client, project.uid)
    old, kept = by_hand.compute(b"old", draft={"type": "cached"}), project.cache.get_or_compute("p", {}, lambda: 1)
    assert [entry.fingerprint_format for entry in project.cache.list()] == [1, 2]
    told = facts(run("cache", "statistics", project.id))
    assert (told["entries"], told["outdated"], told["outdated_size_bytes"]) == (
        "2",
        "1",
        str(old.version.size_bytes),
    )
    assert run("cache", "invalidate", project.id, "--outdated").stdout == (
        "Removed 1, and their artifacts but for those with an alias\n"
    )
    assert [entry.artifact for entry in project.cache.list()] == [kept]
    assert [version.id for version in by_hand.raw.versions()] == [kept.id]
    assert json.loads(run("cache", "statistics", project.id, "--json").stdout)["outdated"] == 0
    with pytest.raises(InvalidArgument, match="process, fingerprint and outdated"):
        project.cache.invalidate("p", outdated=True)


def test_verifications_are_counted(run: Command, client: xpstore.Client, project: xpstore.Project) -> None:
    assert facts(run("cache", "statistics", project.id))["verifications"] == ""
    for outcome in (pb.CACHE_VERIFICATION_FAILED, pb.CACHE_VERIFICATION_SAME, pb.CACHE_VERIFICATION_SAME):
        RawCache(client, project.uid).verified(outcome)
    assert facts(run("cache", "statistics", project.id))["verifications"] == "2 same, 1 failed"
    told = json.loads(run("cache", "statistics", project.id, "--json").stdout)
    assert told["verifications"] == {"same": 2, "failed": 1} == project.cache.statistics().verifications


@pytest.mark.usefixtures("computed")
def test_explain_of_a_call_is_that_of_the_program(run: Command, project: xpstore.Project) -> None:
    first, *more = run("cache", "explain", project.id, "train.py:listed", "3").stdout.splitlines()
    assert first.startswith("listed: a hit, computed in ")
    assert more[0].removeprefix("Fingerprint ") in {entry.fingerprint for entry in project.cache.list()}
    assert more[1:] == [
        "kind\tname\ttext",
        "code\tlisted\tdef listed(x): return [scale(x)]",
        "code\tsteps.scale\tdef scale(x, y, *, name): return x * FACTOR + y",
        "value\tsteps.FACTOR\t3",
        "value\tsteps.scale(name)\t'a'",
        "value\tsteps.scale(y)\t1",
        "parameter\tx\t3",
    ]
    assert "a hit" in run("cache", "explain", project.id, "steps:scale", "-1", "name=b=c").stdout


@pytest.mark.usefixtures("computed")
def test_explain_says_how_a_miss_differs(run: Command, project: xpstore.Project, program: Path) -> None:
    words = ("cache", "explain", project.id, "steps:scale", "-1", "[1, 2]", "name=word")
    first, second, *more = run(*words).stdout.splitlines()
    assert first == "steps.scale: a miss: it was never computed with these parts"
    assert second.startswith("The most similar known call is of ")
    assert more[:2] == ["  parameter y: [1, 2], was 1", "  parameter name: 'word', was 'b=c'"]
    (program / "steps.py").write_text((program / "steps.py").read_text().replace("FACTOR = 3", "FACTOR = 4"))
    found = json.loads(run("cache", "explain", project.id, "steps:scale", "3", "--json").stdout)
    assert (found["state"], found["entry"]) == ("absent", None)
    differences = [(one["asked"]["name"], one["asked"]["text"], one["known"]["text"]) for one in found["differences"]]
    assert differences == [("FACTOR", "4", "3")]
    assert "a miss" in run("cache", "explain", project.id, "steps:later", "1").stdout


def test_explain_of_a_fingerprint_shows_its_entry_and_the_nearest(run: Command, project: xpstore.Project) -> None:
    one, two = (project.cache.get_or_compute("p", {"n": number, "m": "x"}, lambda: None) for number in (1, 2))
    project.cache.get_or_compute("other", {"n": 1}, lambda: None)
    found = json.loads(run("cache", "explain", project.id, one.hash_, "--json").stdout)
    assert (found["state"], found["process"], found["fingerprint"]) == ("hit", "p", one.hash_)
    assert (found["entry"]["artifact"], found["nearest"]["artifact"]) == (one.id, two.id)
    assert [(part["kind"], part["name"], part["text"]) for part in found["parts"]] == [
        ("parameter", "n", "1"),
        ("parameter", "m", "'x'"),
    ]
    assert [(one["asked"]["text"], one["known"]["text"]) for one in found["differences"]] == [("1", "2")]
    project.cache.invalidate(fingerprint=two.hash_)
    shown = run("cache", "explain", project.id, one.hash_).stdout
    assert "a hit" in shown and "most similar" not in shown
    one.delete()
    assert run("cache", "explain", project.id, one.hash_).stdout.startswith(f"{one.hash_}: a miss: the artifact was")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("steps:nothing",), "steps has no nothing. Its cached functions: scale, later, elsewhere"),
        (("steps:plain",), "steps:plain is not cached: decorate it with @cached"),
        (("steps:scale",), "missing a required argument: 'x'. It takes (x, y=1, *, name='a')"),
        (("steps:elsewhere", "1"), "steps:elsewhere is cached in project 'elsewhere': ask there"),
        (("nowhere:f",), "there is no module nowhere here"),
        (("nowhere.py:f",), "loading nowhere.py raised FileNotFoundError"),
        (("broken:f",), "loading broken raised ZeroDivisionError"),
        (("leaves:f",), "leaves ends the program when it is loaded"),
        (("a" * 64,), "`xpstore cache list` shows those there are"),
    ],
)
def test_what_cannot_be_explained_is_one_line(
    run: Command, project: xpstore.Project, program: Path, words: tuple[str, ...], expected: str
) -> None:
    (program / "broken.py").write_text("1 / 0")
    (program / "leaves.py").write_text("raise SystemExit(3)")
    assert_one_line(run("cache", "explain", project.id, *words, expect=1), expected)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("nonsense",), "64 hexadecimal digits"),
        (("a" * 64, "3"), "takes no arguments"),
        (("steps:scale", "--nonsense"), "there is no option --nonsense"),
    ],
)
def test_explanation_that_makes_no_sense_exits_with_2(run: Command, words: tuple[str, ...], expected: str) -> None:
    shown = run("cache", "explain", "p", *words, expect=2, COLUMNS="300").stderr
    assert "Usage" in shown and expected in shown
