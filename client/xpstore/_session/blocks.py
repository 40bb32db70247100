"""Blocks of projects: which of those that are open counts here.

A block belongs to the context that it was entered in, and to those copied from it: leaving it changes no other's. One
that a generator entered is the generator's own: it counts while that runs, and not for the loop that takes values from
it. A generator that stands for a `with` block, as those of `contextlib.contextmanager`, enters for its caller.
"""

import contextvars
import sys
import threading
from collections.abc import Iterator
from contextvars import Context, ContextVar
from dataclasses import dataclass
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR
from types import FrameType
from typing import Any

from xpstore.errors import NoProject

# Whoever runs a generator from one of these does so for others: contextlib and its like, and fixtures of tests.
_ENTERING = ("__enter__", "__aenter__")
_FIXTURES = ("_pytest", "pytest_asyncio")


@dataclass(slots=True, eq=False)
class Block:
    """A project, and who made it the current one.

    Attributes:
        project: a `ProjectBase` of `project.py`, which finds its client in `current.py`; None for no project.
        chosen_by: the process that chose it by itself, 0 if none did: a forked child has that of its parent.
        owner: the thread and the task that entered it.
        generator: the generator that entered it for itself, by the address of its frame; 0 for none. Not the frame: it
            would keep alive what it holds, so that a generator that is dropped would never leave its block.
        is_left_elsewhere: whether another thread, task or context left it, which could not take it from its owner's.
    """

    project: Any = None
    chosen_by: int = 0
    owner: tuple[int, int] = (0, 0)
    generator: int = 0
    is_left_elsewhere: bool = False


_of_context: ContextVar[tuple[Block, ...]] = ContextVar("xpstore_blocks", default=())
# All that are open in this process, for the threads that have none.
_open: list[Block] = []
_lock = threading.Lock()


def enter(project: Any, *, chosen_by: int) -> Block:
    """Makes a project the current one of this context until `leave`."""
    block = Block(project, chosen_by, _owner(), next(_generators(sys._getframe()), 0))
    _of_context.set((*_own(), block))
    with _lock:
        _open.append(block)
    return block


def leave(block: Block) -> None:
    """Ends a block, in whatever order, thread or task."""
    with _lock:
        if block in _open:  # else `init()` was called meanwhile
            _open.remove(block)
    before = _of_context.get()
    if block in before:
        _of_context.set(tuple(each for each in before if each is not block))
    if block not in before or block.owner != _owner():
        block.is_left_elsewhere = True


def innermost() -> Block | None:
    """The block of this context that counts, None if it has none.

    Raises:
        NoProject: the context was copied while a generator was in its block, by it or by who takes values from it.
    """
    blocks = _of_context.get()
    if not any([block.generator or block.is_left_elsewhere for block in blocks]):
        return blocks[-1] if blocks else None
    blocks, owner = _own(), _owner()
    for generator in _generators(sys._getframe()):
        if inside := [block for block in blocks if block.generator == generator and block.owner == owner]:
            return inside[-1]
    blocks = tuple(block for block in blocks if not block.generator or block.owner != owner)
    unclear = len(blocks)
    while unclear and blocks[unclear - 1].generator:
        unclear -= 1
    found = blocks[max(unclear - 1, 0) :]
    if len({block.project for block in found}) > 1:
        raise ambiguous([block.project for block in found], "it is not clear which of them this was started in")
    return found[-1] if found else None


def ambiguous(projects: list[Any], reason: str) -> NoProject:
    """The error of who would have to guess."""
    names = " and ".join(dict.fromkeys(f"{project.id!r} ({project._client.api_url})" for project in projects))
    return NoProject(
        f"Blocks of the projects {names} are open, and {reason}: use `with Project(id):` where the work is done, pass "
        "project=, or call set_project(Project(id)), which counts wherever there is no block."
    )


def of(blocks: list[Block]) -> Block:
    """The one to leave of several that one object has entered: that of this context, else of this thread and task."""
    owner, own, generator = _owner(), _of_context.get(), next(_generators(sys._getframe()), 0)
    return max(reversed(blocks), key=lambda block: (block in own, block.owner == owner, block.generator == generator))


def open_projects() -> list[Any]:
    """The projects that count somewhere in this process, each once: of blocks in each other that of the inner one."""
    with _lock:
        blocks = [block for block in _open if block.project is not None]
    counting = {(*block.owner, block.generator): block for block in blocks}
    return list({block.project: None for block in counting.values()})


def copied() -> Context:
    """A copy of this context, for another thread: the block that counts here counts there."""
    block, context = innermost(), contextvars.copy_context()
    if block is not None and block.generator:
        context.run(_of_context.set, (Block(block.project, block.chosen_by),))
    return context


def forget() -> None:
    """Leaves no block to this context, nor to threads that have none; other contexts keep theirs."""
    with _lock:
        _open.clear()
    _of_context.set(())


def forget_others() -> None:
    """In a forked child: what was open is its parent's."""
    global _lock
    _lock = threading.Lock()
    _open.clear()


def _own() -> tuple[Block, ...]:
    blocks = _of_context.get()
    if any(block.is_left_elsewhere for block in blocks):
        owner = _owner()
        blocks = tuple(block for block in blocks if not (block.is_left_elsewhere and block.owner == owner))
    return blocks


def _owner() -> tuple[int, int]:
    asyncio = sys.modules.get("asyncio")
    try:
        task = asyncio.current_task() if asyncio is not None else None
    except RuntimeError:  # no loop runs
        task = None
    return threading.get_ident(), id(task) if task is not None else 0


def _generators(frame: FrameType | None) -> Iterator[int]:
    """The generators that run now for themselves, innermost first."""
    running = list[int]()
    while frame is not None:
        if frame.f_code.co_flags & (CO_GENERATOR | CO_ASYNC_GENERATOR):
            running.append(id(frame))
        else:
            if not _is_for_others(frame):
                yield from running
            running.clear()
        frame = frame.f_back


def _is_for_others(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__"))
    return frame.f_code.co_name in _ENTERING or module.partition(".")[0] in _FIXTURES
