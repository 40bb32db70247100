"""What others wrote is shown, by every way in which the client shows text, without what would not be seen as it is."""

import contextlib
import json
import logging
import os
import pty
import subprocess
import sys
from contextlib import redirect_stderr
from io import StringIO

import grpc
import pytest

from xpstore import errors
from xpstore._machine.progress import _bar
from xpstore.format.text import printable, printable_json, printable_lines

# C0 with ESC and BEL, DEL, C1 with CSI and NEL, marks of direction, what has no width, ends of lines and paragraphs.
BAD = "\x00\x07\t\r\x1b[31m\x1b]0;title\x07\x7f\x85\x9b31m\u200b\u202e\u2066\u2028\u2029\ufeff\U000e0041"
SEEN = "plain é 文 \xa0\u3000 🙂 \\x1b"


def test_only_what_is_not_seen_is_escaped() -> None:
    assert printable(SEEN) == SEEN
    assert printable("a\nb" + BAD).isprintable()
    assert printable("\x1b\u2028\u202e\U000e0041\ud800\n") == r"\x1b\u2028\u202e\U000e0041\ud800\n"
    assert printable_lines("a\x1b\nb\r") == "a\\x1b\nb\\r"


def test_json_stays_the_same_json() -> None:
    value = {BAD + "\n": [BAD, SEEN, "\ud800"]}
    text = printable_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(text) == value
    assert text.replace("\n", "").replace("\xa0", "").replace("\u3000", "").isprintable()


class Refusal(grpc.RpcError, grpc.Call):
    """As gRPC's own errors are."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.NOT_FOUND

    def details(self) -> str:
        return f"There is no {BAD}\nINFO all is well"

    def trailing_metadata(self) -> tuple[()]:
        return ()


Refusal.__abstractmethods__ = frozenset()  # of a call, which an error is no more


def test_errors_are_shown_escaped() -> None:
    refused = errors.from_rpc(Refusal(), "")  # type: ignore[abstract]  # see above
    assert str(refused).isprintable()
    own = errors.ComputationFailed(f"{BAD}\nanother line")
    assert str(own).count("\n") == 1 and str(own).replace("\n", "").isprintable()


def test_log_is_escaped(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "xpstore"):
        logging.getLogger("xpstore").warning("Somebody wrote %s", BAD)
        logging.getLogger("xpstore").warning("All is %d %s", 1, SEEN)
    assert [record.getMessage() for record in caplog.records][1] == f"All is 1 {SEEN}"
    assert caplog.records[0].getMessage().isprintable()


def test_progress_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "0")
    shown = StringIO()
    with redirect_stderr(shown), _bar(f"Downloading {BAD}", 100) as advance:
        advance(50)
    assert r"\x1b[31m\x1b]0;title\x07\x7f\x85\x9b31m\u200b\u202e" in shown.getvalue().replace("\n", "")


PROGRAM = """
import json, os, sys
from xpstore import cli, errors
from xpstore._cli import printing
bad = json.loads(sys.argv[1])
printing.print_table([f"config.{bad}"], [[bad], [[bad, bad]]])
printing.print_rows([bad], [{bad: bad}], as_csv=True)
printing.print_json({bad: bad})
printing.print_text(f"{bad} ends")
printing.print_path(bad)
def fails(**_):
    raise errors.NotFound(bad)
cli.app = fails
cli.main()
"""


def test_command_line_is_escaped_at_a_terminal() -> None:
    leader, follower = pty.openpty()
    command = [sys.executable, "-c", PROGRAM, json.dumps(BAD)]
    environment = {**os.environ, "TERM": "dumb", "COLUMNS": "2000"}
    done = subprocess.run(command, stdin=follower, stdout=follower, stderr=follower, env=environment, timeout=60)
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # in the end: the other side is closed
        while data := os.read(leader, 1 << 16):
            shown += data
    os.close(leader)
    text = shown.decode().replace("\r\n", "")
    assert done.returncode == 1 and text.count(r"title\x07") >= 5, text  # a narrow table cuts the longest
    assert text.isprintable()


def test_lines_for_a_program_stay_lines() -> None:
    command = [sys.executable, "-c", PROGRAM, json.dumps("a\tb\nc")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    lines = [r"config.a\tb\nc", r"a\tb\nc", r"a\tb\nc,a\tb\nc", r"a\tb\nc", r"a\tb\nc"]
    assert done.stdout.splitlines()[:5] == lines
    assert done.stdout.endswith("a\tb\nc\n"), "a path is for a program what it is"
