"""Makes the calls, and looks at what they are answered and at the server's log, memory and descriptors."""

import asyncio
import csv
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psutil
from google.rpc import error_details_pb2, status_pb2

from support.contract.methods import ROOT, Method, is_of, methods
from support.contract.plain_client import PlainClient, digest
from support.door.calls import calling
from support.fuzz.messages import messages_for, spoilt_page
from support.fuzz.world import World, random_id
from support.raw import chunk_of
from support.services import Server
from xpstore.v1 import artifact_pb2

AT_ONCE = 6
SLOW_SECONDS = 1.0
TRIES = 5
RENEWED_EVERY = 1_000
SAMPLES = 200
# These wait for others as long as they are told.
# What grpc.aio says of a call that was answered while it sent.
EARLY = "Internal error from Core"
WAITS = {"WaitForCacheEntry", "GetUpload", "UploadFile", "UploadChunks", "IngestStream"}
METHODS = methods()
COMMIT = next(method for method in METHODS if method.descriptor.name == "CommitArtifact")


@dataclass(slots=True)
class Call:
    """One call and how it ended."""

    number: int
    method: Method
    messages: Sequence[bytes]
    seconds: float = 0.0
    code: str = ""
    text: str = ""
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False  # by the client

    def __str__(self) -> str:
        sent = " | ".join(data.hex()[:400] for data in self.messages)
        told = f"{self.code} {self.reason} {self.metadata.get('field', '')} {self.text[:200]!r}"
        return f"call {self.number} of {self.method.name}: {told}, {self.seconds:.2f} s: {sent}"


@dataclass(slots=True)
class Sample:
    """The server at some moment."""

    calls: int
    seconds: float
    rss_mib: float
    descriptors: int
    cpu_seconds: float


@dataclass(slots=True)
class Outcome:
    """What came of all calls."""

    seed: int
    codes: Counter[str] = field(default_factory=Counter)
    by_method: dict[str, Counter[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    fields: set[tuple[str, str]] = field(default_factory=set)
    slow: list[Call] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return sum(self.codes.values())

    def growth(self) -> tuple[float, float]:
        """MiB and descriptors that the second half of the calls added, by the straight line through its samples."""
        half = self.samples[len(self.samples) // 2 :]
        return _slope([(one.calls, one.rss_mib) for one in half]), _slope(
            [(one.calls, one.descriptors) for one in half]
        )

    def write(self, path: Path) -> None:
        """The samples as CSV."""
        with open(path, "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(Sample.__slots__)
            rows.writerows([getattr(one, name) for name in Sample.__slots__] for one in self.samples)


def _slope(points: list[tuple[float, float]]) -> float:
    """Rise of the least squares' line over the width of the points."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    if not spread:
        return 0.0
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread * (points[-1][0] - points[0][0])


class Fuzz:
    """Calls of one seed against one server."""

    def __init__(self, server: Server, seed: int) -> None:
        self._server = server
        self._seed = seed
        self._client = PlainClient((ROOT / "proto" / "xpstore.binpb").read_bytes(), server.address, server.api_key)
        self._world = World(self._client)
        self._process = psutil.Process(server.pid)
        self._log = server.log.open("rb")
        self._log.seek(0, 2)
        self._rest = b""
        self._parse = {method.path: method.response for method in METHODS}
        self.outcome = Outcome(seed)

    def run(self, calls: int, seconds: float = float("inf")) -> Outcome:
        """Makes so many calls, or as many as fit into so many seconds."""
        asyncio.run(self._run(calls, seconds))
        self._read_log()
        return self.outcome

    async def _run(self, calls: int, seconds: float) -> None:
        options: Any = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1)]
        started, every = time.monotonic(), max(1, calls // SAMPLES)
        async with grpc.aio.insecure_channel(self._server.address, options=options) as channel:
            running = set[asyncio.Task[None]]()
            for number in range(calls):
                if time.monotonic() - started > seconds:
                    break
                if number % RENEWED_EVERY == RENEWED_EVERY - 1:
                    await asyncio.to_thread(self._world.renew)
                if number % every == 0:
                    self._sample(number, time.monotonic() - started)
                    self._read_log()
                for call in self._made(number):
                    running.add(asyncio.create_task(self._judge(channel, call)))
                if len(running) >= AT_ONCE:
                    done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    for one in done:
                        one.result()
            await asyncio.gather(*running)
            self._sample(self.outcome.calls, time.monotonic() - started)
            await self._look_again(channel)

    def _sample(self, calls: int, seconds: float) -> None:
        process = self._process
        times = process.cpu_times()
        rss = process.memory_info().rss / (1 << 20)
        self.outcome.samples.append(Sample(calls, seconds, rss, process.num_fds(), times.user + times.system))

    def _made(self, number: int) -> list[Call]:
        chance = random.Random(f"{self._seed} {number}")
        if chance.random() < 0.02:
            return self._with_page(number, chance)
        method = chance.choice(METHODS)
        call = Call(number, method, messages_for(method, self._world, chance))
        call.is_cut = method.descriptor.client_streaming and chance.random() < 0.05
        return [call]

    def _with_page(self, number: int, chance: random.Random) -> list[Call]:
        """A commit of a manifest page that is spoilt and stored."""
        uid, page = self._world.kept["project_uid"], spoilt_page(self._world.kept["page"], chance)
        if page:
            head = artifact_pb2.UploadChunksRequest(project_uid=uid, chunks=[chunk_of(page)])
            try:
                self._client("UploadChunks", [head])
            except Exception as error:
                self.outcome.faults.append(f"call {number}: a sound chunk was refused: {error}")
        request = COMMIT.request(project_uid=uid, version_id=self._id(chance))
        request.draft.name, request.draft.type = "page", "directory"
        request.manifest.pages.add(digest=digest(page), size_bytes=len(page), first_path="a.bin")
        return [Call(number, COMMIT, [request.SerializeToString()])]

    def _id(self, chance: random.Random) -> str:
        return str(self._world.value("", "version_id", chance)) if chance.random() < 0.1 else random_id(chance)

    async def _judge(self, channel: Any, call: Call) -> None:
        await self._make(channel, call)
        outcome = self.outcome
        outcome.codes[call.code] += 1
        outcome.by_method.setdefault(call.method.name, Counter())[call.code] += 1
        if call.seconds > SLOW_SECONDS and call.method.descriptor.name not in WAITS:
            outcome.slow.append(call)
        if call.code == "OK" or call.is_cut:
            return
        if call.code in ("INTERNAL", "UNKNOWN", "DATA_LOSS") or not call.reason:
            outcome.faults.append(str(call))
        if name := call.metadata.get("field"):
            outcome.fields.add((call.method.name, name))
            if not is_of(call.method.descriptor.input_type, name):
                outcome.faults.append(f"{call}: the request has no {name}")

    async def _make(self, channel: Any, call: Call) -> None:
        """Makes a call. How many messages there are to read the server says: none, one or many."""

        async def messages() -> AsyncIterator[bytes]:
            for data in call.messages:
                yield data
            if call.is_cut:
                await asyncio.sleep(3600)

        metadata = (("authorization", f"Bearer {self._server.api_key}"),)
        started = time.monotonic()
        made = channel.stream_stream(call.method.path)(messages(), metadata=metadata, timeout=60)
        if call.is_cut:
            asyncio.get_running_loop().call_later(0.05, made.cancel)
        try:
            async for data in made:
                self._learn(call.method.path, data)
            call.code = "OK"
        except grpc.aio.AioRpcError as error:
            call.code, call.text = error.code().name, error.details() or ""
            for key, value in error.trailing_metadata() or ():
                if key == "grpc-status-details-bin":
                    for detail in status_pb2.Status.FromString(value).details:
                        info = error_details_pb2.ErrorInfo()
                        if detail.Unpack(info):
                            call.reason, call.metadata = info.reason, dict(info.metadata)
            if call.text == EARLY:
                if call.is_cut:
                    call.code = "CANCELLED"
                else:
                    await asyncio.to_thread(self._make_again, call)
        except asyncio.CancelledError:
            if not call.is_cut:
                raise
            call.code = "CANCELLED"
        call.seconds = time.monotonic() - started

    def _make_again(self, call: Call) -> None:
        """By the other library of gRPC: this one loses an answer that comes while it sends."""
        with calling(self._server, self._server.api_key) as caller:
            answer = caller.call(call.method.path, *call.messages)
        call.code, call.text, call.reason, call.metadata = (
            answer.code.name,
            answer.text,
            answer.reason,
            answer.metadata,
        )

    def _learn(self, path: str, data: bytes) -> None:
        """Keeps tokens of pages, which calls then send."""
        token = getattr(self._parse[path].FromString(data), "next_page_token", "")
        if token:
            known = self._world.pages.setdefault(path, [])
            known.append(token)
            del known[:-20]

    async def _look_again(self, channel: Any) -> None:
        """What was slow among others is made again alone: it is slow if it is so each time."""
        for call in self.outcome.slow:
            again = Call(call.number, call.method, call.messages)
            for _ in range(TRIES):
                await self._make(channel, again)
                call.seconds = min(call.seconds, again.seconds)
            if call.seconds > SLOW_SECONDS:
                self.outcome.faults.append(f"slow: {call}")

    def _read_log(self) -> None:
        """Looks for what a server must not say."""
        *lines, self._rest = (self._rest + self._log.read()).split(b"\n")  # the last one is perhaps still written
        for line in lines:
            text = line.decode(errors="replace")
            if not text.startswith("{"):
                self.outcome.faults.append(f"log: {text[:400]}")
                continue
            said = json.loads(text)
            if said.get("level") in ("ERROR", "CRITICAL") or "trace" in said:
                self.outcome.faults.append(f"log: {said.get('method', '')} {text[-1_500:]}")
