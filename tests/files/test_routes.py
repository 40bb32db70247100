"""Bytes by each route: through the server, past it by URLs, and by paths of this machine. All end in the same."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

import xpstore
from s3_server import SeaweedFS
from support.backends import sqlite_url
from support.homes import Home, without_settings
from support.raw import MIB, tree_digest
from support.services import Server
from xpstore import DirectoryArtifact
from xpstore._files import ways
from xpstore._files.upload import Uploader
from xpstore.errors import DataLoss

pytestmark = pytest.mark.transfer


@dataclass(frozen=True)
class Route:
    """How bytes go.

    Attributes:
        client: of a server that offers it, and no other.
        environment: of another program that takes it.
        spoil: changes a bit of each pack that is stored.
    """

    client: xpstore.Client
    environment: dict[str, str]
    spoil: Callable[[], None]


@contextmanager
def of_folder(folder: Path) -> Iterator[Route]:
    with Home(folder / "home") as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XPSTORE_HOME", str(home.folder))
        with closing(xpstore.init()) as client:

            def spoil() -> None:
                for path in (home.folder / "blobs" / "packs").rglob("*-*"):
                    if path.is_file():
                        with path.open("r+b") as file:
                            byte = file.read(1)[0]
                            file.seek(0)
                            file.write(bytes([byte ^ 1]))

            yield Route(client, home.environment, spoil)


@contextmanager
def of_bucket(folder: Path, s3: SeaweedFS, direct: str) -> Iterator[Route]:
    name = f"route-{secrets.token_hex(6)}"
    url = s3.create_bucket(name)
    environment = {"XPSTORE_DIRECT": direct}

    def spoil() -> None:
        for item in s3.client.list_objects(bucket_name=name, prefix="packs/", recursive=True):
            with closing(s3.client.get_object(bucket_name=name, object_name=item.object_name)) as answer:
                data = bytearray(answer.read())
            data[0] ^= 1
            s3.client.put_object(bucket_name=name, object_name=item.object_name, data=BytesIO(data), length=len(data))

    with (
        Server(sqlite_url(folder / "x.db"), url, folder, environment=environment) as server,
        closing(xpstore.init(server.api_key, server.address)) as client,
    ):
        settings = {"XPSTORE_API_KEY": server.api_key, "XPSTORE_API_URL": server.address}
        yield Route(client, {**without_settings(), **settings}, spoil)


@pytest.fixture(scope="module", params=["server", "urls", "paths"])
def route(
    request: pytest.FixtureRequest, seaweedfs: SeaweedFS, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Route]:
    folder: Path = tmp_path_factory.mktemp("route")
    if request.param == "paths":
        context = of_folder(folder)
    else:
        context = of_bucket(folder, seaweedfs, "all" if request.param == "urls" else "off")
    with context as route:
        found = [way for way in (ways.way_up(route.client), ways.way_down(route.client)) if way is not None]
        assert len(found) == (0 if request.param == "server" else 2)
        for way in found:
            way.worked()
        yield route
        assert all(way.is_proven and way.is_open for way in found), "it was taken, and did not fail"


@pytest.fixture
def project(route: Route) -> Iterator[xpstore.Project]:
    with route.client.project(f"p {secrets.token_hex(4)}", "routes") as project:
        yield project


def make_tree(folder: Path) -> dict[str, bytes]:
    large = secrets.token_bytes(20 * MIB)
    files = {
        "empty": b"",
        "one": b"1",
        "sub/text.txt": b"the same again and again " * 40_000,
        "sub/zeros": bytes(5 * MIB),
        "large.bin": large,
        "moved.bin": secrets.token_bytes(1_000) + large[: 8 * MIB],
    }
    files |= {f"small/{number}": secrets.token_bytes(3_000 + number) for number in range(60)}
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return files


def read_tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_tree_comes_back_as_it_was(project: xpstore.Project, tmp_path: Path) -> None:
    files = make_tree(tmp_path / "tree")
    saved = DirectoryArtifact.save(tmp_path / "tree", "tree")
    assert bytes.fromhex(saved.digest) == tree_digest(files), "the same on each route"
    assert read_tree(saved.download(tmp_path / "down")) == files
    (tmp_path / "tree" / "large.bin").write_bytes(
        files["large.bin"][: 9 * MIB] + b"changed" + files["large.bin"][9 * MIB :]
    )
    files["large.bin"] = (tmp_path / "tree" / "large.bin").read_bytes()
    changed = DirectoryArtifact.save(tmp_path / "tree", "tree")
    assert changed.version == 2
    assert read_tree(changed.download(tmp_path / "down")) == files, "over what was there"


KILLED = """
import os, signal, sys, xpstore
from xpstore._files.direct_up import DirectWrites
from xpstore._files.upload import Uploader
from xpstore.format.pack_files import PackWriter
def dies(kind, name, first=False):
    act = getattr(kind, name)
    def die(*words):
        first or act(*words)
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(kind, name, die)
if sys.argv[2] == "close":
    dies(Uploader, "_send")
else:
    dies(DirectWrites, "_put", sys.argv[2] == "open")
    dies(PackWriter, "write_buffer", sys.argv[2] == "open")
with xpstore.init().project("killed", "killed"):
    xpstore.DirectoryArtifact.save(sys.argv[1], "weights")
"""


@pytest.mark.parametrize("after", ["open", "put", "close"])
def test_what_a_killed_program_left_is_whole_or_not_there(
    route: Route, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if after != "close" and ways.way_up(route.client) is None:
        return  # there is nothing between
    data = secrets.token_bytes(40 * MIB)
    (tmp_path / "whole.bin").write_bytes(data)
    words = [sys.executable, "-c", KILLED, str(tmp_path / "whole.bin"), after]
    done = subprocess.run(words, env={**os.environ, **route.environment}, timeout=120)
    assert done.returncode == -signal.SIGKILL
    sent, send = list[int](), Uploader._send

    def counted(self: Uploader, batch: Any) -> None:
        sent.append(batch.size_bytes)
        send(self, batch)

    monkeypatch.setattr(Uploader, "_send", counted)
    with route.client.project("killed", "killed"):
        saved = DirectoryArtifact.save(tmp_path / "whole.bin", f"after {after}")
        assert saved.version == 1
        assert after != "close" or sum(sent) < 30 * MIB, "what is durable is not sent again"
        assert (saved.download(tmp_path / "down") / "whole.bin").read_bytes() == data


def test_damage_is_noticed_and_nothing_wrong_is_left(project: xpstore.Project, route: Route, tmp_path: Path) -> None:
    (tmp_path / "one.bin").write_bytes(secrets.token_bytes(2 * MIB))
    saved = DirectoryArtifact.save(tmp_path / "one.bin", "one")
    route.spoil()
    with pytest.raises(DataLoss):
        saved.download(tmp_path / "down")
    assert not (tmp_path / "down" / "one.bin").exists()
