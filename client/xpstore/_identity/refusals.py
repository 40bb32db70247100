"""What has no fingerprint, and what to pass instead; and what as a global computes nothing."""

import inspect
import io
import os
import sys
from collections.abc import Iterator
from typing import Any

from xpstore._identity.nodes import CURE

# By the module of a class or of one of its bases: what it stands for is outside of the object, or is used up.
_CURES = {
    "unittest.mock": "a mock stands for anything: cache no function that is given one",
    "socket": "pass the address",
    "ssl": "pass the address",
    "subprocess": "pass the command",
    "multiprocessing": "pass how many processes there are to be, or leave it out with ignore=",
    "concurrent.futures": "pass how many workers there are to be, or leave it out with ignore=",
    "threading": "leave it out with ignore=",
    "contextvars": "pass its value",
    "_contextvars": "pass its value",
    "weakref": "pass what it refers to",
    "_weakrefset": "pass what it refers to",
    "sqlite3": "pass the path of the database",
    "mmap": "pass the path, or the bytes read from it",
    "tempfile": "pass its path, or the bytes read from it",
    "h5py": "pass the path of the file",
    "dask": "pass what it computes",
    "polars.lazyframe": "pass value.collect()",
    "pyarrow.dataset": "pass the path, or the table read from it",
    "pyarrow._dataset": "pass the path, or the table read from it",
    "pyarrow.parquet": "pass the path, or the table read from it",
    "xpstore._session.client": "pass what is read through it: a project, run or list changes on the server",
    "random": "pass the seed that it is made from",
}
_IDLE = {
    "_thread": {"lock", "RLock", "LockType"},
    "threading": {"_RLock", "Condition", "Event", "Semaphore", "BoundedSemaphore", "Barrier"},
    "asyncio.locks": {"Lock", "Event", "Condition", "Semaphore", "BoundedSemaphore", "Barrier"},
    "multiprocessing.synchronize": {
        "Lock", "RLock", "Event", "Condition", "Semaphore", "BoundedSemaphore", "Barrier", "SemLock",
    },
    "logging": {"Logger", "RootLogger", "LoggerAdapter"},
}  # fmt: skip


def is_idle(value: Any) -> bool:
    """Returns whether a global computes nothing: a lock, an event, a logger."""
    return any(base.__name__ in _IDLE.get(base.__module__, ()) for base in type(value).__mro__)


def cure_of(value: Any) -> str:
    """What to pass instead of a value that is refused; empty if it is not."""
    kind = type(value)
    if kind is object:
        return CURE  # nothing but itself tells it from another
    if isinstance(value, type):
        return ""
    if kind is type(os.environ):
        return "pass the variables that count"
    for base in kind.__mro__:
        name = base.__module__
        while name:
            if name in _CURES and name in sys.modules:
                return _CURES[name]
            name = name.rpartition(".")[0]
    if isinstance(value, io.IOBase):
        return "pass its path, or the bytes read from it"
    if inspect.isasyncgen(value) or isinstance(value, Iterator):
        return "reading it would use it up; pass a list"
    if inspect.isawaitable(value):
        return "await it and pass the result"
    return ""
