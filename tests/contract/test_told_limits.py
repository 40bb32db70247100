"""GetLimits says every constant that a client may meet, and clients look at it."""

import re
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest

import xpstore
from support.contract.methods import ROOT
from support.contract.plain_client import PlainClient
from xpstore import errors
from xpstore._service import connection
from xpstore.v1 import limits_pb2, limits_pb2_grpc
from xpstore_server.core import limits

UNITS = {
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "s": 10**6,
    "seconds": 10**6,
    "min": 60 * 10**6,
    "h": 3600 * 10**6,
    "hours": 3600 * 10**6,
    "days": 24 * 3600 * 10**6,
}
NUMBER = re.compile(r"(?<![\w.,^-])(2\^)?(\d[\d,]*)(?:\s(KiB|MiB|MB|seconds|s|min|hours|h|days)\b)?(?![\w.]*\w)")
# Smaller numbers without a unit are of formats: bytes of a digest, digits of a fingerprint.
LEAST = 65
# What is said and no bound of what a client may send or rely on.
OTHERS = {
    ("artifact.proto", "15 s"): "when a sign of life is due: before proxies end a stream",
    ("artifact.proto", "300 MB"): "a rate, to choose a deadline by",
    ("cache.proto", "90 days"): "how long reports are counted",
    ("cache.proto", "4711"): "an example",
    ("ingest.proto", "754"): "the name of a standard",
    ("metric.proto", "754"): "the name of a standard",
    ("limits.proto", "2020"): "the name of an algorithm",
    ("transfer.proto", "8 MiB"): "how far an answer goes, which a client need not know",
    ("transfer.proto", "64 MiB"): "the same, and the largest pack, which is far from those that clients make",
    **{("error.proto", status): "a status of HTTP" for status in ("404", "413", "502", "503", "504")},
    ("transfer.proto", "412"): "a status of HTTP",
    ("limits.proto", "246 KiB"): "what the recommended cut makes of random bytes",
}
# Limits that errors name and that are no number a client could keep to.
UNTOLD = {
    "disk": "how much room there is",
    "statement_size": "the database's own",
    "statement_time": "max_search_us, max_write_us",
    "max_lookups": "of callers whose key is not known",
    "max_open_calls": "of callers without a key",
    "max_watchers": "of callers without a key",
}


@pytest.fixture
def told(plain: PlainClient) -> Any:
    return plain("GetLimits").limits


def numbers() -> Iterator[tuple[str, str, int]]:
    """Each number in a comment of the contract: its file, itself, and what it is in bytes or microseconds."""
    for file in sorted((ROOT / "proto" / "xpstore" / "v1").glob("*.proto")):
        for line in file.read_text().splitlines():
            _, is_comment, comment = line.partition("// ")
            if not is_comment or "SPDX" in line:
                continue
            for power, digits, unit in NUMBER.findall(comment):
                count = int(digits.replace(",", "").rstrip(","))
                value = 2**count if power else count * UNITS.get(unit, 1)
                if unit or power or value >= LEAST:
                    yield file.name, f"{power}{digits.rstrip(',')} {unit}".strip(), value


def test_every_number_of_the_contract_is_told(told: Any) -> None:
    known = {value for field, value in told.ListFields() if isinstance(value, int)}
    known |= {value for _, value in told.chunking.ListFields()}
    unknown = {(file, number) for file, number, value in numbers() if value not in known}
    assert sorted(unknown - set(OTHERS)) == []
    assert sorted(set(OTHERS) - unknown) == []


def test_every_limit_that_an_error_names_is_told(told: Any) -> None:
    named = set[str]()
    for file in (ROOT / "server" / "xpstore_server").rglob("*.py"):
        named |= set(re.findall(r'(?:limit ?= ?|_too_many\()"(\w+)"', file.read_text()))
    assert {"max_calls", "max_queue"} < named
    assert named - {field.name for field in told.DESCRIPTOR.fields} == set(UNTOLD)


def test_every_limit_is_set_and_tested_by_its_name(told: Any) -> None:
    unset = [field.name for field in told.DESCRIPTOR.fields if field not in dict(told.ListFields())]
    assert unset == []
    assert (told.contract_version, told.max_ids, told.max_listed) == ("1.1", 1_000, 100)
    assert told.max_filter_depth == limits.FILTER_DEPTH and told.max_step == 1 << 62


BOUNDS = {
    "ListSeries": ("model_ids", "max_ids"),
    "ListNewestModules": ("model_ids", "max_ids"),
    "RenewCacheLeases": ("tokens", "max_ids"),
    "LookupCacheEntries": ("fingerprints", "max_ids"),
    "FindMissingChunks": ("digests", "max_digests"),
}


@pytest.mark.parametrize("method", BOUNDS)
def test_list_in_a_request_is_taken_up_to_its_limit(plain: PlainClient, told: Any, uid: str, method: str) -> None:
    field, name = BOUNDS[method]
    most = getattr(told, name)
    one: Any = {"tokens": b"t" * 16, "digests": bytes(32), "fingerprints": "a" * 64}.get(field, uid)
    owner = {} if field in ("tokens", "model_ids") else {"project_uid": uid}
    plain(method, **owner, **{field: [one] * most})
    with pytest.raises(Exception, match="at most") as caught:
        plain(method, **owner, **{field: [one] * (most + 1)})
    assert caught.value.reason == "INVALID_ARGUMENT"  # type: ignore[attr-defined]


class Told(limits_pb2_grpc.LimitsServiceServicer):
    """A server that says one thing and counts who asks."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.asked = 0

    def GetLimits(self, request: Any, context: Any) -> limits_pb2.GetLimitsResponse:
        self.asked += 1
        return limits_pb2.GetLimitsResponse(limits=limits_pb2.Limits(contract_version=self.version, max_ids=self.asked))


@pytest.fixture
def service(request: pytest.FixtureRequest) -> Iterator[tuple[Told, str]]:
    told = Told(request.param)
    server = grpc.server(futures.ThreadPoolExecutor(2))
    limits_pb2_grpc.add_LimitsServiceServicer_to_server(told, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield told, f"127.0.0.1:{port}"
    server.stop(None)


@pytest.mark.parametrize("service", ["2.0", "10.3", "nonsense"], indirect=True)
def test_client_does_not_speak_another_contract(service: tuple[Told, str]) -> None:
    with pytest.raises(errors.Unimplemented, match=r"speaks version .* of the contract, and this client version 1"):
        xpstore.Client("key", service[1])


@pytest.mark.parametrize("service", ["1.0", "1.7", ""], indirect=True)
def test_client_speaks_with_newer_and_older_servers(service: tuple[Told, str]) -> None:
    client = xpstore.Client("key", service[1])
    assert client.limits.max_ids == 1
    client.close()


@pytest.mark.parametrize("service", ["1.0"], indirect=True)
def test_client_asks_for_limits_again(service: tuple[Told, str], monkeypatch: pytest.MonkeyPatch) -> None:
    client = xpstore.Client("key", service[1])
    assert [client.limits.max_ids, client.limits.max_ids] == [1, 1]
    client.close()
    # What answers at an address may be another server a minute later: a reconnect is not told.
    monkeypatch.setattr(connection, "LIMITS_SECONDS", -1.0)
    client = xpstore.Client("key", service[1])
    assert [client.limits.max_ids, client.limits.max_ids] == [3, 4]
    service[0].version = "2.0"
    with pytest.raises(errors.Unimplemented):
        _ = client.limits
    client.close()
