"""A server that is away: every call says the same of it, and where it should be."""

import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import xpstore
from support.services import Server
from xpstore.artifact import Artifact, DirectoryArtifact
from xpstore.errors import DeadlineExceeded, Unavailable
from xpstore.model import Model
from xpstore.series import read_many

pytestmark = pytest.mark.client


class Known:
    """A client that does not wait long, and what it knew before its server went away."""

    def __init__(self, client: xpstore.Client) -> None:
        self.client = client
        self.project = client.project(f"away {secrets.token_hex(6)}").open()
        self.model: Model = self.project.experiment("e").model("h")
        self.model.metrics.log("loss", 0.5, 1)
        self.artifact: Artifact = DirectoryArtifact.save(os.urandom(300_000), "data", project=self.project)
        client.flush()


@pytest.fixture(scope="module")
def known(server: Server) -> Iterator[Known]:
    client = xpstore.Client(server.api_key, server.address, timeout_seconds=0.5)
    yield Known(client)
    client.close()


@pytest.fixture(scope="module")
def away(server: Server, known: Known) -> Known:
    server.kill()
    return known


CALLS: dict[str, Callable[[Known, Path], Any]] = {
    "get": lambda known, _: known.model.step,
    "list": lambda known, _: known.project.experiments.list(),
    "create": lambda known, _: known.client.project("another").open(),
    "search": lambda known, _: list(known.project.models.search("step > 0")),
    "metrics.read": lambda known, _: known.model.metrics.read("loss"),
    "metrics.read in buckets": lambda known, _: known.model.metrics.read("loss", buckets=3),
    "read_many": lambda known, _: read_many([known.model], ["loss"]),
    "download": lambda known, folder: known.artifact.download(folder / "out"),
    "open": lambda known, _: known.artifact.open("data").read(),
    "load": lambda known, _: known.artifact.load("data"),
    "files": lambda known, _: known.artifact.files(),
    "save": lambda known, _: DirectoryArtifact.save(os.urandom(300_000), "data", project=known.project),
    "delete": lambda known, _: known.model.metrics.clear(),
    "cache": lambda known, _: known.project.cache.statistics(),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_says_the_same_of_a_server_that_is_away(
    name: str, away: Known, server: Server, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match=f"^The server at {server.address} does not answer: "):
        CALLS[name](away, tmp_path)


def test_call_that_must_wait_for_records_says_it_too_and_where_they_are(away: Known, server: Server) -> None:
    away.model.metrics.log("loss", 0.25, 2)
    message = f"^The server at {server.address} does not answer: .* What is not sent stays in .*, and is sent later"
    with pytest.raises((Unavailable, DeadlineExceeded), match=message):
        away.model.metrics.read("loss")
