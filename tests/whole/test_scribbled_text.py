"""What a server writes into its texts reaches a terminal escaped, by every command and every object that is shown."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import xpstore
from support.homes import without_settings
from support.hostility.scribbler import ID, Scribbler
from xpstore._session import current
from xpstore.artifact import Artifact

BAD = "\t\r\x1b[31m\x1b]0;title\x07\x7f\x85\x9b31m\u200b\u202e\u2066\u2028\u2029\n\ufeff\U000e0041"


@pytest.fixture
def server() -> Iterator[Scribbler]:
    with Scribbler(BAD, json=json.dumps({BAD: [BAD, {BAD: BAD}]})) as server:
        yield server


COMMANDS = [
    ["status"],
    ["ls"],
    ["ls", "p"],
    ["models", "p", "e"],
    ["get", "p", "a", "out"],
    ["get", "p", "a@7", "out"],
    ["get", "p", "a@alias", "out"],
    ["put", "p", "a", "file"],
    ["rm", "p", "a", "--yes"],
    ["rm", "p", "a", "--all-versions", "--yes"],
    ["rm", "p", "--project", "--yes"],
    ["search", "p"],
    ["show", "p"],
    ["ls", "p", "a@1"],
    ["alias", "p", "a"],
    ["tag", "p", "h"],
    ["trash"],
    ["trash", "p"],
    ["undelete", "p", "a@1"],
    ["whoami"],
    ["sync"],
    ["cache", "list", "p"],
    ["cache", "invalidate", "p", "--all"],
    ["cache", "statistics", "p"],
    ["cache", "explain", "p", "0" * 64],
]
# Each in a process of its own, which needs not import everything again.
PROGRAM = """
import json, os, sys
from xpstore import cli
for words in json.loads(sys.argv[1]):
    if os.fork() == 0:
        sys.argv = ["xpstore", *words]
        cli.main()
        os._exit(0)
    print(f"<{' '.join(words)}: {os.waitstatus_to_exitcode(os.wait()[1])}>", flush=True)
"""


@pytest.mark.parametrize(("is_json", "columns"), [(False, "20"), (True, "200")], ids=["table", "json"])
def test_commands_show_no_control_characters(is_json: bool, columns: str, server: Scribbler, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    leader, follower = pty.openpty()
    access = {"XPSTORE_API_KEY": "any", "XPSTORE_API_URL": server.address, "TERM": "dumb", "COLUMNS": columns}
    commands = [[*words, *["--json"] * is_json] for words in COMMANDS]
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)],
        env={**without_settings(), **access},
        cwd=tmp_path,
        stdin=follower,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # in the end: the other side is closed
        while data := os.read(leader, 1 << 16):
            shown += data
    os.close(leader)
    assert program.wait(60) == 0
    text = shown.decode()
    assert "Traceback" not in text, text
    assert text.replace("\r\n", "").isprintable(), ascii(text)
    for words in commands:
        assert f"<{' '.join(words)}: 0>" in text or f"<{' '.join(words)}: 1>" in text, text
    assert text.count("title") > 5


@pytest.fixture
def session(server: Scribbler) -> Iterator[xpstore.Client]:
    yield xpstore.init("any", server.address)
    current.set_client(None)


def test_objects_are_shown_escaped(session: xpstore.Client) -> None:
    project = xpstore.Project("p").open()
    experiment = project.experiment("e")
    model = experiment.model("h")
    version = Artifact.get_by_id(ID)
    things = [
        *(session, project, experiment, model, version),
        *(version.project, version.model, version.used),
        *project.artifacts.list(),
        *model.runs,
        *model.modules.list(),
        *model.iterations.list(),
        *model.metrics.list("x"),
        *xpstore.get_all_projects(),
    ]
    for one in things:
        for text in (repr(one), str(one)):
            assert text.replace("\n", "").isprintable(), ascii(text)
    for one in (*things, experiment.models, project.models.search("step = 1")):
        if hasattr(one, "_repr_html_"):
            assert one._repr_html_().replace("\n", "").isprintable(), ascii(one._repr_html_())
