"""A page token is what this server wrote for this list: all else is refused by one text, and reads nothing."""

import base64
import hashlib
import json
import random
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from support.backends import Backend
from support.services import Server
from xpstore import errors
from xpstore._values.ids import new_id
from xpstore.client import Client
from xpstore.project import Project
from xpstore.v1 import metric_pb2, model_pb2, project_pb2
from xpstore_server.store import migrate, tables
from xpstore_server.store.database import Database
from xpstore_server.store.secrets import AHEAD_US, SIGNS_US, Secrets

BODIES: list[Any] = [
    *([], {}, None, True, 7, "x", 1.5, [None], [[]], [{}], [1, 2, 3, 4], [{"a": 1}, [1]], ["9" * 40, new_id()]),
    *(
        [2**80, new_id()],
        [-1, new_id()],
        [1e400, new_id()],
        ["'; --", "x"],
        [5, "no id"],
        [True, False],
        ["\x00", "\x00"],
    ),
    *([1, new_id(), 3], [new_id(), 1], [new_id()], ["a" * 60_000], [0.5], [[1, 2]], [1, None], [None, None]),
]
TEXTS = [
    *("x", "7", "[" * 60_000, "[1,", "NaN", "[Infinity]", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")),
    *("", "{", "[1e999999]", "9" * 5_000, f"[{'9' * 5_000}]", '["\\ud800"]', "[1] [2]", "\x00", "null"),
]
REFUSED = "must be the next_page_token of the page before, with the same filters"
TOKENS = ["x", "=", "====", "A", "-_-_", "é", " ", "AAAA" * 40_000, "\n", "%2e", secrets.token_urlsafe(40)]


def forged(identity: bytes, body: bytes) -> str:
    """A token as the release before signed it: by a digest of what everybody knows."""
    checksum = hashlib.blake2b(identity + body, digest_size=9).digest()
    return base64.urlsafe_b64encode(checksum + body).decode().rstrip("=")


def all_forged(identity: bytes) -> list[str]:
    bodies = [json.dumps(body).encode() for body in BODIES] + [text.encode() for text in TEXTS]
    plain = [base64.urlsafe_b64encode(bytes(16) + body).decode() for body in bodies]
    return [forged(identity, body) for body in bodies] + plain + TOKENS


@pytest.fixture
def lists(client: Client, project: Project) -> dict[str, tuple[bytes, Callable[[str, int], Any]]]:
    """Some lists: what the release before knew them by, and how a page is asked for."""
    experiment = project.experiment("e")
    models = [experiment.model(str(number)) for number in range(5)]
    for number in range(5):
        models[0].metrics.log("x", number)
    client.flush()
    ids = {"experiment_id": str(experiment.id), "model_id": str(models[0].id)}
    stubs = client.stubs
    scope: dict[str, Any] = {"experiment_id": ids["experiment_id"]}
    texts: dict[str, Any] = {"filter": "step = 0", "order_by": "hash"}

    def identity(*parts: Any) -> bytes:
        return json.dumps([*parts, False]).encode()

    def search(token: str, size: int) -> Any:
        request = model_pb2.SearchModelsRequest(page_size=size, page_token=token, **scope, **texts)
        return client.call(stubs.models.SearchModels, request)

    return {
        "projects": (
            identity("projects"),
            lambda token, size: client.call(
                stubs.projects.ListProjects, project_pb2.ListProjectsRequest(page_size=size, page_token=token)
            ),
        ),
        "models": (
            identity("models", ids["experiment_id"]),
            lambda token, size: client.call(
                stubs.models.ListModels, model_pb2.ListModelsRequest(**scope, page_size=size, page_token=token)
            ),
        ),
        "metrics": (
            identity("metrics", ids["model_id"], None),
            lambda token, size: client.call(
                stubs.metrics.ListMetrics,
                metric_pb2.ListMetricsRequest(model_id=ids["model_id"], page_size=size, page_token=token),
            ),
        ),
        "search": (identity("search", scope, texts), search),
    }


def test_what_is_not_signed_is_refused(lists: dict[str, tuple[bytes, Callable[[str, int], Any]]]) -> None:
    for name, (identity, page) in lists.items():
        sound = page("", 1).next_page_token if name != "projects" else ""
        for token in all_forged(identity) + spoiled(sound):
            with pytest.raises(errors.InvalidArgument, match=REFUSED) as caught:
                page(token, 1)
            assert caught.value.metadata["field"] == "page_token"
        assert not sound or page(sound, 1)


def spoiled(token: str) -> list[str]:
    """A sound token with a bit of it another one, or cut, or with more behind it."""
    chance = random.Random(7)
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    found = []
    for _ in range(20 if token else 0):
        place, bit = chance.randrange(len(raw)), 1 << chance.randrange(8)
        found.append(raw[:place] + bytes([raw[place] ^ bit]) + raw[place + 1 :])
    more = [raw[:-1], raw + b" ", raw[:16]] if token else []
    return [base64.urlsafe_b64encode(one).decode().rstrip("=") for one in (*found, *more)]


def test_token_of_one_list_is_none_of_another(lists: dict[str, tuple[bytes, Callable[[str, int], Any]]]) -> None:
    tokens = {name: page("", 2).next_page_token for name, (_, page) in lists.items() if name != "projects"}
    for name, (_, page) in lists.items():
        for other, token in tokens.items():
            if other != name:
                with pytest.raises(errors.InvalidArgument):
                    page(token, 2)


def test_replicas_and_restarts_believe_each_others_tokens(
    backend: Backend, server: Server, lists: dict[str, tuple[bytes, Callable[[str, int], Any]]]
) -> None:
    _, page = lists["models"]
    first = page("", 2)
    server.restart()
    assert [model.hash for model in page(first.next_page_token, 2).models] == ["2", "3"]
    log = server.log.read_text()
    database = Database(backend.database_url)
    values = database.read(lambda tx: tx.execute(select(tables.server_secret.c.value)).scalars().all())
    database.close()
    assert values
    assert not [value for value in values if value.hex() in log or base64.b64encode(value).decode() in log]


def test_rotation_breaks_nobody(backend: Backend) -> None:
    """A new secret signs once every replica has read it; the one before is believed until there is a third."""
    database = Database(backend.database_url)
    migrate.upgrade(database)
    mine, other = Secrets("test of rotation"), Secrets("test of rotation")
    table = tables.server_secret
    older = table.update().where(table.c.name == "test of rotation")
    older = older.values(since_us=table.c.since_us - SIGNS_US - AHEAD_US)
    try:
        for one in (mine, other, mine):
            one.refresh(database)
        first = mine.signing()
        assert other.signing() == first and mine.believed() == other.believed()
        for _ in range(3):
            signed, known = mine.signing(), other.believed()
            database.write(lambda tx: tx.execute(older))  # a month later
            mine.refresh(database)
            assert mine.signing() in known  # of a replica that has not looked since
            other.refresh(database)
            assert signed in other.believed() and mine.believed() == other.believed()
            assert len(mine.believed()) <= 3
        assert first not in mine.believed()
    finally:
        database.write(lambda tx: tx.execute(table.delete().where(table.c.name == "test of rotation")))
        database.close()
