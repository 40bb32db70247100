"""When and by whom something was made and changed."""

from datetime import datetime
from typing import Any, Protocol

from xpstore._values.times import to_datetime


class _Wired(Protocol):
    @property
    def _wire(self) -> Any: ...


class Stamped:
    """The four fields that everything with a name has, as they were when it was last heard of."""

    @property
    def created_at(self: _Wired) -> datetime:
        """When it was created, UTC."""
        return to_datetime(self._wire.created_at_us)

    @property
    def created_by(self: _Wired) -> str:
        """Name of the API key that created it."""
        return str(self._wire.created_by)

    @property
    def updated_at(self: _Wired) -> datetime:
        """When it was last changed, UTC."""
        return to_datetime(self._wire.updated_at_us)

    @property
    def updated_by(self: _Wired) -> str:
        """Name of the API key that changed it last."""
        return str(self._wire.updated_by)
