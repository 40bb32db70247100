"""A file goes up over a line on which no connection lasts, and little of it is sent twice.

3 MiB at 512 KiB/s, cut every 2.5 s; with XPSTORE_TEST_SLOW=1 20 MiB at 64 KiB/s, cut every 10 s: for six minutes.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import xpstore
from support.between.relay import Relay
from support.raw import KIB, MIB, Raw, digest_of
from support.services import Server
from support.uploads import patient
from xpstore.v1 import artifact_pb2 as pb

IS_SLOW = bool(os.environ.get("XPSTORE_TEST_SLOW"))
BYTES_PER_SECOND = (64 if IS_SLOW else 512) * KIB
CUT_SECONDS = 10.0 if IS_SLOW else 2.5
SIZE_BYTES = (20 if IS_SLOW else 3) * MIB


@contextmanager
def thin_line(server: Server) -> Iterator[Relay]:
    with Relay(server.address) as relay:
        relay.limit(BYTES_PER_SECOND)
        ended = threading.Event()

        def cut() -> None:
            while not ended.wait(CUT_SECONDS):
                relay.cut(reset=True)

        cutter = threading.Thread(target=cut)
        cutter.start()
        try:
            yield relay
        finally:
            ended.set()
            cutter.join()


@pytest.mark.client
@pytest.mark.timeout(900)
def test_file_arrives_over_a_line_that_breaks_and_breaks(raw: Raw, project: xpstore.Project, server: Server) -> None:
    data = os.urandom(SIZE_BYTES)
    header = raw.header(size_bytes=len(data), blake3=digest_of(data))
    with thin_line(server) as relay:
        answer, streams = patient.upload(relay.address, server.api_key, header, data)
        sent = relay.ways[0].arrived_bytes
    print(f"{len(data)} bytes: {streams} streams, {sent / len(data):.2f} of its bytes over the line")
    assert isinstance(answer, pb.UploadFileResponse)
    assert raw.read(answer.version.id) == data
    assert sent <= 1.3 * len(data) and streams >= 3
