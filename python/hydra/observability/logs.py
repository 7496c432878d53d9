"""Log lines on stderr: for a person, or one JSON object each. In workers the app's own configuration wins.

configure_logging      a supervisor: the root logger is hydra's
before_app ──import, on_worker_start──► after_app      a worker: hydra's only where the app has configured nothing
"""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback

import msgspec

UNTOUCHED = logging.INFO - 1  # the root logger's level, until the app sets one: shows what INFO shows
FORMATS = ("console", "json")
STANDARD_FIELDS = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def configure_logging(format: str) -> None:
    """Send everything from INFO on to stderr."""
    logging.basicConfig(level=logging.INFO, handlers=[handler_of(format)])


def handler_of(format: str) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if format == "json" else ConsoleFormatter())
    return handler


def before_app(format: str) -> None:
    """While the root logger has no handler, `logging.basicConfig` of the app's configures it; until then everything
    goes where Python sends what nobody handles."""
    logging.lastResort = handler_of(format)
    logging.lastResort.setLevel(logging.NOTSET)
    logging.getLogger().setLevel(UNTOUCHED)


def after_app(format: str) -> None:
    """The app has had its say."""
    root = logging.getLogger()
    if not root.handlers or (root.level == UNTOUCHED and all(is_made_by_the_way(each) for each in root.handlers)):
        root.handlers[:] = [handler_of(format)]
        if root.level == UNTOUCHED:
            root.setLevel(logging.INFO)
    elif root.level == UNTOUCHED:
        root.setLevel(logging.WARNING)  # Python's own, since the app has named none
    for name, logger in root.manager.loggerDict.items():
        if name.partition(".")[0] == "hydra" and isinstance(logger, logging.Logger):
            logger.disabled = False  # by `dictConfig`, which disables every logger that was there before


def is_made_by_the_way(handler: logging.Handler) -> bool:
    """What `logging.info(…)` makes when it finds no handler."""
    return (
        type(handler) is logging.StreamHandler
        and handler.stream is sys.stderr
        and handler.formatter is not None
        and handler.formatter._fmt == logging.BASIC_FORMAT
    )


class ConsoleFormatter(logging.Formatter):
    """`12:00:01.250 WARNING node  message`, the traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%H:%M:%S", time.localtime(record.created))
        name = record.name.removeprefix("hydra.")
        line = f"{at}.{int(record.msecs):03d} {record.levelname:<7} {name}[{record.process}]: {record.getMessage()}"
        text = traceback_of(record)
        return f"{line}\n{text}" if text else line


class JsonFormatter(logging.Formatter):
    """One object a line, with what was given as `extra`; times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields: dict[str, object] = {
            "at": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process or os.getpid(),
            "message": record.getMessage(),
        }
        fields |= {name: value for name, value in record.__dict__.items() if name not in STANDARD_FIELDS}
        if text := traceback_of(record):
            fields["exception"] = text
        return msgspec.json.encode(fields, enc_hook=str).decode()


def traceback_of(record: logging.LogRecord) -> str:
    """Of an exception here, or (`exc_text`) of one in another process."""
    if record.exc_info and record.exc_info[0] is not None:
        return "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
    return record.exc_text or ""
