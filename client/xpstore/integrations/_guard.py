"""What fails in a hook of ours never reaches training."""

import logging
from types import TracebackType
from typing import TYPE_CHECKING, Any

from xpstore.errors import Error

if TYPE_CHECKING:
    from xpstore.model import Model

log = logging.getLogger("xpstore")


class Guard:
    """A context for what a hook does: exceptions end there, and the first one is logged.

    KeyboardInterrupt and what else ends a program goes through.

    Args:
        owner: whose hooks these are, for people.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._untold = [True]  # `pop` is one step, also where four threads fail at once; and it can be copied

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self.tell(error)
        return True

    def tell(self, error: Exception) -> None:
        """Logs the first error; what is no error of the service's rules, with its traceback."""
        try:
            self._untold.pop()
        except IndexError:
            return
        said = "%s could not record something, and goes on; this is said once. %s: %s"
        log.warning(
            said, self._owner, type(error).__name__, error, exc_info=None if isinstance(error, Error) else error
        )

    def log(self, model: "Model", name: str, value: Any, step: int | None = None, phase: str | None = None) -> None:
        """Logs a point; None is no value. One that is refused, such as for its name, hinders no other."""
        if value is not None:
            with self:
                model.metrics.log(name, value, step, phase)
