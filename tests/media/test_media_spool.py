"""Media in the spool: there after SIGKILL, sent once by whoever comes, and never in the way of a training."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from support.homes import without_settings
from support.services import Server
from xpstore import Client
from xpstore._offline.sync import sync
from xpstore.errors import ResourceExhausted, Unavailable
from xpstore.model import Model

pytestmark = pytest.mark.client

# `XPSTORE_TEST_MEDIA=1000` logs as many images, and a fifth as many tables.
IMAGES = int(os.environ.get("XPSTORE_TEST_MEDIA", 100))
# Logs, says so, and is killed.
LOOP = """
import os, signal, sys
import numpy
import xpstore
client = xpstore.Client(api_key=sys.argv[1] or None, api_url=sys.argv[2], offline=not sys.argv[1])
model = client.project("looped").experiment("e").model(sys.argv[3])
images, place = int(sys.argv[4]), 0
for step in range(images):
    model.log_image("samples", numpy.full((4, 4), step % 100, dtype="uint8"), step=step)
    if step % 5 == 0:
        model.log_table("table", [{"step": step}], step=step)
print("logged", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def looped(*arguments: str) -> None:
    environment = {**without_settings(), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", LOOP, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.stdout, done.returncode) == ("logged\n", -signal.SIGKILL), done.stderr


def check_all(client: Client, hash_: str, count: int) -> None:
    model = client.project("looped").experiment("e").models.read(hash_)
    assert model is not None
    images = model.media("samples")
    assert [one.step for one in images] == list(range(count))
    assert [one.step for one in model.media("table")] == list(range(0, count, 5))
    for place in (0, count // 2, count - 1):
        assert int(numpy.asarray(images[place].load()).max()) == place % 100
    assert model.media("table")[-1].load() == [{"step": (count - 1) // 5 * 5}]


def test_killed_loop_has_logged_all_and_another_process_sends_it_once(server: Server, spool: Path) -> None:
    looped("", server.address, "offline", str(IMAGES))
    environment = {**without_settings(), "XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    command = [sys.executable, "-m", "xpstore.cli", "sync", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    told = json.loads(done.stdout)
    assert (told["media"], told["dropped"], told["refused"]) == (IMAGES + IMAGES // 5, 0, {}), done.stderr
    client = Client(server.api_key, server.address)
    assert sync(client).media == 0
    check_all(client, "offline", IMAGES)
    client.close()


def test_killed_program_leaves_to_the_next_what_it_did_not_send(server: Server, online: Client) -> None:
    looped(server.api_key, server.address, "online", "40")
    model = online.project("looped").experiment("e").model("online")
    model.metrics.log("loss", 1.0)  # opens the spool, and with it what is left there
    online.flush()
    model.log_text("other", "x", step=0)
    online.flush()
    check_all(online, "online", 40)


def test_what_is_logged_while_the_server_is_away_is_sent_when_it_is_back(
    server: Server, online: Client, caplog: pytest.LogCaptureFixture
) -> None:
    model = online.project("away").experiment("e").model("h")
    server.kill()
    for step in range(10):
        model.log_text("t", f"{step}", step=step)
    with pytest.raises(Unavailable, match="What is not sent stays in"):
        online.media_sender.flush(60, grace_seconds=0)
    server.start()
    online.flush()
    assert [one.load() for one in model.media("t")] == [f"{step}" for step in range(10)]
    assert sum("Media stay in" in line for line in caplog.messages) == 1
    assert sum("all media are sent" in line for line in caplog.messages) == 1


def test_full_spool_drops_and_counts_and_never_raises(
    monkeypatch: pytest.MonkeyPatch, offline: Model, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XPSTORE_SPOOL_ARTIFACTS_MIB", "1")
    noise = numpy.random.default_rng(7).integers(0, 256, (300, 300, 3), dtype="uint8")
    for step in range(10):
        offline.log_image("noise", noise + step, step=step)
    client = offline._client
    assert 4 <= client.dropped_count <= 8
    assert caplog.text.count("media were dropped so far") == 1
    assert "XPSTORE_SPOOL_ARTIFACTS_MIB = 1" in caplog.text
    client.recorder.is_strict = True
    with pytest.raises(ResourceExhausted, match="XPSTORE_SPOOL_ARTIFACTS_MIB"):
        offline.log_image("noise", noise + 20, step=0)


def test_file_that_is_removed_meanwhile_is_made_again(online: Client, spool: Path) -> None:
    model = online.project("removed").experiment("e").model("h")
    model.log_text("t", "before", step=0)
    online.flush()
    for path in spool.glob("*/.media*"):
        path.unlink()
    model.log_text("t", "after", step=1)
    online.flush()
    assert [one.load() for one in model.media("t")] == ["before", "after"]


def test_forked_children_and_their_parent_log_side_by_side(online: Client) -> None:
    model = online.project("forked").experiment("e").model("h")
    model.log_text("t", "parent", step=0)
    children = []
    for number in range(1, 4):
        if not (pid := os.fork()):
            model.log_text("t", f"child {number}", step=number)
            os._exit(0)
        children.append(pid)
    model.log_text("t", "parent again", step=4)
    for pid in children:
        os.waitpid(pid, 0)
    online.flush()
    assert [one.load() for one in model.media("t")] == ["parent", "child 1", "child 2", "child 3", "parent again"]
