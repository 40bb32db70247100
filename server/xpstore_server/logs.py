"""Structured logs: one JSON object a line, on standard error."""

import json
import logging
import sys
import time


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class Departures(logging.Filter):
    """Drops what gRPC says of callers that left in the midst of a call: its line says CANCELLED."""

    WORDS = ("ExecuteBatchError raised in core", "Failed sending error status")

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(self.WORDS)


def configure(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level="WARNING", handlers=[handler], force=True)
    logging.getLogger("xpstore").setLevel(level)
    logging.getLogger("grpc._cython.cygrpc").addFilter(Departures())
