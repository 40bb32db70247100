"""Turns: what waits for a thread of the database, served caller by caller.

One caller with a thousand units does not make others wait for more than one of them. What waits is bounded; and what
nobody waits for any more, as its call was cancelled or its time is over, is dropped before it begins.
"""

import math
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import ContextVar, copy_context
from typing import Any, Generic, TypeVar

from xpstore_server.store.errors import StoreBusy, StoreUnavailable

T = TypeVar("T")

# A caller has no more calls under way, and each has one unit at a time: who is refused here makes calls of many.
MOST_OF_ONE = 512
MOST = 2_048
# Behind the name of a caller whose job takes long in Python, which does one thing at a time: one of these runs at once.
HEAVY = "\0heavy"


class Job(Generic[T]):
    """A function that waits for its turn, runs, or is done.

    Attributes:
        caller: whose turn it takes; "" for the server's own.
        future: its result.
        is_left: nobody waits for it any more.
    """

    def __init__(self, caller: str, function: Callable[..., T], arguments: tuple[Any, ...]) -> None:
        self.caller = caller
        self.future: Future[T] = Future()
        self.is_left = False
        self._hurry: Callable[[], None] | None = None
        self._function = function
        self._arguments = arguments
        self._context = copy_context()  # whose call it is goes with it
        self._lock = threading.Lock()

    def __call__(self, *more: Any) -> T:
        """Runs the function. Its result is to be set by whoever runs it."""
        return self._context.run(self._run, *more)

    def _run(self, *more: Any) -> T:
        _current.set(self)
        return self._function(*self._arguments, *more)

    def run(self) -> None:
        """Runs the function and sets its result."""
        try:
            result = self()
        except BaseException as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)

    def leave(self) -> None:
        """Nobody waits for it any more: it does not begin, or ends at its next statement."""
        self.future.cancel()
        with self._lock:
            self.is_left = True
            if self._hurry is not None:
                self._hurry()

    def hurry_by(self, hurry: Callable[[], None] | None) -> None:
        """What `leave` calls from now on, to end what the job waits for."""
        with self._lock:
            self._hurry = hurry
            if self.is_left and hurry is not None:
                hurry()


_current: ContextVar[Job[Any] | None] = ContextVar("job", default=None)


def current() -> Job[Any] | None:
    """The job that runs in this thread."""
    return _current.get()


class Turns:
    """What waits, by caller.

    Args:
        at_once: how many jobs of one caller run at once, until `done`: the rest of the threads is for others.
    """

    def __init__(self, at_once: float = math.inf) -> None:
        self._at_once = at_once
        self._waiting: OrderedDict[str, deque[Job[Any]]] = OrderedDict()
        self._running: Counter[str] = Counter()
        self._count = 0
        self._is_closed = False
        self._lock = threading.Lock()
        # Of each thread that waits what wakes it. Who came last is first: its connection and the processor know most
        # of what it is about to read.
        self._idle: list[threading.Lock] = []

    def put(self, job: Job[Any]) -> None:
        """Lets a job wait.

        Raises:
            StoreBusy: too many wait.
            StoreUnavailable: no more are taken.
        """
        with self._lock:
            if self._is_closed:
                raise StoreUnavailable("The server is shutting down.")
            if job.caller:
                self._check(job.caller)
            self._waiting.setdefault(job.caller, deque()).append(job)
            self._count += 1
            # Where as many run as may, whoever is done with one of them takes it.
            if self._idle and self._running[job.caller] < self._most(job.caller):
                self._idle.pop().release()

    def _most(self, caller: str) -> float:
        return 1 if caller.endswith(HEAVY) else self._at_once

    def _check(self, caller: str) -> None:
        for _ in range(2):
            mine = self._waiting.get(caller, ())
            if len(mine) < MOST_OF_ONE and self._count < MOST:
                return
            self._forget_cancelled()
        most = MOST_OF_ONE if len(mine) >= MOST_OF_ONE else MOST
        whose = "of this key" if most == MOST_OF_ONE else "of all keys"
        raise StoreBusy(f"Too many calls {whose} wait for the database: {most} may. Wait a moment.", most)

    def _forget_cancelled(self) -> None:
        for caller, jobs in list(self._waiting.items()):
            left = deque(job for job in jobs if not job.future.cancelled())
            self._count -= len(jobs) - len(left)
            if left:
                self._waiting[caller] = left
            else:
                del self._waiting[caller]

    def get(self, *, wait: bool = True) -> Job[Any] | None:
        """The job whose turn it is; None once all is done, or at once if none waits and it shall not either."""
        while True:
            with self._lock:
                if (job := self._next()) is not None or not wait or (self._is_closed and not self._count):
                    return job
                woken = threading.Lock()
                woken.acquire()
                self._idle.append(woken)
            woken.acquire()

    def _next(self) -> Job[Any] | None:
        for caller in list(self._waiting):  # a copy: it changes on the way
            if self._running[caller] >= self._most(caller):
                continue
            jobs = self._waiting[caller]
            while jobs:
                job = jobs.popleft()
                self._count -= 1
                if job.future.set_running_or_notify_cancel():
                    self._running[caller] += 1
                    self._pass(caller)
                    return job
            self._pass(caller)
        return None

    def _pass(self, caller: str) -> None:
        if self._waiting[caller]:
            self._waiting.move_to_end(caller)
        else:
            del self._waiting[caller]

    def done(self, job: Job[Any]) -> None:
        """Says that a job has run; its thread is to ask for the next at once."""
        with self._lock:
            self._running[job.caller] -= 1
            if not self._running[job.caller]:
                del self._running[job.caller]
            if self._is_closed:
                self._wake_all()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._count

    def close(self) -> None:
        """Takes no more."""
        with self._lock:
            self._is_closed = True
            self._wake_all()

    def _wake_all(self) -> None:
        while self._idle:
            self._idle.pop().release()


class Pool:
    """Threads that serve callers in turns.

    Args:
        threads: how many, one of which at least no single caller has.
        name: theirs.
    """

    def __init__(self, threads: int, name: str, at_once: int) -> None:
        self._most = threads
        self._name = name
        self._turns = Turns(at_once)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def submit(self, caller: str, function: Callable[..., T], *arguments: Any) -> Job[T]:
        """Lets a function wait for its turn. Raises as `Turns.put`."""
        job = Job(caller, function, arguments)
        self._turns.put(job)
        with self._lock:
            if len(self._threads) < self._most:
                name = f"{self._name}_{len(self._threads)}"
                self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
                self._threads[-1].start()
        return job

    def _run(self) -> None:
        while (job := self._turns.get()) is not None:
            job.run()
            self._turns.done(job)
            del job  # an idle thread keeps nothing of it

    def close(self) -> None:
        """Finishes what waits."""
        self._turns.close()
        for thread in self._threads:
            thread.join()
