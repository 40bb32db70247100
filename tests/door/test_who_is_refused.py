"""Keys and addresses: what is known costs no query, what cannot be a key neither, and what is left is bounded."""

import asyncio
import ipaddress
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from support.backends import sqlite_url
from xpstore.v1 import access_pb2
from xpstore_server.auth import Authenticator, principal
from xpstore_server.core import access
from xpstore_server.core.errors import Unauthenticated
from xpstore_server.door.refusals import BURST, Refusals
from xpstore_server.door.rules import rules_of
from xpstore_server.settings import StartError
from xpstore_server.store import migrate
from xpstore_server.store.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(sqlite_url(tmp_path / "keys.db"))
    migrate.upgrade(database)
    yield database
    database.close()


def admitted(authenticator: Authenticator, key: str, *, may_look_up: bool = True) -> str | None:
    async def admit() -> str:
        await authenticator.admit((("authorization", f"Bearer {key}"),), lambda: may_look_up)
        return principal()

    try:
        return asyncio.run(admit())
    except Unauthenticated:
        return None


def test_key_is_known_wherever_it_comes_from_and_a_new_one_is_looked_up(database: Database) -> None:
    old = database.write(lambda tx: access.create(tx, "old"))
    authenticator = Authenticator(database)
    authenticator.load()
    new = database.write(lambda tx: access.create(tx, "new"))
    assert admitted(authenticator, old, may_look_up=False) == "old"
    assert admitted(authenticator, new, may_look_up=False) is None
    assert admitted(authenticator, new) == "new"
    assert admitted(authenticator, new, may_look_up=False) == "new", "it is remembered"
    assert admitted(authenticator, access.new_key()) is None


def test_keys_of_the_first_release_and_of_an_admin_go_on_working(database: Database) -> None:
    for key in (access.new_key()[:47], "0123456789abcdef"):
        database.write(partial(access.ensure_admin, key=key))
        assert admitted(Authenticator(database), key) == "admin"


@pytest.mark.parametrize("key", ["", "x", "short", "with a space in it", "ü" * 20, "x" * 5000, f"xps_{'a' * 49}"])
def test_what_cannot_be_a_key_is_refused_without_a_look_up(key: str, database: Database) -> None:
    authenticator = Authenticator(database)
    database.close()
    assert admitted(authenticator, key) is None


def test_address_is_that_of_a_host_or_of_its_network() -> None:
    refusals = Refusals()
    assert refusals.address("ipv4:10.1.2.3:4567", ()) == "10.1.2.3"
    assert refusals.address("ipv6:%5B2001:db8::1%5D:4567", ()) == "2001:db8::/64"
    assert refusals.address("ipv6:%5B2001:db8::2%5D:1", ()) == "2001:db8::/64"
    assert refusals.address("ipv6:%5B::ffff:10.1.2.3%5D:1", ()) == "10.1.2.3"
    assert refusals.address("unix:", ()) == refusals.address("unix:/tmp/s", ()) == ""
    forwarded = (("x-forwarded-for", "192.0.2.1"),)
    assert refusals.address("ipv4:10.1.2.3:4567", forwarded) == "10.1.2.3", "anybody can say that"


def test_word_of_a_trusted_proxy_counts_and_no_further() -> None:
    refusals = Refusals([ipaddress.ip_network("10.0.0.0/8")])
    proxy = "ipv4:10.1.2.3:4567"
    assert refusals.address(proxy, (("x-forwarded-for", "192.0.2.1"),)) == "192.0.2.1"
    assert refusals.address(proxy, (("x-forwarded-for", "198.51.100.9, 192.0.2.1, 10.9.9.9"),)) == "192.0.2.1"
    assert refusals.address(proxy, ()) == "", "all come from it: nobody is slowed down for another"
    assert refusals.address(proxy, (("x-forwarded-for", "nonsense"),)) == ""
    assert refusals.address("ipv4:192.0.2.7:1", (("x-forwarded-for", "192.0.2.1"),)) == "192.0.2.7"


def test_address_has_so_many_look_ups_and_others_have_theirs() -> None:
    async def run() -> None:
        refusals = Refusals()
        count = 0
        while refusals.may_look_up("10.0.0.1"):
            refusals.refused("10.0.0.1", "ipv4:10.0.0.1:1", "/m", "why")
            count += 1
        assert BURST <= count <= BURST + 5
        assert refusals.may_look_up("10.0.0.2") and refusals.may_look_up("")

    asyncio.run(run())


def test_number_of_addresses_that_are_remembered_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        refusals = Refusals()
        with caplog.at_level("INFO", "xpstore"):
            for number in range(10_000):
                refusals.refused(f"10.0.{number >> 8}.{number & 255}", "ipv4:", "/m", "why")
            assert len(refusals._addresses) <= 4096
            refusals._tell_all()

    asyncio.run(run())
    assert len(caplog.records) <= 201
    assert sum(record.fields["count"] for record in caplog.records) == 10_000  # type: ignore[attr-defined]


@pytest.mark.parametrize(("role", "max_entries", "lacks"), [(0, 10, "role"), (1, 0, "max_entries"), (None, 0, "role")])
def test_method_without_a_role_or_a_bound_does_not_start(role: int | None, max_entries: int, lacks: str) -> None:
    pool = descriptor_pool.DescriptorPool()
    for module in (descriptor_pb2, access_pb2):
        pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(name="x.proto", package="x", dependency=["xpstore/v1/access.proto"])
    file.message_type.add(name="M")
    method = file.service.add(name="S").method.add(name="Do", input_type=".x.M", output_type=".x.M")
    if role is not None:
        access_of: Any = method.options.Extensions[cast(Any, access_pb2.access)]
        access_of.CopyFrom(access_pb2.Access(role=cast(Any, role), max_entries=max_entries))
    pool.AddSerializedFile(file.SerializeToString())
    with pytest.raises(StartError, match=f"^/x.S/Do has no {lacks}: .*option") as caught:
        rules_of([pool.FindServiceByName("x.S")])
    assert "\n" not in str(caught.value)
