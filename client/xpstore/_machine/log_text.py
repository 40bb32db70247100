"""The package's log: what others wrote, such as a name or an error of a server, moves no cursor where it is shown."""

import logging

from xpstore.format.text import printable_lines


def escape_log() -> None:
    """Has all messages of the log "xpstore" written as they may be shown."""
    log = logging.getLogger("xpstore")
    if not any(isinstance(one, _Printable) for one in log.filters):
        log.addFilter(_Printable())


class _Printable(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Takes every record."""
        try:
            message = record.getMessage()
        except Exception:  # the handler says what is wrong with it
            return True
        shown = printable_lines(message)
        if shown != message:
            record.msg, record.args = shown, None
        return True
