"""Runs: attempts at training a model."""

import logging
import os
import threading
import traceback
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import UUID

from xpstore._machine.ending import ending_error
from xpstore._machine.environment import capture
from xpstore._machine.settings import setting
from xpstore._notebook.glance import Glance
from xpstore._notebook.html import facts, shown
from xpstore._service.paging import iterate
from xpstore._session.client import ClientBase
from xpstore._spool.record import RecordType, Target
from xpstore._values.checks import MAX_TEXT_LENGTH, to_text
from xpstore._values.ids import ordered_id, sent_id
from xpstore._values.json_text import from_json_object
from xpstore._values.times import now_us, to_datetime
from xpstore.errors import Error
from xpstore.v1 import ingest_pb2
from xpstore.v1 import run_pb2 as pb

if TYPE_CHECKING:
    from xpstore._console.printout import Printout

__all__ = ["Run"]

log = logging.getLogger("xpstore")

HEARTBEAT_SECONDS = 30.0
# How often a run logs what its machine is busy with. A reading takes a millisecond.
USAGE_SECONDS = 10.0
USAGE_PHASE = "system"
HEARTBEAT_TIMEOUT_SECONDS = 10.0
_NO_HEARTBEAT = 'The heartbeat of run %s fails: it shows as "lost" after five minutes without one. %s'
STATUS: dict[int, str] = {
    pb.RUN_STATUS_RUNNING: "running",
    pb.RUN_STATUS_FINISHED: "finished",
    pb.RUN_STATUS_FAILED: "failed",
    pb.RUN_STATUS_LOST: "lost",
}


class Run:
    """One attempt at training a model, as `with model.run() as run` makes it."""

    def __init__(self, client: ClientBase, wire: pb.Run) -> None:
        self._client = client
        self._wire = wire

    def _read(self) -> pb.Run:
        if not self._wire.HasField("ended_at_us"):
            request = pb.GetRunRequest(run_id=self._wire.id)
            self._wire = self._client.call(self._client.stubs.runs.GetRun, request).run
        return self._wire

    @property
    def id(self) -> UUID:
        """Its id, unique over all projects."""
        return sent_id(self._wire.id)

    @property
    def model_id(self) -> UUID:
        """The id of its model."""
        return sent_id(self._wire.model_id)

    @property
    def status(self) -> str:
        """Its state now: "running", "finished", "failed", or "lost" when not heard of for five minutes."""
        return STATUS[self._read().status]

    @property
    def started_at(self) -> datetime:
        """When it started by the clock of its machine, UTC."""
        return to_datetime(self._wire.started_at_us)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended by the clock of its machine, UTC; None while it has not."""
        wire = self._read()
        return to_datetime(wire.ended_at_us) if wire.HasField("ended_at_us") else None

    @property
    def duration(self) -> timedelta | None:
        """How long it took by the clock of its machine; None while it has not ended."""
        ended_at = self.ended_at
        return None if ended_at is None else ended_at - self.started_at

    @property
    def error(self) -> str:
        """The traceback that ended a failed run, at most 16,384 characters; else ""."""
        return self._read().error

    @property
    def rank(self) -> int:
        """Rank in a distributed job: RANK, LOCAL_RANK or SLURM_PROCID; 0 without."""
        return self._wire.environment.rank

    @property
    def host(self) -> str:
        """Host name."""
        return self._wire.environment.host

    @property
    def user(self) -> str:
        """User name, or the number of a user without one."""
        return self._wire.environment.user

    @property
    def command(self) -> str:
        """Command line, quoted for a shell."""
        return self._wire.environment.command

    @property
    def python(self) -> str:
        """Version of Python."""
        return self._wire.environment.python

    @property
    def packages(self) -> dict[str, str]:
        """Version of each installed package."""
        return from_json_object("packages", self._wire.environment.packages_json)

    @property
    def git_commit(self) -> str:
        """Commit of the work tree it was started in, "" if there was none."""
        return self._wire.environment.git_commit

    @property
    def git_dirty(self) -> bool:
        """Whether tracked files of that work tree had changes."""
        return self._wire.environment.git_dirty

    @property
    def git_diff(self) -> str:
        """Those changes as a patch with secrets masked, of a long one the first 262,144 characters: its end says so."""
        if not self._wire.environment.git_diff and self.git_dirty:  # lists come without
            request = pb.GetRunRequest(run_id=self._wire.id)
            self._wire = self._client.call(self._client.stubs.runs.GetRun, request).run
        return self._wire.environment.git_diff

    @property
    def job(self) -> dict[str, str]:
        """What launcher or cluster said of the job, such as `slurm_job_id`."""
        return from_json_object("job", self._wire.environment.job_json or "{}")

    def console(self, tail_bytes: int | None = None) -> str:
        """What it printed to standard output and standard error, while it was open.

        Colours are as they were printed, of a progress bar some states; a line says where something was left out. Of a
        long log the server keeps the first 256 KiB and the newest, 2 MiB together.

        Args:
            tail_bytes: only so many bytes of UTF-8 at its end, at least one character; default all that is kept.

        Raises:
            InvalidArgument: `tail_bytes` is not positive.
        """
        from xpstore._console import reading  # here, as few programs read it

        return reading.text_of(self._client, self._wire.id, tail_bytes)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and self.id == other.id

    def __hash__(self) -> int:
        return self.id.int

    def __repr__(self) -> str:
        return f"Run(status={STATUS.get(self._wire.status)!r}, started_at={self.started_at}, id={str(self.id)!r})"

    def _repr_html_(self) -> str:
        """What it was and how it ended, for notebooks: asks the server, briefly."""
        return shown(lambda: f"Run {self._wire.id}", self._shown())

    def _shown(self) -> Iterator[str]:
        try:
            if not self._wire.HasField("ended_at_us"):
                request = pb.GetRunRequest(run_id=self._wire.id)
                self._wire = Glance(self._client).call(self._client.stubs.runs.GetRun, request).run
        finally:  # if the server is away, what is known
            yield facts(self._facts())

    def _facts(self) -> list[tuple[str, Any]]:
        wire = self._wire
        ended_at = to_datetime(wire.ended_at_us) if wire.HasField("ended_at_us") else None
        return [
            ("status", STATUS.get(wire.status)),
            ("started", self.started_at),
            ("ended", ended_at),
            ("took", ended_at - self.started_at if ended_at is not None else None),
            ("host", self.host),
            ("user", self.user),
            ("rank", self.rank or None),
            ("command", self.command),
            ("Python", self.python),
            ("commit", self.git_commit + ", with changes" * self.git_dirty),
            ("error", wire.error.strip().rpartition("\n")[2]),
        ]


class Attempt:
    """A run under way: started, kept alive and ended by its `with` block.

    Attributes:
        printout: what it prints; None if that is not recorded.
    """

    def __init__(self, client: ClientBase, target: Target) -> None:
        self._client = client
        self._target = target

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(
            "A run under way cannot be pickled: it ends with its block. Pass the model, or the Run of `as`."
        )

    def __enter__(self) -> Run:
        return self.begin(capture(MAX_TEXT_LENGTH))

    def begin(self, environment: pb.RunEnvironment, process_id: int | None = None) -> Run:
        """Starts it.

        Args:
            environment: from what.
            process_id: of the program that it is of, whose output the caller adds to `printout`; default this one.

        Raises:
            InvalidArgument: a setting is malformed.
        """
        request = pb.CreateRunRequest(
            model_id=self._target.model_id, run_id=ordered_id(), environment=environment, started_at_us=now_us()
        )
        has_console = setting("XPSTORE_RECORD_CONSOLE", 1) and setting("XPSTORE_RECORD", 1)
        self._client.recorder.spool.of_model(RecordType.RUN_START, self._target, request.SerializeToString())
        self._client.recorder.before_end.add(self._end_with_program)
        self._thread = threading.current_thread()
        self._run = Run(self._client, _running(request))
        self._pid = os.getpid()
        self._ended = threading.Event()
        self.printout = self._printout_of(is_own=process_id is None) if has_console else None
        if seconds := setting("XPSTORE_SYSTEM_METRICS", USAGE_SECONDS) * bool(setting("XPSTORE_RECORD", 1)):
            args = (seconds, environment.rank, process_id)
            threading.Thread(target=self._watch, args=args, name="xpstore-usage", daemon=True).start()
        if self._client.offline is None:
            threading.Thread(target=self._beat, name="xpstore-heartbeat", daemon=True).start()
        return self._run

    def _printout_of(self, is_own: bool) -> "Printout":
        from xpstore._console import streams  # here, as `import xpstore` need not wait for it
        from xpstore._console.printout import Printout  # likewise

        printout = Printout(self._record_printed, self._client.api_key)
        if is_own:
            streams.listen(printout.add)
        return printout

    def _record_printed(self, offset: int, text: str) -> None:
        event = ingest_pb2.ConsoleEvent(run_id=self._run._wire.id, offset=offset, text=text)
        self._client.recorder.console(self._target, event)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A forked child leaves the block too, and the run is its parent's.
        if os.getpid() == self._pid and not self._ended.is_set():
            is_failed = error is not None and not _is_orderly(error)
            self.end("".join(traceback.format_exception(kind, error, trace)) if is_failed else None)

    def _end_with_program(self) -> None:
        """The block is not left in time: it is in a daemon thread or a suspended generator, or was entered by hand."""
        if os.getpid() != self._pid or self._ended.is_set():
            return
        error = ending_error()
        if error is not None and not _is_orderly(error):
            self.end("".join(traceback.format_exception(error)))
        elif self._thread.daemon and self._thread.is_alive():
            self.end("The program ended while a daemon thread was in this run.")
        else:
            self.end(None)

    def end(self, error: str | None) -> None:
        """Ends it: as failed, if there is an error."""
        self._ended.set()
        self._client.recorder.before_end.discard(self._end_with_program)
        self._end_console()
        # A clock that was set back meanwhile does not end a run before its start.
        ended_at_us = max(now_us(), self._run._wire.started_at_us)
        request = pb.FinishRunRequest(run_id=self._run._wire.id, status=pb.RUN_STATUS_FINISHED, ended_at_us=ended_at_us)
        if error is not None:
            request.status = pb.RUN_STATUS_FAILED
            request.error = to_text(error, MAX_TEXT_LENGTH)
        try:
            self._client.recorder.spool.of_model(RecordType.RUN_END, self._target, request.SerializeToString())
            self._client.recorder.hurry()
        except Error as failure:
            # The training is done, or has an error of its own to tell.
            log.warning("The end of %r was not recorded: %s", self._run, failure)

    def _end_console(self) -> None:
        if self.printout is not None:
            from xpstore._console import streams  # here, as above: it is there by now

            streams.unlisten(self.printout.add)
            self.printout.close()

    def _watch(self, seconds: float, rank: int, process_id: int | None) -> None:
        """Logs what the machine is busy with, of each rank under names of its own."""
        try:
            from xpstore._machine.usage import Usage  # here: runs that are over sooner need not wait for it

            usage = Usage(process_id)
            while not self._ended.wait(seconds):
                for name, value in usage.read().items():
                    name = f"{name}_rank_{rank}" if rank else name
                    self._client.recorder.point(self._target, name, USAGE_PHASE, value, None)
        except Exception as error:  # whatever it is, training goes on
            if not self._ended.is_set():
                log.warning("Run %s records no more of what its machine is busy with: %s", self._run.id, error)

    def _beat(self) -> None:
        is_away = False
        while not self._ended.wait(HEARTBEAT_SECONDS):
            try:
                request = pb.HeartbeatRunRequest(run_id=self._run._wire.id)
                method = self._client.stubs.runs.HeartbeatRun
                self._client.call(method, request, timeout_seconds=HEARTBEAT_TIMEOUT_SECONDS)
                is_away = False
            except Exception as error:  # whatever it is, training goes on, and so does the next heartbeat
                if not is_away and not self._ended.is_set():
                    log.warning(_NO_HEARTBEAT, self._run.id, error)
                is_away = True


def _running(request: pb.CreateRunRequest) -> pb.Run:
    """A run as it is until the server is asked."""
    return pb.Run(
        id=request.run_id,
        model_id=request.model_id,
        status=pb.RUN_STATUS_RUNNING,
        started_at_us=request.started_at_us,
        environment=request.environment,
    )


def _is_orderly(error: BaseException) -> bool:
    return isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and error.code in (None, 0))


def list_runs(client: ClientBase, model_id: str) -> list[Run]:
    """All runs of a model, oldest first."""
    wires: Any = iterate(client, client.stubs.runs.ListRuns, pb.ListRunsRequest(model_id=model_id), "runs")
    return [Run(client, wire) for wire in wires]
