"""The demo, as a new user runs it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import demo
from support.homes import Home, without_settings
from support.web.browser import Browser

pytestmark = pytest.mark.timeout(600)  # four programs that import scikit-learn, on a machine that may be busy

ROOT = Path(__file__).parents[2]
# A program that takes an address and is content.
ENVIRONMENT = {**without_settings(), "BROWSER": "true", "XPSTORE_API_URL": "elsewhere.example:50051"}


def run_demo(folder: Path, store: str) -> str:
    command = [sys.executable, "examples/demo.py", "--store", store, "--folder", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def assert_all_is_said(output: str) -> None:
    assert output.count("stored") == 13, "the data once, of each of six models a classifier and an explanation"
    assert output.count("unchanged: nothing sent") == 5
    best = re.search(r"Best of them: (.*), classifier version (\d)", output)
    assert best and f"{best[1]} (finished) scores" in output
    assert re.search(rf"digits-classifier    version {best[2]}  1 files, every digest right", output)
    assert len(re.findall("every digest right", output)) == 3
    computed, again = re.findall(r"cross-validation +(.*), (\d+) computations", output)
    assert computed[0] == again[0] and (computed[1], again[1]) == ("1", "0")


def command_of(output: str) -> str:
    """What it says last: how to see it."""
    return output.strip().splitlines()[-1].strip()


def assert_page_shows_it(address: str) -> None:
    """An address logs in, and the files of the demo are there."""
    parts = urlsplit(address)
    browser = Browser(parts.port or 0)
    answer = browser.ask("GET", f"{parts.path}?{parts.query}", site="none")
    assert (answer.status, answer.headers["location"]) == (303, "/p/quickstart")
    assert browser.call("ProjectService/GetProject", {"projectId": "quickstart"}).status == 200
    explained = browser.ask("GET", "/files/quickstart/digits-explanation/results.json")
    assert explained.json["method"] == "permutation importance"


def test_demo_leaves_a_page_and_begins_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = run_demo(tmp_path, "disk")
    assert_all_is_said(output)
    with Home(tmp_path / "disk") as home:
        shown = subprocess.run(
            command_of(output), shell=True, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60
        )
        assert (shown.returncode, shown.stderr) == (0, "")
        assert_page_shows_it(shown.stdout.strip())
        assert home.servers()
        demo.begin_anew(tmp_path / "disk")
        assert not home.servers() and not list((tmp_path / "disk").iterdir())
    assert "begins anew" in capsys.readouterr().out


def test_demo_on_s3_shows_its_page_with_the_bucket(tmp_path: Path) -> None:
    output = run_demo(tmp_path, "s3")
    assert_all_is_said(output)
    assert not (tmp_path / "s3" / "blobs").exists()
    command = f"exec {command_of(output)}"
    with subprocess.Popen(command, shell=True, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as page:
        try:
            assert page.stdout is not None
            address = next(line for line in page.stdout if line.startswith("http://"))
            assert_page_shows_it(address.strip())
        finally:
            page.send_signal(signal.SIGINT)
    assert page.returncode == 0


def test_page_of_a_demo_that_never_ran_says_so(tmp_path: Path) -> None:
    command = [sys.executable, "examples/demo.py", "--open", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    place = os.path.relpath(tmp_path / "disk", ROOT)
    assert (done.returncode, done.stderr) == (1, f"There is no {place}/ yet: run the demo before, without --open\n")
