"""`xpstore run`: a program of any language as a run of a model."""

import codecs
import contextlib
import errno
import logging
import os
import selectors
import shutil
import signal
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

import xpstore
from xpstore._cli.printing import fail, tell
from xpstore._cli.record import Pairs, pairs_of
from xpstore._cli.service import CONNECT_SECONDS, is_named
from xpstore._console.printout import Printout
from xpstore._machine.environment import capture
from xpstore._service.connection import TIMEOUT_SECONDS
from xpstore._values.checks import MAX_TEXT_LENGTH
from xpstore.errors import DeadlineExceeded, InvalidArgument, Unavailable
from xpstore.model import Model
from xpstore.run import Attempt

NOT_FOUND, NOT_STARTED = 127, 126  # as shells have it
READ_BYTES = 64 << 10
# How often it is looked whether the program has ended, as its children may keep its output open.
LOOK_SECONDS = 0.2
# Characters of its end that the error of a failed run has.
LAST_LENGTH = 4_000
EXPERIMENT = "runs"


def run(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND [ARGS]...", help="The program.")],
    project: Annotated[
        str | None,
        typer.Option(
            envvar="XPSTORE_PROJECT", metavar="ID", help="Made if there is none; default the name of this folder."
        ),
    ] = None,
    experiment: Annotated[str, typer.Option(metavar="NAME", help="Made if there is none.")] = EXPERIMENT,
    hash: Annotated[
        str | None, typer.Option(metavar="HASH", help="Which model; default that of the config, else a new one.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What a new model is called.")] = None,
    config: Annotated[
        Pairs, typer.Option(metavar="NAME=VALUE", help="What a new model is made with; may be given more than once.")
    ] = None,
    tag: Annotated[Pairs, typer.Option(metavar="TAG", help="A tag of the model; may be given more than once.")] = None,
) -> None:
    """Run a program as a run of a model: what it prints, what it uses, how it ends.

    It has the terminal, standard input and the signals that this command gets, and its exit code is this one's. If
    the service is away it runs all the same, and what is recorded waits in the spool.
    """
    made_with = pairs_of("--config", config)
    if (path := shutil.which(command[0])) is None:
        fail(f"{command[0]}: there is no such program on PATH", status=NOT_FOUND)
    logging.getLogger("xpstore").setLevel(logging.ERROR)  # what is away is told here, between the program's lines

    def make() -> Model:
        place = xpstore.Project(project or Path.cwd().name or EXPERIMENT).open()
        return place.experiment(experiment).model(hash, name, config=made_with or None, tags=tag or ())

    try:
        xpstore.init(timeout_seconds=CONNECT_SECONDS if is_named() else TIMEOUT_SECONDS)
        model = make()
    except (Unavailable, DeadlineExceeded) as error:
        tell(f"{str(error).rstrip('.')}. What is recorded waits in the spool: `xpstore sync` sends it.")
        xpstore.init(offline=True)
        model = make()
    model._client.timeout_seconds = TIMEOUT_SECONDS
    environment = capture(MAX_TEXT_LENGTH, command)
    attempt = Attempt(model._client, model._target)
    with _Signals() as signals:
        try:
            child = _Child(path, command)
        except OSError as error:
            fail(f"{command[0]}: {error.strerror}", status=NOT_STARTED)
        signals.pass_to(child.process)
        try:
            attempt.begin(environment, child.process.pid)
        except InvalidArgument:
            child.process.kill()
            raise
        last = child.relay(attempt.printout)
    code = child.process.wait()
    attempt.end(None if code == 0 else f"{_told(code)}\n\n{last}".rstrip())
    raise typer.Exit(code if code >= 0 else 128 - code)


def _told(code: int) -> str:
    if code > 0:
        return f"The program ended with exit code {code}."
    with contextlib.suppress(ValueError):
        return f"The program was ended by {signal.Signals(-code).name}."
    return f"The program was ended by signal {-code}."


class _Signals:
    """Passes signals on to a program, those too that came before it was there."""

    PASSED = tuple(
        getattr(signal, name)
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")
        if hasattr(signal, name)
    )

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._waiting = list[int]()
        self._before = dict[int, Any]()

    def __enter__(self) -> "_Signals":
        for number in self.PASSED:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as of what `nohup` starts: the program ignores it too
                self._before[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def pass_to(self, process: "subprocess.Popen[bytes]") -> None:
        """Says who gets them."""
        self._process = process
        for number in self._waiting:
            self._take(number, None)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._process is None:
            self._waiting.append(number)
        elif not (number in (signal.SIGINT, signal.SIGQUIT) and _is_in_foreground()):
            self._process.send_signal(number)


def _is_in_foreground() -> bool:
    """Whether a terminal sends Ctrl-C to this process and the program alike: passed on, it would come twice."""
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except (OSError, AttributeError):
        return False


class _Child:
    """A program whose output is read, and passed on to where ours goes.

    Where that is a terminal it writes to one too, so that it has colours and progress bars; its standard input is ours.
    """

    def __init__(self, path: str, command: Sequence[str]) -> None:
        terminal = _terminal() if sys.stdout.isatty() else None
        ours, output = terminal or os.pipe()
        self._targets = {ours: 1}
        errors = output
        if terminal is None or not os.isatty(2):
            source, errors = os.pipe()
            self._targets[source] = 2
        try:
            self.process = subprocess.Popen(command, executable=path, stdout=output, stderr=errors)
        finally:
            for descriptor in {output, errors}:
                os.close(descriptor)
        if terminal is not None:
            _follow_size(ours)

    def relay(self, printout: Printout | None) -> str:
        """Passes on what the program writes, until it has ended. Returns the last of it."""
        last, length = deque[str](), 0
        for text in self._texts():
            if printout is not None:
                printout.add(text)
            last.append(text)
            length += len(text)
            while length - len(last[0]) > LAST_LENGTH:
                length -= len(last.popleft())
        return "".join(last)[-LAST_LENGTH:]

    def _texts(self) -> Iterator[str]:
        decoders = {source: codecs.getincrementaldecoder("utf-8")("replace") for source in self._targets}
        with selectors.DefaultSelector() as selector:
            for source in self._targets:
                selector.register(source, selectors.EVENT_READ)
            while selector.get_map():
                is_over = self.process.poll() is not None
                ready = selector.select(0 if is_over else LOOK_SECONDS)
                for key, _ in ready:
                    data = _read(key.fd)
                    yield decoders[key.fd].decode(data, final=not data)
                    if not data or not _written(self._targets[key.fd], data):
                        selector.unregister(key.fd)
                        os.close(key.fd)
                if is_over and not ready:
                    return


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, READ_BYTES)
    except OSError as error:
        if error.errno == errno.EIO:  # how the end of a terminal reads on Linux
            return b""
        raise


def _written(descriptor: int, data: bytes) -> bool:
    """Whether somebody still reads what is written: else the program is to be told by what it writes to."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except BrokenPipeError:
        return False
    return True


def _terminal() -> tuple[int, int] | None:
    """A terminal of the size of ours, that changes nothing of what is written to it; None where there are none."""
    try:
        import pty  # here: Windows has none
        import termios  # nor this
    except ImportError:
        return None
    try:
        ours, its = pty.openpty()
    except OSError:  # all are taken
        return None
    mode = termios.tcgetattr(its)
    mode[1] &= ~termios.OPOST  # our terminal makes its line ends
    termios.tcsetattr(its, termios.TCSANOW, mode)
    return ours, its


def _follow_size(descriptor: int) -> None:
    """Gives a terminal the size of ours, now and whenever that changes."""
    import fcntl  # here: Windows has none
    import termios  # nor this

    def follow(*_: object) -> None:
        with contextlib.suppress(OSError):
            size = fcntl.ioctl(1, termios.TIOCGWINSZ, bytes(struct.calcsize("4H")))
            fcntl.ioctl(descriptor, termios.TIOCSWINSZ, size)

    follow()
    signal.signal(signal.SIGWINCH, follow)
