"""Artifacts saved in the background while the server was away: they wait in the spool, and are sent later.

save(wait=False) -> the server is away -> stored here -> tried again and again -> sent, or left to `xpstore sync`
"""

import logging
import random
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xpstore._files.publish import publish
from xpstore._files.scan import Source
from xpstore._offline.room import check_room
from xpstore._offline.shipper import ArtifactShipper
from xpstore._offline.stand_in import LIMITS, StandIn
from xpstore._offline.store import ArtifactStore
from xpstore._service.connection import Connection
from xpstore._service.retry import Attempts
from xpstore._spool.record import Target
from xpstore.errors import Error, NotFound
from xpstore.v1 import artifact_pb2 as pb
from xpstore.v1 import project_pb2

if TYPE_CHECKING:
    from xpstore._spool.recorder import Recorder

log = logging.getLogger("xpstore")

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

_random = random.SystemRandom()  # the program's own random numbers stay what its seed makes them


class Keeper:
    """What waits for the server of one client, in one process.

    Args:
        connection: to the server.
        recorder: what the client logs through.
        iteration_steps: the steps of iterations that links name, by their ids.
        parents: that of the process that this one was forked from.
    """

    def __init__(
        self,
        connection: Connection,
        recorder: "Recorder",
        iteration_steps: dict[str, int],
        parents: "Keeper | None" = None,
    ) -> None:
        self._connection = connection
        self._recorder = recorder
        self.iteration_steps = iteration_steps
        self.stand_in = StandIn(self)
        self._lock = threading.Lock()
        self._waiting: set[str] = set(parents._waiting) if parents else set()
        self._became: dict[str, str] = dict(parents._became) if parents else {}
        self._stop = threading.Event()
        self._is_more = False
        self._thread: threading.Thread | None = None

    def holds(self, version_id: str) -> bool:
        """Whether a version was stored here by this process, and is not sent yet, by whomever."""
        if version_id not in self._waiting:
            return False
        if self.store.get(version_id) is None:
            self._sent(version_id, self.store.became(version_id) or version_id)
        return version_id in self._waiting

    def became(self, version_id: str) -> str:
        """The id of a version on the server, that may have had one of its content."""
        return self._became.get(version_id, version_id)

    def keep(
        self, project_uid: str, draft: pb.ArtifactDraft, sources: Iterable[Source], reread: bool
    ) -> pb.ArtifactVersion:
        """Stores what the server did not take, and begins to send it.

        Raises:
            ResourceExhausted: the bound of the spool is met.
        """
        check_room(self._connection, self.store, draft.name, sources)
        place: Any = _Place(self._connection, self.stand_in)
        version, _ = publish(place, project_uid, draft, sources, reread)
        with self._lock:
            if not self._waiting:
                folder = self._recorder.folder
                log.warning(
                    "The server is away: what is saved in the background waits in %s, and is sent later.", folder
                )
            self._waiting.add(version.id)
            self._is_more = True
        self.begin()
        return version

    def begin(self) -> None:
        """Sends what waits in a thread, what programs that are gone have left too."""
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="xpstore-keeper", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Sends no more; what is under way is repeated by whoever sends it next."""
        self._stop.set()

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stop.wait(pause * _random.uniform(0.75, 1.0)):
            writer, owner = self.writer
            self._is_more = False
            try:
                shipper = ArtifactShipper(self._connection, self.store, writer=writer, owner=owner)
                done = shipper.ship(self._sent)
            except Error as error:
                log.debug("Artifacts that wait cannot be sent now: %s", error)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                continue
            except Exception:  # a fault of ours: what waits is sent by another program
                log.exception("Artifacts that wait are not sent")
                return
            for name, reason in done.refused.items():
                log.warning("Artifact %r stays in the spool, as the server does not take it: %s", name, reason)
            pause = LONGEST_PAUSE_SECONDS
            with self._lock:
                if not done.later and not self._is_more:
                    self._thread = None
                    return

    def _sent(self, made: str, becomes: str) -> None:
        with self._lock:
            self._became[made] = becomes
            self._waiting.discard(made)

    # What `StandIn` asks.

    @property
    def writer(self) -> tuple[str, str]:
        """Id of the writer in the spool, and the digest of the key."""
        return self._recorder.spool.writer_id, self._recorder.owner

    @cached_property
    def store(self) -> ArtifactStore:
        """Where artifacts wait."""
        return ArtifactStore(self._recorder.folder)

    def project_of(self, project_uid: str) -> tuple[str, project_pb2.CreateProjectRequest | None]:
        """What tells a project from others: its uid, as the server has made it."""
        return f"uid:{project_uid}", None

    def project_uid_of(self, project_id: str) -> str:
        """Nobody asks by name for what waits: the server is asked."""
        raise NotFound(f"No project {project_id!r} is known here.")

    def target(self, model_id: str, project_uid: str) -> Target:
        """What records of a model name."""
        return self._recorder.target(model_id, project_uid)


class _Place:
    """What an upload needs of a connection, answered by a stand-in.

    Args:
        connection: to the server that is away.
        stand_in: answers for it.
    """

    def __init__(self, connection: Connection, stand_in: StandIn) -> None:
        self.stubs = connection.stubs
        self.timeout_seconds = connection.timeout_seconds
        self.limits = LIMITS
        self.is_embedded = True  # no line to it is long
        self._connection = connection
        self._stand_in = stand_in

    def call(self, method: Callable[..., Any], request: Any, **_: Any) -> Any:
        """Makes a unary call."""
        return self._stand_in.answer(request)

    def sending(self, method: Any, messages: Iterable[bytes]) -> AbstractContextManager[Any]:
        """Takes a stream."""
        return self._stand_in.sending(messages)

    def another(self) -> "_Place":
        """This one: there is nothing to connect to."""
        return self

    def attempts(self, is_wanted: Callable[[], bool] = lambda: True) -> Attempts:
        """One attempt: what fails here fails again."""
        return Attempts(self._connection, 0.0, (), is_wanted)
