"""Log lines on stderr: for a person, or one JSON object each. Configures the root logger, decides nothing else."""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback

import msgspec

FORMATS = ("console", "json")


def configure_logging(format: str) -> None:
    """Send everything from INFO on to stderr; whatever the app configures afterwards wins."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else ConsoleFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class ConsoleFormatter(logging.Formatter):
    """`12:00:01.250 WARNING node  message`, the traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%H:%M:%S", time.localtime(record.created))
        name = record.name.removeprefix("hydra.")
        line = f"{at}.{int(record.msecs):03d} {record.levelname:<7} {name}[{record.process}]: {record.getMessage()}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One object a line; times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, object] = {
            "at": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process or os.getpid(),
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            fields["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return msgspec.json.encode(fields).decode()
