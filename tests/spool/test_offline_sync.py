"""What `sync` makes of artifacts that wait: each is there once, whoever is killed, and nothing in the wrong place."""

import os
import random
import secrets
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import xpstore
from support.folders import lay, read
from support.homes import without_settings
from support.logged import run
from support.services import Server
from xpstore import Client, Project
from xpstore._offline.shipper import Shipped
from xpstore._offline.store import FILE_NAME, ArtifactStore
from xpstore._offline.sync import Synced
from xpstore._offline.sync import sync as send
from xpstore.artifact import DirectoryArtifact, TrainedModelArtifact, stage
from xpstore.errors import Conflict

pytestmark = pytest.mark.client

MIB = 1 << 20


def sync(offline: Project, online: Client) -> Synced:
    offline._client.close()
    return send(online)


def file_of(spool: Path) -> Path:
    (path,) = spool.glob(f"*/{FILE_NAME}")
    return path


def test_what_is_deleted_before_it_is_sent_never_was(offline: Project, online: Client) -> None:
    first = DirectoryArtifact.save(b"first", "data")
    second = DirectoryArtifact.save(b"second", "data", used=[first])
    with pytest.raises(Conflict, match="'data', which waits too, was made from it"):
        first.delete()
    second.delete()
    second.delete()
    first.delete()
    DirectoryArtifact.save(b"third", "other")
    assert sync(offline, online).artifacts == 1
    assert [one.name for one in online.project(offline.id).artifacts.list()] == ["other"]


def test_all_of_it_is_sent_once(offline: Project, online: Client, tmp_path: Path) -> None:
    files: dict[str, bytes | None] = {"a": os.urandom(2 * MIB), "b": b"text " * 10_000}
    model = offline.experiment("e").model("h")
    model.metrics.log("loss", 0.5, 1)
    iteration = model.iterations.create(7)
    first = DirectoryArtifact.save(lay(tmp_path / "in", files), "data", aliases=["good"], iteration=iteration, step=3)
    second = DirectoryArtifact.save(lay(tmp_path / "in", {"c": b"more"}), "data", used=[first])
    model.artifacts.log(second, step=9)
    second.alias("good")
    assert second.used == [first] and second.model == model
    staged = [stage(lay(tmp_path / f"part {number}", {f"{number}": b"part"})) for number in range(2)]
    DirectoryArtifact.commit(staged, "parts")
    DirectoryArtifact.save(b"background", "late", wait=False).result()

    done = sync(offline, online)
    assert (done.artifacts, done.waiting, done.refused) == (4, 0, {})
    assert send(online).artifacts == 0
    project = online.project(offline.id)
    there = project.experiment("e").models.read("h")
    assert there is not None
    one, two = project.artifacts.list("data")
    assert [one.version, two.version] == [1, 2]
    assert [one.aliases, two.aliases] == [[], ["good"]]
    assert two.used == [one] and (one.id, two.id) == (first.id, second.id)
    assert (one.digest, one.hash_) == (first.digest, first.hash_)
    assert there.artifacts.get("data", step=9) == two and there.iterations.list()[0].artifacts.list() == [one]
    one.download(tmp_path / "out")
    assert read(tmp_path / "out") == files
    assert [one.name for one in project.artifacts.list()] == ["data", "data", "parts", "late"]
    assert values_of(there) == [0.5]


def values_of(model: xpstore.model.Model) -> list[float]:
    return [metric.value for metric in model.metrics.list("loss")]


def test_content_that_the_server_has_becomes_that_version(offline: Project, online: Client, tmp_path: Path) -> None:
    """Its id offline stands for that one: also as what another was made from."""
    project = online.project(offline.id)
    known = DirectoryArtifact.save(b"the same", "data", project=project)
    saved = DirectoryArtifact.save(b"the same", "data")
    DirectoryArtifact.save(b"made of it", "result", used=[saved])
    assert sync(offline, online).artifacts == 2
    assert project.artifacts.list("data") == [known]
    (result,) = project.artifacts.list("result")
    assert result.used == [known]


def test_what_becomes_of_a_version_is_known_to_the_next_program(server: Server, online: Client) -> None:
    id_ = f"offline {secrets.token_hex(6)}"
    known = DirectoryArtifact.save(b"the same", "data", project=online.project(id_))
    begin = f"import xpstore; from xpstore.artifact import *; xpstore.init(offline=True).project({id_!r}).__enter__();"
    made = run(f"{begin} print(DirectoryArtifact.save(b'the same', 'data').id)", XPSTORE_API_URL=server.address).strip()
    assert send(online).artifacts == 1 and made != known.id
    run(f"{begin} DirectoryArtifact.save(b'of it', 'result', used=[{made!r}])", XPSTORE_API_URL=server.address)
    assert send(online).artifacts == 1
    assert online.project(id_).artifacts.list("result")[0].used == [known]


def test_links_to_what_was_deleted_are_left_out(
    offline: Project, online: Client, caplog: pytest.LogCaptureFixture
) -> None:
    project = online.project(offline.id)
    there = project.experiment("e").model("h")
    model = offline.experiment("e").model("h")
    saved = DirectoryArtifact.save(b"bytes", "data", iteration=model.iterations.create(1))
    model.metrics.log("loss", 1.0)
    offline._client.close()
    send_records_only(online)
    project.experiment("e").models.delete(there.id)
    assert send(online).artifacts == 1
    (found,) = project.artifacts.list()
    assert found.id == saved.id and found.model is None
    assert "Artifact 'data' is not linked to what was deleted" in caplog.text


def send_records_only(online: Client) -> None:
    """What a sync does that is cut off before artifacts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xpstore._offline.sync._ship_artifacts", lambda *_: Shipped())
        send(online)


def test_what_the_server_does_not_take_stays_and_is_told(
    offline: Project, online: Client, server: Server, spool: Path
) -> None:
    TrainedModelArtifact.save(b"bytes", "data", project=online.project(offline.id))
    DirectoryArtifact.save(b"other", "data")
    DirectoryArtifact.save(b"fine", "fine")
    done = sync(offline, online)
    assert done.artifacts == 1 and list(done.refused) == ["data"] and "a name has one type" in done.refused["data"]
    assert "a name has one type" in send(online).refused["data"]
    environment = {**without_settings(), "XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    for more, text, left in (([], "data: stays here: ", True), (["--discard"], "data: is let go: ", False)):
        command = [sys.executable, "-m", "xpstore.cli", "sync", *more]
        told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert told.returncode == 1 and told.stderr.startswith(text) and told.stderr.count("\n") == 1
        assert (ArtifactStore(online.recorder.folder).after(0) is not None) == left
    assert send(online).refused == {}


def test_project_that_was_deleted_does_not_come_back(offline: Project, online: Client) -> None:
    project = online.project(offline.id).open()
    DirectoryArtifact.save(b"bytes", "data")
    offline.experiment("e").model("h").metrics.log("loss", 1.0)
    saved = DirectoryArtifact.save(b"more", "data", model=offline.experiment("e").model("h"))
    assert not saved.is_sent
    offline._client.close()
    send_records_only(online)
    project.delete()
    done = send(online)
    assert done.artifacts == 0 and "data" in done.refused
    assert online.project(offline.id).artifacts.list() == []


SAVES = """
import os, random, sys, xpstore
from xpstore.artifact import DirectoryArtifact
xpstore.init(offline=True)
common = os.urandom(int(sys.argv[1]))
with xpstore.Project(os.environ["PROJECT"]):
    model = xpstore.get_project().experiment("e").model("h")
    for number in range(int(sys.argv[2])):
        model.metrics.log("loss", number)
        own = os.urandom(int(sys.argv[3]))
        artifact = DirectoryArtifact.save(common + own, "data", aliases=[f"n{number}"], model=model)
        print(number, artifact.id, artifact.digest, flush=True)
print("end", flush=True)
sys.stdin.read()
"""


def saving(server: Server, project: str, *sizes: int) -> subprocess.Popen[str]:
    environment = {**without_settings(), "XPSTORE_API_URL": server.address, "PROJECT": project}
    command = [sys.executable, "-c", SAVES, *map(str, sizes)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)


def test_killed_program_took_little_and_all_it_said_is_there(server: Server, online: Client, spool: Path) -> None:
    """Ten artifacts of 50 MiB with nine tenths in common: of the spool that takes 95 MiB and little more."""
    project = f"offline {secrets.token_hex(6)}"
    program = saving(server, project, 45 * MIB, 10, 5 * MIB)
    assert program.stdout is not None
    told = [line.split() for line in iter(program.stdout.readline, "end\n")]
    program.kill()
    program.communicate()
    taken = sum(path.stat().st_blocks * 512 for path in spool.rglob("*") if path.is_file())
    assert 95 * MIB < taken < 110 * MIB
    done = send(online)
    assert (done.artifacts, done.sent, done.waiting, done.refused) == (10, 10, 0, {})
    found = online.project(project).artifacts.list("data")
    assert [[str(number), one.id, one.digest] for number, one in enumerate(found)] == told
    assert [one.aliases for one in found] == [[f"n{number}"] for number in range(10)]
    assert file_of(spool).stat().st_size < MIB, "what is sent gives its bytes back"
    assert send(online).artifacts == 0


def test_programs_killed_at_any_moment_leave_whole_versions(server: Server, online: Client, spool: Path) -> None:
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance, project = random.Random(seed), f"offline {secrets.token_hex(6)}"
    promised = set[tuple[str, ...]]()
    for _ in range(4):
        program = saving(server, project, MIB, 1000, 200_000)
        assert program.stdout is not None
        for _ in range(chance.randrange(1, 8)):
            promised.add(tuple(program.stdout.readline().split()[1:]))
        threading.Event().wait(chance.random() / 20)
        program.kill()
        rest, _ = program.communicate()
        promised |= {tuple(line.split()[1:]) for line in rest.splitlines(keepends=True) if line.endswith("\n")}
    done = send(online)
    assert done.refused == {} and done.waiting == 0
    found = online.project(project).artifacts.list("data")
    assert promised <= {(one.id, one.digest) for one in found}, "what was said is there"
    assert len(found) == done.artifacts <= len(promised) + 4, "and of each program one that it did not come to say"
    for one in chance.sample(found, 3):
        assert len(one.open().read()) == MIB + 200_000  # verified against its digest


KILLED_SYNC = """
import os, signal, sys, xpstore
from xpstore._offline import shipper
from xpstore._offline.sync import sync
send, moment = shipper.ArtifactShipper._publish, sys.argv[1]
def publish(self, *words):
    if moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    send(self, *words)
    os.kill(os.getpid(), signal.SIGKILL)
shipper.ArtifactShipper._publish = publish
sync(xpstore.init())
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_sync_that_is_killed_is_gone_on_with(moment: str, offline: Project, online: Client, server: Server) -> None:
    @xpstore.cached(version="1")
    def double(number: int) -> int:
        return 2 * number

    assert double(2) == 4
    for number in range(3):
        DirectoryArtifact.save(f"{number}".encode(), "data", force=True)
    offline._client.close()
    environment = {**without_settings(), "XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
    for _ in range(2):
        command = [sys.executable, "-c", KILLED_SYNC, moment]
        assert subprocess.run(command, env=environment, timeout=60).returncode == -signal.SIGKILL
    done = send(online)
    assert (done.refused, done.waiting) == ({}, 0)
    project = online.project(offline.id)
    assert [one.open().read() for one in project.artifacts.list("data")] == [b"0", b"1", b"2"]
    assert len(project.cache.list()) == 1


def test_what_is_stored_by_a_program_that_is_running_waits_for_it(server: Server, online: Client) -> None:
    project = f"offline {secrets.token_hex(6)}"
    program = saving(server, project, 1000, 2, 1000)
    assert program.stdout is not None
    while program.stdout.readline() != "end\n":
        pass
    done = send(online)
    assert (done.busy, done.artifacts, done.waiting) == (1, 0, 2)
    program.communicate("")
    assert send(online).artifacts == 2
    (model,) = online.project(project).experiment("e").models.list()
    assert len(model.artifacts.list()) == 2


def test_child_that_is_forked_saves_too(offline: Project, online: Client, tmp_path: Path) -> None:
    saved = DirectoryArtifact.save(b"parent", "parent")
    if (child := os.fork()) == 0:
        try:
            assert saved.open().read() == b"parent"
            DirectoryArtifact.save(b"child", "child", used=[saved])
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert sync(offline, online).artifacts == 2
    assert online.project(offline.id).artifacts.list("child")[0].used[0].name == "parent"


def test_damage_is_found_before_it_is_believed(offline: Project, online: Client, spool: Path) -> None:
    data = os.urandom(300_000)
    saved = DirectoryArtifact.save(data, "data")
    path = file_of(spool)
    whole = path.read_bytes()
    place = whole.index(data[1000:1100])
    path.write_bytes(whole[:place] + bytes(100) + whole[place + 100 :])
    with pytest.raises(xpstore.errors.DataLoss):
        saved.open().read()
    done = sync(offline, online)
    assert done.artifacts == 0 and "damaged" in done.refused["data"]
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(xpstore.errors.DataLoss, match="is damaged"):
        send(online)
